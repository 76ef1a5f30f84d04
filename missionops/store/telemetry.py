"""Snapshots out of their table; snapshot_rows.py puts them in."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import msgspec

from missionops.domain import parameter_set, timestamp
from missionops.domain.parameter_set import Value
from missionops.store import partitions, rows
from missionops.store.database import Connection
from missionops.store.parameter_sets import ParameterNames


class StoredSnapshot(NamedTuple):
    """A snapshot of one spacecraft, as it is kept."""

    id: str
    timestamp: datetime
    received_at: datetime
    config_version: int | None
    """The one that judged it; None where there was none."""
    parameters: dict[str, Value]
    """By name, in the order of the names."""


Between = tuple[datetime, datetime]
"""A range of times with both its ends."""

Cursor = tuple[datetime, str]
"""A position in the order of time, then id."""

_EVER: Between = (timestamp.EARLIEST, timestamp.LATEST)
_FIRST: Cursor = (timestamp.EARLIEST, "")
_PAST: Cursor = (timestamp.LATEST + timedelta(microseconds=1), "")

_NEWEST_RECENT = """
SELECT id, "timestamp", received_at, config_version, parameter_set_id, numbers, others FROM app.snapshot
WHERE spacecraft_id = $1 AND "timestamp" >= '{since}' AND "timestamp" BETWEEN $2 AND least($3::timestamptz, $4)
    AND ("timestamp", id) < ($4, $5)
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""

_NEWEST_OLDER = """
SELECT id, "timestamp", received_at, config_version, parameter_set_id, numbers, others FROM app.snapshot
WHERE spacecraft_id = $1 AND "timestamp" < '{since}' AND "timestamp" BETWEEN $2 AND least($3::timestamptz, $4)
    AND ("timestamp", id) < ($4, $5)
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""


async def newest(
    connection: Connection,
    spacecraft_id: str,
    between: Between,
    before: Cursor | None,
    count: int,
    *,
    names: ParameterNames,
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots between two times, newest first, those before a cursor."""
    since = partitions.recent_since()
    arguments = spacecraft_id, *between, *(before or _PAST)
    if between[1] >= since:
        async for row in rows.rows(connection, _NEWEST_RECENT.format(since=since), *arguments, count):
            count -= 1
            yield await _read(connection, names, row)
    if count > 0 and between[0] < since:
        await connection.execute(partitions.PLAN_ONCE)
        async for row in rows.rows(connection, _NEWEST_OLDER.format(since=since), *arguments, count):
            yield await _read(connection, names, row)


def newest_from(
    connection: Connection, spacecraft_id: str, cursor: Cursor | None, count: int, *, names: ParameterNames
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots from a cursor on, newest first, the one at the cursor too."""
    if cursor is None:
        return newest(connection, spacecraft_id, _EVER, None, count, names=names)
    # The id that follows at once: what is before it is at the cursor or before it.
    time, identifier = cursor
    return newest(connection, spacecraft_id, _EVER, (time, identifier + "\x01"), count, names=names)


_OLDEST_FROM = """
SELECT id, "timestamp", received_at, config_version, parameter_set_id, numbers, others FROM app.snapshot
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN greatest($2::timestamptz, $4) AND $3 AND ("timestamp", id) >= ($4, $5)
ORDER BY "timestamp", id LIMIT $6
"""


async def oldest_from(
    connection: Connection,
    spacecraft_id: str,
    between: Between,
    cursor: Cursor | None,
    count: int,
    *,
    names: ParameterNames,
) -> AsyncIterator[StoredSnapshot]:
    """Snapshots between two times from a cursor on, oldest first, the one at the cursor too."""
    arguments = spacecraft_id, *between, *(cursor or _FIRST), count
    async for row in rows.rows(connection, _OLDEST_FROM, *arguments):
        yield await _read(connection, names, row)


async def _read(connection: Connection, names: ParameterNames, row: asyncpg.Record) -> StoredSnapshot:
    identifier, time, received_at, version, set_id, numbers, others = row
    of_numbers = await names.of(connection, set_id)
    values = parameter_set.joined(of_numbers, numbers or (), msgspec.json.decode(others) if others else {})
    return StoredSnapshot(identifier, time, received_at, version or None, values)
