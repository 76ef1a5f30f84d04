"""Roll-ups computed plainly, from everything that is stored at once: what the service's own must be equal to."""

from collections import Counter
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.roll_up import NOTHING, Numbers, Others, RollUp, VersionRun
from missionops.store import database as databases
from missionops.store import roll_ups
from missionops.store.roll_ups import TABLES, StoredBucket


class Stored(NamedTuple):
    """A row of app.snapshot, with its time in microseconds."""

    time: int
    config_version: int
    parameter_set_id: int
    numbers: list[float | None] | None
    others: bytes | None


_SNAPSHOTS = """
SELECT "timestamp", config_version, coalesce(parameter_set_id, 0), numbers, others
FROM app.snapshot WHERE spacecraft_id = $1 ORDER BY "timestamp", id
"""
_ANOMALIES = 'SELECT "timestamp", severity, parameter FROM app.anomaly WHERE spacecraft_id = $1'


async def differences(dsn: str, spacecraft_id: str | None = None) -> list[str]:
    """Where the roll-ups of a database are not what its snapshots say, hours that are stale left out."""
    wanted = "SELECT DISTINCT spacecraft_id FROM app.snapshot WHERE $1::text IS NULL OR spacecraft_id = $1"
    async with databases.connected(dsn) as connection:
        ids = await connection.fetch(wanted, spacecraft_id)
        return [
            f"{row[0]} {table} {timestamp.from_microseconds(start)}: {found} and not {expected}"
            for row in ids
            for level, table in TABLES.items()
            for start, found, expected in await _compared(connection, row[0], level)
            if found != expected
        ]


async def _compared(connection: Any, spacecraft_id: str, level: int) -> list[tuple[int, Any, Any]]:
    async with connection.transaction(isolation="repeatable_read"):
        expected = await plain(connection, spacecraft_id, level)
        ever = map(timestamp.to_microseconds, (timestamp.EARLIEST, timestamp.LATEST))
        stored = {one.start: one async for one in roll_ups.stored(connection, level, spacecraft_id, *ever)}
        rows = await connection.fetch("SELECT hour FROM app.stale_hour WHERE spacecraft_id = $1", spacecraft_id)
    stale = {timestamp.to_microseconds(row[0]) // max(level, 3_600_000_000) for row in rows}
    starts = sorted(start for start in stored.keys() | expected if start // max(level, 3_600_000_000) not in stale)
    return [(start, stored.get(start), expected.get(start)) for start in starts]


async def plain(connection: Any, spacecraft_id: str, level: int) -> dict[int, StoredBucket]:
    """The roll-ups of one size of a spacecraft, by their start."""
    snapshots = [
        Stored(timestamp.to_microseconds(time), version, set_id, numbers, others)
        for time, version, set_id, numbers, others in await connection.fetch(_SNAPSHOTS, spacecraft_id)
    ]
    anomalies = [
        (timestamp.to_microseconds(time), severity, parameter)
        for time, severity, parameter in await connection.fetch(_ANOMALIES, spacecraft_id)
    ]
    return {
        start * level: StoredBucket(start * level, by_set, _violations(anomalies, start, level))
        for start, group in groupby(snapshots, lambda snapshot: snapshot.time // level)
        if (by_set := _by_set(list(group)))
    }


def _violations(anomalies: list[tuple[int, str, str]], start: int, level: int) -> dict[str, dict[str, int]]:
    counted = Counter((severity, name) for time, severity, name in anomalies if time // level == start)
    severities = {severity for severity, _ in counted}
    return {one: {name: counted[one, name] for of, name in counted if of == one} for one in severities}


def _by_set(snapshots: list[Stored]) -> dict[int, RollUp]:
    """What is kept of them: nothing if they are too few, or versions too mixed."""
    sets = {snapshot.parameter_set_id for snapshot in snapshots}
    if len(snapshots) < 30 * len(sets):
        return {}
    found = {set_id: _roll_up([one for one in snapshots if one.parameter_set_id == set_id]) for set_id in sorted(sets)}
    return found if all(len(part.runs or ()) <= 50 for part in found.values()) else {}


def _roll_up(snapshots: list[Stored]) -> RollUp:
    width = max(len(snapshot.numbers or ()) for snapshot in snapshots)
    columns = [
        _numbers([(one.time, one.numbers[index]) for one in snapshots if one.numbers and index < len(one.numbers)])
        for index in range(width)
    ]
    others: dict[str, list[tuple[int, Any]]] = {}
    for one in snapshots:
        for name, value in msgspec.json.decode(one.others or b"{}").items():
            if value is not None:
                others.setdefault(name, []).append((one.time, value))
    runs = [
        (version, [one.time for one in group]) for version, group in groupby(snapshots, lambda one: one.config_version)
    ]
    return RollUp(
        len(snapshots),
        snapshots[0].time,
        snapshots[-1].time,
        columns,
        {
            name: Others(
                sum(isinstance(value, str | bool) for _, value in values),
                _numbers([(time, value) for time, value in values if not isinstance(value, str | bool)]),
            )
            for name, values in others.items()
        },
        [VersionRun(version, times[0], times[-1]) for version, times in runs],
    )


def _numbers(values: list[tuple[int, float | None]]) -> Numbers:
    present = [(time, value) for time, value in values if value is not None]
    if not present:
        return NOTHING
    low, high = min(value for _, value in present), max(value for _, value in present)
    return Numbers(
        len(present),
        low,
        next(time for time, value in present if value == low),
        high,
        next(time for time, value in present if value == high),
        present[-1][1],
        present[-1][0],
    )
