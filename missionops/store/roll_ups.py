"""Roll-ups of telemetry in and out of their tables, and the hours that are stale."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.roll_up import NOTHING, Bucket, Numbers, Others, RollUp, Row, VersionRun
from missionops.domain.timestamp import DAY, HOUR, MINUTE
from missionops.store import database, partitions
from missionops.store.database import Connection

TABLES = {MINUTE: "app.roll_up_minute", HOUR: "app.roll_up_hour", DAY: "app.roll_up_day"}

Violations = Mapping[str, Mapping[str, int]]
"""How many anomalies: severity → parameter → count."""

_MARK = "INSERT INTO app.stale_hour (spacecraft_id, hour) SELECT * FROM unnest($1::text[], $2::timestamptz[])"


async def mark(connection: Connection, hours: Iterable[tuple[str, int]]) -> None:
    """Note that snapshots were added to these hours of spacecraft, in the transaction that adds them."""
    spacecraft_ids, starts = zip(*hours, strict=True)
    await connection.execute(_MARK, list(spacecraft_ids), [timestamp.from_microseconds(start) for start in starts])


class StaleHours(NamedTuple):
    """Hours of one spacecraft that are to be rolled up together."""

    spacecraft_id: str
    numbers: Sequence[int]
    """Of the rows that say so."""
    hours: Sequence[int]
    """Each once, in the order of time."""


# Only the owner of the partition reads them: what its successor's batches have added is not its to remove.
_DUE = """
WITH first AS (
    SELECT spacecraft_id, hour FROM app.due_hour
    WHERE spacecraft_id <> ALL ($4::text[])
        AND EXISTS (SELECT FROM app.checkpoint WHERE "partition" = $1 AND epoch = $2)
    ORDER BY number LIMIT 1
)
SELECT first.spacecraft_id, due.number, due.hour
FROM first, LATERAL (
    SELECT number, hour FROM app.due_hour AS due
    WHERE due.spacecraft_id = first.spacecraft_id AND due.hour >= first.hour
    ORDER BY hour LIMIT $3
) AS due
"""


async def due(
    connection: Connection, partition: int, epoch: int, most: int, except_for: Collection[str] = ()
) -> StaleHours | None:
    """Hours that have waited longest, at most so many; None where none is due, or the partition is not ours."""
    rows = await connection.fetch(_DUE, partition, epoch, most, list(except_for))
    if not rows:
        return None
    hours = sorted({timestamp.to_microseconds(row[2]) for row in rows})
    return StaleHours(rows[0][0], [row[1] for row in rows], hours)


_WAITING = "SELECT count(*) FROM (SELECT FROM app.due_hour LIMIT 10000) AS _"


async def waiting(connection: Connection) -> int:
    """How many hours are due; 10,000 stands for more."""
    return int(await connection.fetchval(_WAITING))


_TURN = 'SELECT FROM app.roll_up_turn WHERE "partition" = $1 FOR UPDATE'
_PRESENT = "SELECT count(*) FROM app.stale_hour WHERE number = ANY ($1::bigint[])"


async def begin(connection: Connection, partition: int, stale: StaleHours) -> bool:
    """Let nobody else roll up until the end of this transaction; False if somebody else has done it meanwhile."""
    await connection.execute(_TURN, partition)
    return int(await connection.fetchval(_PRESENT, stale.numbers)) == len(stale.numbers)


_REMOVE = "DELETE FROM app.stale_hour WHERE number = ANY ($1::bigint[])"


async def remove(connection: Connection, stale: StaleHours) -> None:
    """They are rolled up."""
    await connection.execute(_REMOVE, stale.numbers)


_STALE_DAYS = """
SELECT DISTINCT date_trunc('day', hour, 'UTC') FROM app.stale_hour
WHERE spacecraft_id = $1 AND date_trunc('day', hour, 'UTC') = ANY ($2::timestamptz[]) AND hour BETWEEN $3 AND $4
    AND number <> ALL ($5::bigint[])
"""


async def stale_days(connection: Connection, stale: StaleHours, days: Collection[int]) -> set[int]:
    """Those of these days that have other stale hours than these."""
    starts = list(map(timestamp.from_microseconds, sorted(days)))
    end = timestamp.from_microseconds(max(days) + DAY - HOUR)
    rows = await connection.fetch(_STALE_DAYS, stale.spacecraft_id, starts, starts[0], end, stale.numbers)
    return {timestamp.to_microseconds(row[0]) for row in rows}


_SNAPSHOTS = """
SELECT date_part('epoch', "timestamp" - $2::timestamptz), config_version, coalesce(parameter_set_id, 0), numbers, others
FROM app.snapshot WHERE spacecraft_id = $1 AND "timestamp" >= $2 AND "timestamp" < $3
ORDER BY "timestamp", id
"""
_FIRST_ROWS = 32
_MOST_ROWS = 2_000
_MOST_VALUES = 40_000


async def snapshots(connection: Connection, spacecraft_id: str, start: int, end: int) -> AsyncIterator[Sequence[Row]]:
    """The snapshots from `start` until before `end`, in portions that take some milliseconds each."""
    times = map(timestamp.from_microseconds, (start, end))
    cursor = await connection.cursor(_SNAPSHOTS, spacecraft_id, *times)
    count = _FIRST_ROWS
    while rows := await cursor.fetch(count):
        yield rows  # type: ignore[misc] # a Record is a sequence of its columns
        width = max(1 + len(numbers or ()) + len(others or b"") // 8 for *_, numbers, others in rows)
        count = max(8, min(_MOST_ROWS, 4 * count, _MOST_VALUES // width))


_ANOMALOUS_HOURS = """
SELECT DISTINCT date_trunc('hour', "timestamp", 'UTC') FROM app.anomaly
WHERE spacecraft_id = $1 AND "timestamp" >= $2 AND "timestamp" < $3
"""


async def anomalous_hours(connection: Connection, spacecraft_id: str, start: int, end: int) -> set[int]:
    """The hours from `start` until before `end` that have anomalies."""
    times = map(timestamp.from_microseconds, (start, end))
    rows = await connection.fetch(_ANOMALOUS_HOURS, spacecraft_id, *times)
    return {timestamp.to_microseconds(row[0]) for row in rows}


_VIOLATIONS = """
SELECT date_trunc('minute', "timestamp", 'UTC') AS minute, severity, parameter, count(*)
FROM app.anomaly WHERE spacecraft_id = $1 AND "timestamp" >= $2 AND "timestamp" < $3
GROUP BY minute, severity, parameter
"""


async def violations(connection: Connection, spacecraft_id: str, hour: int) -> dict[int, Violations]:
    """The anomalies of an hour, by the minutes that have some."""
    times = map(timestamp.from_microseconds, (hour, hour + HOUR))
    found: dict[int, dict[str, dict[str, int]]] = {}
    for minute, severity, parameter, count in await connection.fetch(_VIOLATIONS, spacecraft_id, *times):
        by_severity = found.setdefault(timestamp.to_microseconds(minute), {})
        by_severity.setdefault(severity, {})[parameter] = count
    return found  # type: ignore[return-value] # dicts of dicts are mappings of mappings


def sum_violations(several: Iterable[Violations]) -> Violations:
    """The anomalies of several pieces of time together."""
    total: dict[str, dict[str, int]] = {}
    for one in several:
        for severity, counts in one.items():
            counted = total.setdefault(severity, {})
            for parameter, count in counts.items():
                counted[parameter] = counted.get(parameter, 0) + count
    return total


_CLEAR = {
    MINUTE: """
        DELETE FROM app.roll_up_minute
        WHERE spacecraft_id = $1 AND start >= $2 AND start < $3
    """,
    HOUR: "DELETE FROM app.roll_up_hour WHERE spacecraft_id = $1 AND start >= $2 AND start < $3",
    DAY: "DELETE FROM app.roll_up_day WHERE spacecraft_id = $1 AND start >= $2 AND start < $3",
}


async def clear(connection: Connection, level: int, spacecraft_id: str, start: int, end: int) -> None:
    """Remove the roll-ups of one size from `start` until before `end`."""
    await connection.execute(_CLEAR[level], spacecraft_id, *map(timestamp.from_microseconds, (start, end)))


_COLUMNS = (
    "start", "first_at", "last_at", "snapshots", "parameter_set_id", "config_version", "spacecraft_id",
    "counts", "minima", "minima_at", "maxima", "maxima_at", "lasts", "lasts_at",
    "others", "violations", "versions",
)  # fmt: skip


class StoredBucket(NamedTuple):
    """What a minute, an hour or a day of a spacecraft holds."""

    start: int
    bucket: Bucket
    violations: Violations


async def add(connection: Connection, level: int, spacecraft_id: str, buckets: Collection[StoredBucket]) -> None:
    """Add roll-ups of one size."""
    if not buckets:
        return
    table = TABLES[level]
    await partitions.ensure(connection, table, {timestamp.from_microseconds(stored.start).date() for stored in buckets})
    rows = (row for stored in buckets for row in _rows(spacecraft_id, stored))
    await database.copy_records(connection, table.removeprefix("app."), _COLUMNS, rows)


def _rows(spacecraft_id: str, stored: StoredBucket) -> Iterable[tuple[Any, ...]]:
    """One row for each parameter set; what belongs to none of them is in the first."""
    start, found = stored.start, msgspec.json.encode(stored.violations) if stored.violations else None
    for set_id, part in stored.bucket.items():
        columns = list(zip(*part.columns, strict=True)) or [()] * len(Numbers._fields)
        counts, minima, minima_at, maxima, maxima_at, lasts, lasts_at = columns
        runs = part.runs or ()
        yield (
            *map(timestamp.from_microseconds, (start, part.first, part.last)),
            part.snapshots,
            set_id,
            runs[0].version if len(runs) == 1 else None,
            spacecraft_id,
            counts if any(count != part.snapshots for count in counts) else None,
            minima,
            _since(minima_at, start),
            maxima,
            _since(maxima_at, start),
            lasts,
            _since(lasts_at, start) if any(time not in {None, part.last} for time in lasts_at) else None,
            msgspec.json.encode({name: _other(values, start) for name, values in part.others.items()})
            if part.others
            else None,
            found,
            msgspec.json.encode([(run.version, run.first - start, run.last - start) for run in runs])
            if len(runs) != 1
            else None,
        )
        found = None


def _since(times: Iterable[int | None], start: int) -> list[int | None]:
    return [None if time is None else time - start for time in times]


def _other(values: Others, start: int) -> list[float | None]:
    count, low, low_at, high, high_at, last, last_at = values.numbers
    if low_at is None or high_at is None or last_at is None:
        return [values.others]
    return [values.others, count, low, low_at - start, high, high_at - start, last, last_at - start]


_STORED = {
    level: f"""
        SELECT {", ".join(_COLUMNS)} FROM {table}
        WHERE spacecraft_id = $1 AND start >= $2 AND start < $3 ORDER BY start, parameter_set_id
    """  # noqa: S608 - of our own names
    for level, table in TABLES.items()
}


async def stored(
    connection: Connection, level: int, spacecraft_id: str, start: int, end: int
) -> AsyncIterator[StoredBucket]:
    """The roll-ups of one size from `start` until before `end`, in the order of time."""
    times = map(timestamp.from_microseconds, (start, end))
    current: datetime | None = None
    bucket: dict[int, RollUp] = {}
    found: Violations = {}
    async for row in connection.cursor(_STORED[level], spacecraft_id, *times):
        if row[0] != current:
            if current:
                yield StoredBucket(timestamp.to_microseconds(current), bucket, found)
            current, bucket, found = row[0], {}, {}
        bucket[row["parameter_set_id"]] = _read(row)
        if row["violations"]:
            found = msgspec.json.decode(row["violations"])
    if current:
        yield StoredBucket(timestamp.to_microseconds(current), bucket, found)


def _read(row: Any) -> RollUp:
    start, first, last = map(timestamp.to_microseconds, row[:3])

    def since(times: Iterable[int | None]) -> list[int | None]:
        return [None if time is None else start + time for time in times]

    columns = zip(
        row["counts"] or [row["snapshots"]] * len(row["minima"]),
        row["minima"],
        since(row["minima_at"]),
        row["maxima"],
        since(row["maxima_at"]),
        row["lasts"],
        since(row["lasts_at"] or [None if value is None else last - start for value in row["lasts"]]),
        strict=True,
    )
    others = msgspec.json.decode(row["others"] or b"{}")
    runs = msgspec.json.decode(row["versions"] or b"[]")
    return RollUp(
        row["snapshots"],
        first,
        last,
        [Numbers(*column) for column in columns],
        {name: _read_other(values, start) for name, values in others.items()},
        [VersionRun(version, start + since, start + until) for version, since, until in runs]
        or [VersionRun(row["config_version"], first, last)],
    )


def _read_other(values: Sequence[Any], start: int) -> Others:
    if len(values) == 1:
        return Others(values[0], NOTHING)
    others, count, low, low_at, high, high_at, last, last_at = values
    numbers = Numbers(count, low, start + low_at, high, start + high_at, last, start + last_at)
    return Others(others, numbers)
