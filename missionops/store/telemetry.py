"""Snapshots in and out of their table."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import asyncpg

from missionops.domain import timestamp
from missionops.domain.snapshot import SnapshotKey
from missionops.store import copy, partitions, rows
from missionops.store.database import Connection

Row = tuple[SnapshotKey, bytes, int]
"""Key, parameters as JSON, and when the snapshot was received, in microseconds since 1970."""

_COLUMNS = ("spacecraft_id", "timestamp", "id", "parameters", "received_at")

# OFFSET 0 keeps the planner from making a join of it, for which it would read the whole table: each is looked up in its
# own partition, in a time that does not grow with what is stored. Between $4 and $5, which are known before the first
# look, lie all of them: other partitions are not even opened.
_STORED = """
SELECT spacecraft_id, time, id
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (spacecraft_id, time, id)
WHERE EXISTS (
    SELECT FROM app.telemetry AS stored
    WHERE stored.spacecraft_id = wanted.spacecraft_id AND stored.id = wanted.id
        AND stored."timestamp" = timestamptz 'epoch' + wanted.time * interval '1 microsecond'
        AND stored."timestamp" BETWEEN $4 AND $5
    OFFSET 0
)
"""


async def stored(connection: Connection, identities: Collection[SnapshotKey]) -> set[SnapshotKey]:
    """Those of `identities` that are in the table."""
    if not identities:
        return set()
    spacecraft_ids, times, ids = map(list, zip(*identities, strict=True))
    between = map(timestamp.from_microseconds, (min(times), max(times)))
    rows = await connection.fetch(_STORED, spacecraft_ids, times, ids, *between)
    return {(row[0], row[1], row[2]) for row in rows}


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add snapshots that are known to be new; one that is not fails the transaction.

    Unavailable where the table has no partition for one of them any more.
    """
    if not rows:
        return
    try:
        await copy.copy_chunks(connection, "telemetry", _COLUMNS, _written(rows))
    except asyncpg.CheckViolationError as error:
        partitions.raise_if_missing(error)
        raise


# The format of COPY (FORMAT binary): https://www.postgresql.org/docs/18/sql-copy.html. asyncpg's own writing of a row
# takes three times as long.
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH = 946_684_800_000_000  # PostgreSQL counts its microseconds from 2000
_length = Struct("!i").pack
_time = Struct("!iq").pack
_time_and_length = Struct("!iqi").pack


@lru_cache(maxsize=16_384)
def _begin(spacecraft_id: str) -> bytes:
    """How many columns a row has, and the first."""
    name = spacecraft_id.encode()
    return len(_COLUMNS).to_bytes(2, "big") + _length(len(name)) + name


async def _written(rows: Iterable[Row]) -> AsyncIterator[bytes]:
    """Rows as COPY takes them."""
    parts = [_HEADER]
    for (spacecraft_id, time, id_), parameters, received in rows:
        own = id_.encode()
        parts += (
            _begin(spacecraft_id),
            _time_and_length(8, time - _EPOCH, len(own)), own,
            _length(len(parameters)), parameters,
            _time(8, received - _EPOCH),
        )  # fmt: skip
    parts.append(_END)
    yield b"".join(parts)


class StoredSnapshot(NamedTuple):
    """A snapshot of one spacecraft, as it is kept."""

    id: str
    timestamp: datetime
    parameters: bytes
    received_at: datetime


Between = tuple[datetime, datetime]
"""A range of times with both its ends."""

Cursor = tuple[datetime, str]
"""A position in the order of time, then id."""

_EVER: Between = (timestamp.EARLIEST, timestamp.LATEST)
_FIRST: Cursor = (timestamp.EARLIEST, "")
_PAST: Cursor = (timestamp.LATEST + timedelta(microseconds=1), "")

_NEWEST_RECENT = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND "timestamp" >= '{since}' AND "timestamp" BETWEEN $2 AND least($3::timestamptz, $4)
    AND ("timestamp", id) < ($4, $5)
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""

_NEWEST_OLDER = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND "timestamp" < '{since}' AND "timestamp" BETWEEN $2 AND least($3::timestamptz, $4)
    AND ("timestamp", id) < ($4, $5)
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""


async def newest(
    connection: Connection, spacecraft_id: str, between: Between, before: Cursor | None, count: int
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots between two times, newest first, those before a cursor."""
    since = partitions.recent_since()
    arguments = spacecraft_id, *between, *(before or _PAST)
    if between[1] >= since:
        async for row in rows.rows(connection, _NEWEST_RECENT.format(since=since), *arguments, count):
            count -= 1
            yield StoredSnapshot(*row)
    if count > 0 and between[0] < since:
        await connection.execute(partitions.PLAN_ONCE)
        async for row in rows.rows(connection, _NEWEST_OLDER.format(since=since), *arguments, count):
            yield StoredSnapshot(*row)


def newest_from(
    connection: Connection, spacecraft_id: str, cursor: Cursor | None, count: int
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots from a cursor on, newest first, the one at the cursor too."""
    if cursor is None:
        return newest(connection, spacecraft_id, _EVER, None, count)
    # The id that follows at once: what is before it is at the cursor or before it.
    time, identifier = cursor
    return newest(connection, spacecraft_id, _EVER, (time, identifier + "\x01"), count)


_OLDEST_FROM = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN greatest($2::timestamptz, $4) AND $3 AND ("timestamp", id) >= ($4, $5)
ORDER BY "timestamp", id LIMIT $6
"""


async def oldest_from(
    connection: Connection, spacecraft_id: str, between: Between, cursor: Cursor | None, count: int
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots between two times from a cursor on, oldest first, the one at the cursor too."""
    arguments = spacecraft_id, *between, *(cursor or _FIRST), count
    async for row in rows.rows(connection, _OLDEST_FROM, *arguments):
        yield StoredSnapshot(*row)
