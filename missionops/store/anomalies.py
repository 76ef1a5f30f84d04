"""Anomalies in and out of their table."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from missionops.domain import timestamp
from missionops.domain.episodes.episode import Position
from missionops.store import database, partitions, rows
from missionops.store.database import Connection
from missionops.store.telemetry import Between


class AnomalyRow(NamedTuple):
    """An anomaly as it is stored."""

    spacecraft_id: str
    timestamp: datetime
    snapshot_id: str
    parameter: str
    kind: str
    severity: str
    config_version: int
    detected_at: datetime
    body: bytes
    """As it is published."""
    partition: int
    stream_generation: int
    stream_sequence: int
    number_in_message: int

    @property
    def key(self) -> tuple[object, ...]:
        """What no two stored anomalies share."""
        return self[:4]


_ADD_NEW = """
INSERT INTO app.anomaly (
    spacecraft_id, "timestamp", snapshot_id, parameter, kind, severity, config_version, detected_at, body,
    "partition", stream_generation, stream_sequence, number_in_message
)
SELECT * FROM unnest(
    $1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::timestamptz[],
    $9::json[], $10::smallint[], $11::integer[], $12::bigint[], $13::integer[]
)
ON CONFLICT DO NOTHING
RETURNING spacecraft_id, "timestamp", snapshot_id, parameter
"""

_ADD_MISDATED = """
INSERT INTO app.misdated_anomaly (spacecraft_id, detected_at, "timestamp", snapshot_id, parameter, severity)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
ON CONFLICT DO NOTHING
"""

_DAY = timedelta(days=1)


async def add(connection: Connection, rows: Sequence[AnomalyRow]) -> Sequence[AnomalyRow]:
    """Add the anomalies of snapshots that were added in this transaction; returns those that were new.

    Others are there although their snapshot was not: it was deleted, and has come again. They were published once.
    Unavailable where the table has no partition for one of them any more.
    """
    if not rows:
        return rows
    await connection.execute("SAVEPOINT anomalies")
    try:
        await database.copy_records(connection, "anomaly", AnomalyRow._fields, rows)
    except asyncpg.UniqueViolationError:
        await connection.execute("ROLLBACK TO anomalies; RELEASE anomalies")
        added = {tuple(key) for key in await connection.fetch(_ADD_NEW, *map(list, zip(*rows, strict=True)))}
        rows = [row for row in rows if row.key in added]
    except asyncpg.CheckViolationError as error:
        partitions.raise_if_missing(error)
        raise
    else:
        await connection.execute("RELEASE anomalies")
    if misdated := [row for row in rows if abs(row.timestamp - row.detected_at) >= _DAY]:
        columns = [
            (row.spacecraft_id, row.detected_at, row.timestamp, row.snapshot_id, row.parameter, row.severity)
            for row in misdated
        ]
        await connection.execute(_ADD_MISDATED, *map(list, zip(*columns, strict=True)))
    return rows


_REMOVE_MISDATED = """
DELETE FROM app.misdated_anomaly
WHERE ctid = ANY (ARRAY(SELECT ctid FROM app.misdated_anomaly WHERE detected_at < $1 LIMIT 10000))
"""


async def remove_misdated(connection: Connection, before: datetime) -> bool:
    """Remove what was detected before a time from the list of misdated anomalies; False if more may be left."""
    return await connection.execute(_REMOVE_MISDATED, before) != "DELETE 10000"


class StoredAnomaly(NamedTuple):
    """What publishing a stored anomaly needs."""

    spacecraft_id: str
    timestamp: datetime
    snapshot_id: str
    parameter: str
    kind: str
    body: bytes


_SIZE = 8_000  # each page looks at all that are left
_PAGE = """
SELECT stream_sequence, number_in_message, spacecraft_id, "timestamp", snapshot_id, parameter, kind, body
FROM app.anomaly
WHERE "partition" = $1 AND stream_generation = $2 AND stream_sequence BETWEEN $3 AND $5
      AND (stream_sequence, number_in_message) > ($3, $4)
ORDER BY stream_sequence, number_in_message
LIMIT $6
"""


async def pages(  # noqa: PLR0917 - a position in the stream has this many parts
    connection: Connection, partition: int, stream_generation: int, after: int, last: int, size: int = _SIZE
) -> AsyncIterator[list[StoredAnomaly]]:
    """The anomalies of messages after `after` up to `last`, in the order of the stream, at most `size` at a time."""
    position = after, 2**31 - 1  # past every anomaly of `after` itself
    while found := await connection.fetch(_PAGE, partition, stream_generation, *position, last, size):
        yield [StoredAnomaly(*row[2:]) for row in found]
        position = found[-1][0], found[-1][1]


class CountedAnomalies(NamedTuple):
    """How many anomalies a time holds."""

    found: int
    has_first: bool
    """Whether the snapshot with which it begins has one."""


_COUNT = """
SELECT count(*), coalesce(bool_or("timestamp" = $4 AND snapshot_id = $5), false) FROM app.anomaly
WHERE spacecraft_id = $1 AND parameter = $2 AND (kind = 'STATE') = $3
    AND "timestamp" BETWEEN $4 AND $6 AND ("timestamp", snapshot_id) BETWEEN ($4, $5) AND ($6, $7)
"""


# It would do for all spacecraft, but takes three times as long: hardly any has misdated snapshots.
_COUNT_WITH_MISDATED = """
SELECT count(*), coalesce(bool_or((time, stamp, snapshot_id) = ($4, $5, $6)), false) FROM (
    SELECT "timestamp" AS time, "timestamp" AS stamp, snapshot_id FROM app.anomaly
    WHERE spacecraft_id = $1 AND parameter = $2 AND (kind = 'STATE') = $3 AND "timestamp" BETWEEN $4 AND $7
        AND NOT EXISTS (
            SELECT FROM app.misdated_snapshot AS misdated
            WHERE misdated.spacecraft_id = $1 AND misdated."timestamp" = anomaly."timestamp"
                AND misdated.id = snapshot_id
        )
    UNION ALL
    SELECT received_at, misdated."timestamp", snapshot_id FROM app.misdated_snapshot AS misdated JOIN app.anomaly
        ON (anomaly.spacecraft_id, anomaly."timestamp", snapshot_id)
            = (misdated.spacecraft_id, misdated."timestamp", misdated.id)
    WHERE misdated.spacecraft_id = $1 AND parameter = $2 AND (kind = 'STATE') = $3 AND received_at BETWEEN $4 AND $7
) AS _
WHERE (time, stamp, snapshot_id) BETWEEN ($4, $5, $6) AND ($7, $8, $9)
"""


async def count(
    connection: Connection,
    spacecraft_id: str,
    parameter: str,
    between: tuple[Position, Position],
    *,
    is_state: bool,
    has_misdated: bool,
) -> CountedAnomalies:
    """The anomalies of a parameter's states, or of its bands, in the snapshots from one position to another.

    `has_misdated`: whether snapshots of the spacecraft stand elsewhere than at their timestamp.
    """
    (first, first_stamp, first_id), (last, last_stamp, last_id) = between
    times = [timestamp.from_microseconds(time) for time in (first, first_stamp, last, last_stamp)]
    if has_misdated:
        query, ends = _COUNT_WITH_MISDATED, (*times[:2], first_id, *times[2:], last_id)
    else:
        query, ends = _COUNT, (times[0], first_id, times[2], last_id)
    row = await connection.fetchrow(query, spacecraft_id, parameter, is_state, *ends)
    return CountedAnomalies(*row) if row else CountedAnomalies(0, has_first=False)


_KINDS = """
SELECT DISTINCT parameter, kind FROM app.anomaly WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3
"""

_KINDS_OF_MISDATED = """
SELECT DISTINCT parameter, kind FROM app.misdated_snapshot AS misdated JOIN app.anomaly
    ON (anomaly.spacecraft_id, anomaly."timestamp", snapshot_id) = (misdated.spacecraft_id, misdated."timestamp", id)
WHERE misdated.spacecraft_id = $1 AND received_at BETWEEN $2 AND $3
"""


async def kinds(
    connection: Connection, spacecraft_id: str, between: tuple[Position, Position], *, has_misdated: bool
) -> set[tuple[str, str]]:
    """The parameters, each with the kind, of the anomalies in the snapshots from one position to another.

    There may be some of snapshots that are stamped so and stand elsewhere. `has_misdated`: whether there are such.
    """
    moments = [timestamp.from_microseconds(position[0]) for position in between]
    found = await connection.fetch(_KINDS, spacecraft_id, *moments)
    if has_misdated:
        found += await connection.fetch(_KINDS_OF_MISDATED, spacecraft_id, *moments)
    return {(row[0], row[1]) for row in found}


class ListedAnomaly(NamedTuple):
    """A stored anomaly in a listing."""

    timestamp: datetime
    id: str
    snapshot_id: str
    body: bytes


class AnomalyCursor(NamedTuple):
    """A position in the order of time, then id; snapshot ids part the few that share both."""

    timestamp: datetime
    id: str
    snapshot_id: str


_FIRST = AnomalyCursor(timestamp.EARLIEST, "", "")

_OLDEST = """
SELECT "timestamp", label, snapshot_id, body
FROM app.anomaly CROSS JOIN LATERAL (SELECT (snapshot_id || ':' || parameter || ':' || kind) COLLATE "C") AS _ (label)
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND "timestamp" >= $4
      AND ("timestamp", label, snapshot_id) > ($4, $5, $6)
ORDER BY "timestamp", label, snapshot_id LIMIT $7
"""


async def oldest(
    connection: Connection, spacecraft_id: str, between: Between, after: AnomalyCursor | None, count: int
) -> AsyncIterator[ListedAnomaly]:
    """Anomalies between two times after a cursor, oldest first."""
    async for row in rows.rows(connection, _OLDEST, spacecraft_id, *between, *(after or _FIRST), count):
        yield ListedAnomaly(*row)
