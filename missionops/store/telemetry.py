"""Snapshots in and out of the table."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from missionops.database import Connection
from missionops.domain import moment
from missionops.domain.snapshot import Identity
from missionops.store import copying, reading

Row = tuple[Identity, bytes, int]
"""Identity, parameters as JSON, and when the snapshot was received, in microseconds since 1970."""

_COLUMNS = ("spacecraft_id", "timestamp", "id", "parameters", "received_at")

# OFFSET 0 keeps the planner from making a join of it, for which it would read the whole table: each is looked up in its
# own month, in a time that does not grow with what is stored.
_STORED = """
SELECT spacecraft_id, time, id
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (spacecraft_id, time, id)
WHERE EXISTS (
    SELECT FROM app.telemetry AS stored
    WHERE stored.spacecraft_id = wanted.spacecraft_id AND stored.id = wanted.id
        AND stored."timestamp" = timestamptz 'epoch' + wanted.time * interval '1 microsecond'
    OFFSET 0
)
"""


async def stored(connection: Connection, identities: Collection[Identity]) -> set[Identity]:
    """Those of `identities` that are in the table."""
    if not identities:
        return set()
    rows = await connection.fetch(_STORED, *map(list, zip(*identities, strict=True)))
    return {(row[0], row[1], row[2]) for row in rows}


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add snapshots that are known to be new; one that is not fails the transaction."""
    if rows:
        await copying.copy_chunks(connection, "telemetry", _COLUMNS, _written(rows))


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


_ENSURE_MONTH = "SELECT app.ensure_telemetry_month($1)"


async def ensure_months(connection: Connection, months: Iterable[date]) -> None:
    """Make the partitions that hold these months; outside the batch's transaction, so that no lock outlives it."""
    for month in sorted(months):
        await connection.execute(_ENSURE_MONTH, month)


class Stored(NamedTuple):
    """A snapshot of one spacecraft, as it is kept."""

    id: str
    timestamp: datetime
    parameters: bytes
    received_at: datetime


Between = tuple[datetime, datetime]
"""A range of times with both its ends."""

Place = tuple[datetime, str]
"""A place in the order of time, then id."""

_FIRST: Place = (moment.EARLIEST, "")
_PAST: Place = (moment.LATEST + timedelta(microseconds=1), "")

_NEWEST = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND ("timestamp", id) < ($4, $5)
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""


def newest(
    connection: Connection, spacecraft_id: str, between: Between, before: Place | None, count: int
) -> AsyncIterator[Stored]:
    """Snapshots between two times, newest first, those before a place."""
    return _stored(connection, _NEWEST, spacecraft_id, *between, *(before or _PAST), count)


_NEWEST_FROM = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND ("timestamp", id) <= ($2, $3)
ORDER BY "timestamp" DESC, id DESC LIMIT $4
"""


def newest_from(connection: Connection, spacecraft_id: str, place: Place | None, count: int) -> AsyncIterator[Stored]:
    """Snapshots from a place on, newest first, the one at the place too."""
    return _stored(connection, _NEWEST_FROM, spacecraft_id, *(place or _PAST), count)


_OLDEST_FROM = """
SELECT id, "timestamp", parameters, received_at FROM app.telemetry
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND ("timestamp", id) >= ($4, $5)
ORDER BY "timestamp", id LIMIT $6
"""


def oldest_from(
    connection: Connection, spacecraft_id: str, between: Between, place: Place | None, count: int
) -> AsyncIterator[Stored]:
    """Snapshots between two times from a place on, oldest first, the one at the place too."""
    return _stored(connection, _OLDEST_FROM, spacecraft_id, *between, *(place or _FIRST), count)


async def _stored(connection: Connection, query: str, *arguments: Any) -> AsyncIterator[Stored]:
    async for row in reading.rows(connection, query, *arguments):
        yield Stored(*row)
