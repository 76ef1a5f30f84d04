"""Snapshots put into the database without the service, for tests of what reads them, and for large amounts of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from missionops.domain import parameter_set
from missionops.store import partitions

_LARGEST_EXACT = 2**53
_COLUMNS = [
    "timestamp",
    "received_at",
    "config_version",
    "parameter_set_id",
    "spacecraft_id",
    "id",
    "numbers",
    "others",
]


async def add_parameter_set(connection: asyncpg.Connection, spacecraft_id: str, names: Sequence[str]) -> int:
    """The id of the set of these names, which are sorted, stored as one of the spacecraft's."""
    digest = parameter_set.digest(names)
    await connection.execute(
        "INSERT INTO app.parameter_set (digest, names) VALUES ($1, $2) ON CONFLICT DO NOTHING", digest, list(names)
    )
    set_id = await connection.fetchval("SELECT id FROM app.parameter_set WHERE digest = $1", digest)
    await connection.execute(
        "INSERT INTO app.spacecraft_parameter_set VALUES ($1, $2) ON CONFLICT DO NOTHING", spacecraft_id, set_id
    )
    return int(set_id)


async def add(
    connection: asyncpg.Connection,
    spacecraft_id: str,
    snapshots: Sequence[tuple[datetime, Mapping[str, Any]]],
    *,
    names: Sequence[str] | None = None,
    received_at: datetime | None = None,
    config_version: int = 0,
) -> None:
    """Store snapshots. `names` are those of the parameter set, all unless given; values of others go to `others`."""
    every = sorted({name for _, parameters in snapshots for name in parameters} if names is None else set(names))
    set_id = await add_parameter_set(connection, spacecraft_id, every) if every else None
    await partitions.ensure(connection, partitions.SNAPSHOT, {time.date() for time, _ in snapshots})
    await connection.copy_records_to_table(
        "snapshot",
        schema_name="app",
        columns=_COLUMNS,
        records=[
            (
                time,
                received_at or time,
                config_version,
                set_id,
                spacecraft_id,
                f"{index:08}",
                *_columns(every, parameters),
            )
            for index, (time, parameters) in enumerate(snapshots)
        ],
    )


def _columns(names: Sequence[str], parameters: Mapping[str, Any]) -> tuple[list[float | None] | None, bytes | None]:
    by_position = set(names)
    others = {name: value for name, value in parameters.items() if name not in by_position or not _is_number(value)}
    numbers = [None if name in others or name not in parameters else float(parameters[name]) for name in names]
    return numbers if names else None, msgspec.json.encode(others) if others else None


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) <= _LARGEST_EXACT)


_GENERATE = """
INSERT INTO app.snapshot ("timestamp", received_at, config_version, parameter_set_id, spacecraft_id, id, numbers)
SELECT time, time, 0, $2, $1, lpad(n::text, 8, '0'),
       ARRAY(SELECT sin(n / 500.0 + position) * 10 + 20 FROM generate_series(1, $3) AS position)
FROM generate_series(0, $5 - 1) AS n, LATERAL (SELECT $4::timestamptz + n * $6::interval) AS _ (time)
"""


async def generate(
    connection: asyncpg.Connection,
    spacecraft_id: str,
    names: Sequence[str],
    start: datetime,
    *,
    count: int,
    every: timedelta,
) -> None:
    """Store `count` snapshots of smooth numbers, made in the database, from `start` on and `every` apart."""
    set_id = await add_parameter_set(connection, spacecraft_id, sorted(names))
    days = {(start + index * every).date() for index in range(0, count, max(1, count // 5000))}
    await partitions.ensure(connection, partitions.SNAPSHOT, days | {(start + count * every).date()})
    await connection.execute(_GENERATE, spacecraft_id, set_id, len(names), start, count, every)
