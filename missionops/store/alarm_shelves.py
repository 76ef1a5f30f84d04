"""What operators have put aside for a while, and which alarms that covers.

To put, remove or end shelves, first lock the open alarms of their spacecraft: so what is told of an alarm has one
order, and no two transactions wait for each other.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.domain.alarm import Alarm
from missionops.store import rows
from missionops.store.alarms import ShelfRow
from missionops.store.database import Connection


class ShelfKey(NamedTuple):
    """What a shelf covers."""

    spacecraft_id: str
    is_whole: bool
    """The whole spacecraft, whatever the parameter."""
    parameter: str
    """Empty for SILENT, and for the whole spacecraft."""
    check: str
    """Empty: each of them."""


class StoredShelf(NamedTuple):
    """A shelf that is in force, or was."""

    key: ShelfKey
    by: str
    until: datetime
    reason: str
    hiding: int
    """How many alarms that stand it covers."""


_PUT = """
INSERT INTO app.alarm_shelf (spacecraft_id, is_whole, parameter, "check", by, since, until, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (spacecraft_id, is_whole, parameter, "check") DO UPDATE
SET by = EXCLUDED.by, since = EXCLUDED.since, until = EXCLUDED.until, reason = EXCLUDED.reason
"""


async def put(connection: Connection, key: ShelfKey, now: datetime, until: datetime, *, by: str, reason: str) -> None:
    """Put a shelf in force, in place of the one for the same."""
    await connection.execute(_PUT, *key, by, now, until, reason)


_IN_FORCE = """
SELECT spacecraft_id, is_whole, parameter, "check", by, until, reason,
       (SELECT count(*) FROM app.alarm AS a
        WHERE a.spacecraft_id = s.spacecraft_id AND state NOT IN ('CLOSED', 'RETRACTED')
            AND (s.is_whole OR a.parameter = s.parameter) AND s."check" IN ('', a."check"))
FROM app.alarm_shelf AS s
WHERE until > $2 AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1))
    AND (spacecraft_id, is_whole, parameter, "check") > ($3, $4, $5, $6)
ORDER BY spacecraft_id, is_whole, parameter, "check"
LIMIT $7
"""


async def in_force(
    connection: Connection, spacecraft_ids: Collection[str] | None, now: datetime, after: ShelfKey | None, count: int
) -> AsyncIterator[StoredShelf]:
    """The shelves in force after one of them, in the order of their keys; None: of all spacecraft, the first."""
    first = after or ShelfKey("", is_whole=False, parameter="", check="")
    async for row in rows.rows(connection, _IN_FORCE, spacecraft_ids, now, *first, count):
        yield StoredShelf(ShelfKey(*row[:4]), *row[4:])


_GET = """
SELECT by, until, reason,
       (SELECT count(*) FROM app.alarm AS a
        WHERE a.spacecraft_id = s.spacecraft_id AND state NOT IN ('CLOSED', 'RETRACTED')
            AND (s.is_whole OR a.parameter = s.parameter) AND s."check" IN ('', a."check"))
FROM app.alarm_shelf AS s
WHERE spacecraft_id = $1 AND is_whole = $2 AND parameter = $3 AND "check" = $4 AND until > $5
"""


async def get(connection: Connection, key: ShelfKey, now: datetime) -> StoredShelf | None:
    """One shelf, if it is in force."""
    row = await connection.fetchrow(_GET, *key, now)
    return StoredShelf(key, *row) if row else None


_REMOVE = """
DELETE FROM app.alarm_shelf
WHERE spacecraft_id = $1 AND is_whole = $2 AND parameter = $3 AND "check" = $4 AND until > $5
RETURNING true
"""


async def remove(connection: Connection, key: ShelfKey, now: datetime) -> bool:
    """Remove a shelf that is in force; False if there is none."""
    return bool(await connection.fetchval(_REMOVE, *key, now))


_EXPIRED = """
SELECT spacecraft_id, is_whole, parameter, "check" FROM app.alarm_shelf WHERE until <= $1 ORDER BY until LIMIT $2
"""


async def expired(connection: Connection, now: datetime, count: int) -> list[ShelfKey]:
    """Some of the shelves that have run out, the first of them first."""
    return [ShelfKey(*row) for row in await connection.fetch(_EXPIRED, now, count)]


_END = """
DELETE FROM app.alarm_shelf AS s
USING unnest($1::text[], $2::boolean[], $3::text[], $4::text[]) AS ended (spacecraft_id, is_whole, parameter, "check")
WHERE s.spacecraft_id = ended.spacecraft_id AND s.is_whole = ended.is_whole AND s.parameter = ended.parameter
    AND s."check" = ended."check" AND until <= $5
RETURNING s.spacecraft_id, s.is_whole, s.parameter, s."check", by, until, reason
"""


async def end(connection: Connection, keys: Sequence[ShelfKey], now: datetime) -> list[ShelfRow]:
    """Remove those of these shelves that have run out; returns them in no order."""
    return [ShelfRow(*row) for row in await connection.fetch(_END, *map(list, zip(*keys, strict=True)), now)]


_OPEN_IDS = """
SELECT id FROM app.alarm WHERE spacecraft_id = ANY ($1::text[]) AND "end" IS NULL AND NOT is_retracted
"""


async def open_ids(connection: Connection, spacecraft_ids: Collection[str]) -> list[str]:
    """The ids of the open alarms of some spacecraft."""
    return [row[0] for row in await connection.fetch(_OPEN_IDS, list(spacecraft_ids))]


_NOTE_REVISIONS = """
UPDATE app.alarm SET revision = new.revision, updated_at = new.updated_at
FROM unnest($1::text[], $2::integer[], $3::timestamptz[]) AS new (id, revision, updated_at)
WHERE alarm.id = new.id
"""


async def note_revisions(connection: Connection, told: Collection[Alarm]) -> None:
    """Write the revisions of locked alarms of which nothing else has changed: there may be thousands."""
    if told:
        rows = [(one.id, one.revision, one.updated_at) for one in told]
        await connection.execute(_NOTE_REVISIONS, *map(list, zip(*rows, strict=True)))
