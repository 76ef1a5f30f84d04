"""How far targets have been told of alarms.

To change it, first `lock` the row of `app.notifier`, so that the instances do it one after the other.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from missionops.domain.alarm import Alarm, AlarmMessage
from missionops.domain.notification.progress import NotificationProgress
from missionops.store import alarms, rows
from missionops.store.database import Connection

Key = tuple[str, str]
"""A route and a target."""

_message = msgspec.json.Decoder(AlarmMessage).decode

_LOCK = "SELECT FROM app.notifier FOR UPDATE"


async def lock(connection: Connection) -> None:
    """Keep others from changing anything here until the end of the transaction."""
    await connection.execute(_LOCK)


_BEGIN = "UPDATE app.notifier SET handled_at = $1 WHERE handled_at IS NULL"
_HANDLED_AT = "SELECT handled_at FROM app.notifier"


async def begin(connection: Connection, now: datetime) -> datetime:
    """Up to when the stream ALARMS was taken in, at least; where nobody has notified yet, keep that this begins now."""
    await connection.execute(_BEGIN, now)
    found: datetime = await connection.fetchval(_HANDLED_AT)
    return found


_NOTE_HANDLED = "UPDATE app.notifier SET handled_at = greatest(handled_at, $1)"


async def note_handled(connection: Connection, moment: datetime) -> None:
    """What the stream ALARMS took before that moment is taken in."""
    await connection.execute(_NOTE_HANDLED, moment)


_OF = """
SELECT alarm_id, route, target, revision, since, news_at, told_level, told_end, told_at, is_silenced
FROM app.notification WHERE alarm_id = ANY ($1::text[])
"""


async def of(connection: Connection, alarm_ids: Collection[str]) -> dict[str, dict[Key, NotificationProgress]]:
    """By alarm, route and target: how far these were told."""
    found: dict[str, dict[Key, NotificationProgress]] = {identifier: {} for identifier in alarm_ids}
    for row in await connection.fetch(_OF, list(alarm_ids)):
        found[row[0]][row[1], row[2]] = NotificationProgress(*row[3:])
    return found


_TRANSITIONS = """
SELECT message FROM unnest($1::text[], $2::integer[]) AS wanted (id, after)
    JOIN app.alarm_transition AS t ON t.alarm_id = wanted.id AND t.revision > wanted.after
ORDER BY t.alarm_id, t.revision
"""


async def transitions(connection: Connection, after: Mapping[str, int]) -> AsyncIterator[AlarmMessage]:
    """What happened to each of these alarms after a revision, one alarm after the other, in order.

    It is read in portions: an alarm may have thousands of transitions, of some 200 kB each.
    """
    async for row in rows.rows(connection, _TRANSITIONS, list(after), list(after.values())):
        yield _message(row[0])


class NotificationRow(NamedTuple):
    """How far a target was told of an alarm, and when that is looked at again."""

    alarm_id: str
    key: Key
    progress: NotificationProgress
    due: datetime | None


_PUT = """
INSERT INTO app.notification (
    alarm_id, route, target, due, revision, since, news_at, told_level, told_end, told_at, is_silenced
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::integer[], $6::timestamptz[], $7::timestamptz[],
    $8::smallint[], $9::text[], $10::timestamptz[], $11::boolean[]
)
ON CONFLICT (alarm_id, route, target) DO UPDATE SET
    due = EXCLUDED.due, revision = EXCLUDED.revision, since = EXCLUDED.since, news_at = EXCLUDED.news_at,
    told_level = EXCLUDED.told_level, told_end = EXCLUDED.told_end, told_at = EXCLUDED.told_at,
    is_silenced = EXCLUDED.is_silenced
"""


async def put(connection: Connection, found: Sequence[NotificationRow]) -> None:
    """Keep these, in place of those before."""
    if found:
        flat = [(row.alarm_id, *row.key, row.due, *row.progress) for row in found]
        await connection.execute(_PUT, *map(list, zip(*flat, strict=True)))


_BEHIND = """
SELECT id FROM app.alarm AS a
WHERE state NOT IN ('CLOSED', 'RETRACTED') AND id > $1
    AND (SELECT count(*) FROM app.notification AS n
         WHERE n.alarm_id = a.id AND n.revision >= a.revision
             AND (route, target) IN (SELECT * FROM unnest($2::text[], $3::text[]))) < cardinality($2::text[])
ORDER BY id LIMIT $4
"""


async def behind(connection: Connection, after: str, keys: Sequence[Key], count: int) -> list[str]:
    """The ids of alarms that stand and may not be taken in for each of these routes and targets, after an id."""
    routes, targets = ([key[number] for key in keys] for number in range(2))
    return [row[0] for row in await connection.fetch(_BEHIND, after, routes, targets, count)]


_FIRST_DUE = """
SELECT route, target,
       (SELECT min(due) FROM app.notification AS n
        WHERE n.route = wanted.route AND n.target = wanted.target AND due IS NOT NULL)
FROM unnest($1::text[], $2::text[]) AS wanted (route, target)
WHERE NOT EXISTS (SELECT FROM app.notification_message AS m WHERE m.route = wanted.route AND m.target = wanted.target)
"""


async def first_due(connection: Connection, keys: Sequence[Key]) -> dict[Key, datetime]:
    """When the first is due, of those routes and targets for which no message waits already."""
    routes, targets = ([key[number] for key in keys] for number in range(2))
    found = await connection.fetch(_FIRST_DUE, routes, targets)
    return {(row[0], row[1]): row[2] for row in found if row[2] is not None}


_DUE = f"""
WITH page AS (
    SELECT alarm_id, revision AS followed, since, news_at, told_level, told_end, told_at, is_silenced
    FROM app.notification
    WHERE route = $1 AND target = $2 AND due <= $3 AND alarm_id > $4
    ORDER BY alarm_id LIMIT $5
)
SELECT {alarms.COLUMNS}, followed, since, news_at, told_level, told_end, told_at, is_silenced
FROM page JOIN app.alarm ON id = alarm_id ORDER BY id
"""  # noqa: S608 - of our own columns


async def due(
    connection: Connection, key: Key, now: datetime, after: str, count: int
) -> list[tuple[Alarm, NotificationProgress]]:
    """The alarms that are due for a route and a target, after an id, as they are now."""
    fetched = await connection.fetch(_DUE, *key, now, after, count)
    found = [(alarms.read(row), NotificationProgress(*tuple(row)[-7:])) for row in fetched]
    await alarms.note_shelved_and_masked(connection, [one for one, _ in found], now)
    return found
