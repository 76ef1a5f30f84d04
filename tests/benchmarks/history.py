"""A past: months of telemetry of many spacecraft put straight into the tables, as if it had been handled long ago."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from missionops.domain import parameter_set
from missionops.domain.parameter_set import ParameterSet
from tests.benchmarks.workload import LIMITS, Workload
from tests.stored_telemetry import add_parameter_set

_SPAN = timedelta(days=365)
_PORTION = 50_000
_POOL = 2_000
_SNAPSHOT = (
    "timestamp", "received_at", "config_version", "parameter_set_id", "spacecraft_id", "id", "numbers", "others",
)  # fmt: skip
_ANOMALY = (
    "spacecraft_id", "timestamp", "snapshot_id", "parameter", "kind", "severity", "config_version",
    "detected_at", "body", "partition", "stream_generation", "stream_sequence", "number_in_message",
)  # fmt: skip

Row = tuple[object, ...]


async def load(dsn: str, count: int, end: datetime) -> None:
    """So many snapshots over the year before `end`, in the order of time, one in a hundred anomalous."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
        await _make_months(connection, end)
        pool = [snapshot.parameters for snapshot in Workload(snapshots=_POOL, anomalous=0).all()]
        names = sorted(name for name, value in pool[0].items() if parameter_set.is_double(value))
        sets = [await add_parameter_set(connection, name, names) for name in Workload().spacecraft_ids]
        rows = _rows(count, end, pool, ParameterSet(sets[0], names))
        while portion := [row for row, _ in zip(rows, range(_PORTION), strict=False)]:
            await connection.copy_records_to_table(
                "snapshot", schema_name="app", columns=_SNAPSHOT, records=[row for row, _ in portion]
            )
            anomalies = [anomaly for _, anomaly in portion if anomaly]
            await connection.copy_records_to_table("anomaly", schema_name="app", columns=_ANOMALY, records=anomalies)
        await connection.execute("VACUUM (ANALYZE, FREEZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _make_months(connection: "asyncpg.Connection[asyncpg.Record]", end: datetime) -> None:
    days = [(end - timedelta(days=days)).date() for days in range(_SPAN.days + 1)]
    for table in ("app.snapshot", "app.anomaly"):
        await connection.execute("SELECT app.ensure_partitions($1::text::regclass, $2, 20)", table, days)


def _rows(
    count: int, end: datetime, pool: Sequence[dict[str, Any]], known: ParameterSet
) -> Iterator[tuple[Row, Row | None]]:
    ids = Workload().spacecraft_ids
    split = [parameter_set.split(parameters, known.positions) for parameters in pool]
    values = [(found.numbers, msgspec.json.encode(found.others)) for found in split]
    chosen = random.Random(2)  # noqa: S311 - to be repeated, not to be secret
    interval = _SPAN / (count // len(ids) + 1)
    for number in range(count):
        tick, index = divmod(number, len(ids))
        at = end - _SPAN + tick * interval + index * timedelta(milliseconds=100)
        row = at, at, 1, known.id, ids[index], f"past{number:08x}", *values[int(chosen.random() * _POOL)]
        yield row, _anomaly(ids[index], at, number) if chosen.random() < 0.01 else None


def _anomaly(spacecraft_id: str, at: datetime, number: int) -> Row:
    snapshot_id = f"past{number:08x}"
    message = {
        "id": f"{snapshot_id}:temp_00:WARN_HIGH", "spacecraftId": spacecraft_id, "timestamp": at,
        "parameter": "temp_00", "value": 60.5, "severity": "MEDIUM",
        "description": "Parameter temp_00 above warnHigh 50",
        "limit": {"name": "warnHigh", "value": LIMITS["warnHigh"]}, "snapshotId": snapshot_id, "configVersion": 1,
        "detectedAt": at,
    }  # fmt: skip
    # Of a stream that never was: else the service would find them unpublished.
    rest = "temp_00", "WARN_HIGH", "MEDIUM", 1, at, msgspec.json.encode(message), 0, -1, number, 0
    return spacecraft_id, at, snapshot_id, *rest


def ends() -> datetime:
    """Now, and so that nothing of the workload falls into another time than now."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6)
