"""Snapshots in and out of the table."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import asyncpg

from missionops.domain import timestamp
from missionops.domain.snapshot import SnapshotKey
from missionops.errors import Unavailable
from missionops.store import copy, rows
from missionops.store.database import Connection

Row = tuple[SnapshotKey, bytes, int]
"""Identity, parameters as JSON, and when the snapshot was received, in microseconds since 1970."""

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

    Unavailable where the table has no partition for one of them any more: `ensure_partitions` makes it anew.
    """
    if not rows:
        return
    try:
        await copy.copy_chunks(connection, "telemetry", _COLUMNS, _written(rows))
    except asyncpg.CheckViolationError as error:
        # This one names the table and no constraint: what refuses a row as data names one, or no table.
        if error.constraint_name is None and error.table_name is not None:
            raise Unavailable(f"A partition of telemetry was dropped or detached ({error.detail}).") from error
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


_ENSURE_PARTITIONS = "SELECT app.ensure_telemetry_partitions($1, $2)"
_DAYS = 500  # in one call, and
_MADE = 32  # partitions, which is a fraction of a second and some hundred locks


async def ensure_partitions(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions that hold these days; outside the batch's transaction, so that no lock outlives it.

    Unavailable while one of them is being detached.
    """
    wanted = sorted(days)
    try:
        for start in range(0, len(wanted), _DAYS):
            portion = wanted[start : start + _DAYS]
            while await connection.fetchval(_ENSURE_PARTITIONS, portion, _MADE) == _MADE:
                pass  # there may be more to make
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        raise Unavailable(f"Telemetry waits: {error}.") from error


class StoredSnapshot(NamedTuple):
    """A snapshot of one spacecraft, as it is kept."""

    id: str
    timestamp: datetime
    parameters: bytes
    received_at: datetime


Between = tuple[datetime, datetime]
"""A range of times with both its ends."""

Place = tuple[datetime, str]
"""A place in the order of time, then id."""

_EVER: Between = (timestamp.EARLIEST, timestamp.LATEST)
_FIRST: Place = (timestamp.EARLIEST, "")
_PAST: Place = (timestamp.LATEST + timedelta(microseconds=1), "")

# The newest snapshots are found backwards in time. A plan over all partitions has to open each of them, hundreds after
# years of operation or after one spacecraft whose clock was wrong; one for the last two years, with the time as a
# constant so that other partitions are no part of it, opens few. Only who has not enough there asks for the rest, by a
# plan that is made once for a connection: to make one takes five times as long as to follow it.
_RECENT = timedelta(days=2 * 366)
_PLAN_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan"

_NEWEST = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND {part} AND "timestamp" BETWEEN $2 AND least($3::timestamptz, $4)
    AND ("timestamp", id) {comparison} ($4, $5)
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""


def newest(
    connection: Connection, spacecraft_id: str, between: Between, before: Place | None, count: int
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots between two times, newest first, those before a place."""
    return _newest(connection, "<", spacecraft_id, between, place=before or _PAST, count=count)


def newest_from(
    connection: Connection, spacecraft_id: str, place: Place | None, count: int
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots from a place on, newest first, the one at the place too."""
    return _newest(connection, "<=", spacecraft_id, _EVER, place=place or _PAST, count=count)


async def _newest(
    connection: Connection, comparison: str, spacecraft_id: str, between: Between, *, place: Place, count: int
) -> AsyncIterator[StoredSnapshot]:
    border = _border()
    if between[1] >= border:
        query = _NEWEST.format(comparison=comparison, part=f"\"timestamp\" >= '{border}'")
        async for row in rows.rows(connection, query, spacecraft_id, *between, *place, count):
            count -= 1
            yield StoredSnapshot(*row)
    if count > 0 and between[0] < border:
        await connection.execute(_PLAN_ONCE)
        query = _NEWEST.format(comparison=comparison, part=f"\"timestamp\" < '{border}'")
        async for row in rows.rows(connection, query, spacecraft_id, *between, *place, count):
            yield StoredSnapshot(*row)


def _border() -> datetime:
    """Two years ago: the first of a month, so that queries that name it stay the same for a month."""
    return (datetime.now(UTC) - _RECENT).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


_LAST_TIME = """
SELECT "timestamp" FROM app.telemetry WHERE spacecraft_id = $1 AND {part}
ORDER BY "timestamp" DESC, id DESC LIMIT 1
"""


async def last_time(connection: Connection, spacecraft_id: str) -> datetime | None:
    """The time of a spacecraft's newest snapshot."""
    border = _border()
    recent = _LAST_TIME.format(part=f"\"timestamp\" >= '{border}'")
    found: datetime | None = await connection.fetchval(recent, spacecraft_id)
    if found is None:
        await connection.execute(_PLAN_ONCE)
        found = await connection.fetchval(_LAST_TIME.format(part=f"\"timestamp\" < '{border}'"), spacecraft_id)
    return found


_OLDEST_FROM = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN greatest($2::timestamptz, $4) AND $3 AND ("timestamp", id) >= ($4, $5)
ORDER BY "timestamp", id LIMIT $6
"""


async def oldest_from(
    connection: Connection, spacecraft_id: str, between: Between, place: Place | None, count: int
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots between two times from a place on, oldest first, the one at the place too."""
    arguments = spacecraft_id, *between, *(place or _FIRST), count
    async for row in rows.rows(connection, _OLDEST_FROM, *arguments):
        yield StoredSnapshot(*row)
