"""Snapshots in and out of the table."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from missionops.database import Connection
from missionops.domain import moment
from missionops.domain.snapshot import Identity
from missionops.store import reading

Row = tuple[str, datetime, str, bytes, datetime]
"""spacecraft_id, timestamp, id, parameters as JSON, received_at."""

_COLUMNS = ("spacecraft_id", "timestamp", "id", "parameters", "received_at")

_STORED = """
SELECT wanted.spacecraft_id, wanted."timestamp", wanted.id
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS wanted (spacecraft_id, "timestamp", id)
JOIN app.telemetry AS stored USING (spacecraft_id, "timestamp", id)
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
        await connection.copy_records_to_table("telemetry", schema_name="app", columns=_COLUMNS, records=rows)


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
