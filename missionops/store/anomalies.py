"""Anomalies in and out of the table."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from missionops.domain import timestamp
from missionops.store import copy, rows
from missionops.store.database import Connection
from missionops.store.telemetry import Between

Row = tuple[str, datetime, str, str, str, str, int, bytes, int, int, int, int]

_COLUMNS = (
    "spacecraft_id", "timestamp", "snapshot_id", "parameter", "kind", "severity", "config_version", "message",
    "partition", "incarnation", "stream_sequence", "ordinal",
)  # fmt: skip


_ADD = f"""
INSERT INTO app.anomaly ({", ".join(f'"{column}"' for column in _COLUMNS)})
SELECT * FROM unnest(
    $1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::json[],
    $9::smallint[], $10::integer[], $11::bigint[], $12::integer[]
)
ON CONFLICT DO NOTHING
RETURNING spacecraft_id, "timestamp", snapshot_id, parameter
"""  # noqa: S608 - our own words


async def add(connection: Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """Add the anomalies of snapshots that were added in this transaction; returns those that were new.

    Others are there although their snapshot was not: it was deleted, and has come again. They were published once.
    """
    if not rows:
        return rows
    await connection.execute("SAVEPOINT anomalies")
    try:
        await copy.copy_records(connection, "anomaly", _COLUMNS, rows)
    except asyncpg.UniqueViolationError:
        await connection.execute("ROLLBACK TO anomalies; RELEASE anomalies")
    else:
        await connection.execute("RELEASE anomalies")
        return rows
    added = {tuple(key) for key in await connection.fetch(_ADD, *map(list, zip(*rows, strict=True)))}
    return [row for row in rows if row[:4] in added]


class StoredAnomaly(NamedTuple):
    """What publishing a stored anomaly needs."""

    spacecraft_id: str
    timestamp: datetime
    snapshot_id: str
    parameter: str
    kind: str
    message: bytes


_BETWEEN = """
SELECT stream_sequence, ordinal, spacecraft_id, "timestamp", snapshot_id, parameter, kind, message
FROM app.anomaly
WHERE partition = $1 AND incarnation = $2 AND stream_sequence BETWEEN $3 AND $5
      AND (stream_sequence, ordinal) > ($3, $4)
ORDER BY stream_sequence, ordinal
LIMIT $6
"""


async def between(  # noqa: PLR0917 - the place of a message has this many parts
    connection: Connection, partition: int, incarnation: int, after: int, last: int, size: int
) -> AsyncIterator[list[StoredAnomaly]]:
    """The anomalies of messages after `after` up to `last`, in the order of the stream, at most `size` at a time."""
    place = after, 2**31 - 1  # past every anomaly of `after` itself
    while rows := await connection.fetch(_BETWEEN, partition, incarnation, *place, last, size):
        yield [StoredAnomaly(*row[2:]) for row in rows]
        place = rows[-1][0], rows[-1][1]


class ListedAnomaly(NamedTuple):
    """A stored anomaly in a listing."""

    timestamp: datetime
    id: str
    snapshot_id: str
    message: bytes


class AnomalyCursor(NamedTuple):
    """A place in the order of time, then id; snapshot ids part the few that share both."""

    timestamp: datetime
    id: str
    snapshot_id: str


_FIRST = AnomalyCursor(timestamp.EARLIEST, "", "")
_PAST = AnomalyCursor(timestamp.LATEST + timedelta(microseconds=1), "", "")

# The primary key gives the order of time; only those of one time are sorted by id, which is no column.
_NEWEST = """
SELECT "timestamp", label, snapshot_id, message
FROM app.anomaly CROSS JOIN LATERAL (SELECT (snapshot_id || ':' || parameter || ':' || kind) COLLATE "C") AS _ (label)
WHERE spacecraft_id = $1 AND "timestamp" <= $2 AND ("timestamp", label, snapshot_id) < ($2, $3, $4)
ORDER BY "timestamp" DESC, label DESC, snapshot_id DESC LIMIT $5
"""


def newest(
    connection: Connection, spacecraft_id: str, before: AnomalyCursor | None, count: int
) -> AsyncIterator[ListedAnomaly]:
    """Anomalies before a place, newest first."""
    return _listed(connection, _NEWEST, spacecraft_id, *(before or _PAST), count)


_OLDEST = """
SELECT "timestamp", label, snapshot_id, message
FROM app.anomaly CROSS JOIN LATERAL (SELECT (snapshot_id || ':' || parameter || ':' || kind) COLLATE "C") AS _ (label)
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND "timestamp" >= $4
      AND ("timestamp", label, snapshot_id) > ($4, $5, $6)
ORDER BY "timestamp", label, snapshot_id LIMIT $7
"""


def oldest(
    connection: Connection, spacecraft_id: str, between: Between, after: AnomalyCursor | None, count: int
) -> AsyncIterator[ListedAnomaly]:
    """Anomalies between two times after a place, oldest first."""
    return _listed(connection, _OLDEST, spacecraft_id, *between, *(after or _FIRST), count)


async def _listed(connection: Connection, query: str, *arguments: Any) -> AsyncIterator[ListedAnomaly]:
    async for row in rows.rows(connection, query, *arguments):
        yield ListedAnomaly(*row)
