"""Notifications that are written and not known to be sent, and which instance sends the heartbeat next."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from missionops.domain.notification.text import Notification
from missionops.store.database import Connection
from missionops.store.notifications import Key

_ADD = """
INSERT INTO app.notification_message (route, target, title, body, level, alarms, written_at, next_attempt_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
"""


async def add(connection: Connection, key: Key, message: Notification, now: datetime) -> None:
    """Have a message sent; the route and the target have none that waits."""
    await connection.execute(_ADD, *key, *message, now)


class Claimed(NamedTuple):
    """A message that this instance may try to send."""

    key: Key
    message: Notification
    attempt: int
    """From 1."""
    written_at: datetime


# To claim a message puts off its next attempt, so nobody else claims it meanwhile; should the process end in between,
# the message is sent again when that time has come. A time that lies farther ahead than any attempt is put off
# was noted by a clock that was ahead.
_CLAIM = """
UPDATE app.notification_message SET attempts = attempts + 1, next_attempt_at = $3
WHERE (route, target) = (
    SELECT route, target FROM app.notification_message
    WHERE target = $1 AND (next_attempt_at <= $2 OR next_attempt_at > $2::timestamptz + make_interval(secs => $4))
    ORDER BY written_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING route, target, title, body, level, alarms, attempts, written_at
"""


async def claim(
    connection: Connection, target: str, now: datetime, until: datetime, longest_pause: float
) -> Claimed | None:
    """The oldest message for a target whose time has come, this instance's until then; None if there is none.

    `longest_pause`: seconds by which an attempt is put off at most.
    """
    row = await connection.fetchrow(_CLAIM, target, now, until, longest_pause)
    if row is None:
        return None
    route, on_target, *message, attempts, written_at = row
    return Claimed((route, on_target), Notification(*message), attempts, written_at)


_SENT = "DELETE FROM app.notification_message WHERE route = $1 AND target = $2 AND written_at = $3"


async def remove(connection: Connection, claimed: Claimed) -> None:
    """The message was sent."""
    await connection.execute(_SENT, *claimed.key, claimed.written_at)


_FAILED = """
UPDATE app.notification_message SET next_attempt_at = $4, trouble = $5
WHERE route = $1 AND target = $2 AND attempts = $3
"""


async def put_off(connection: Connection, claimed: Claimed, until: datetime, trouble: str) -> None:
    """The message could not be sent, and is tried again then."""
    await connection.execute(_FAILED, *claimed.key, claimed.attempt, until, trouble)


class WaitingMessages(NamedTuple):
    """What waits for a target."""

    messages: int
    since: datetime
    """When the oldest was written."""
    attempts: int
    trouble: str | None
    next_attempt_at: datetime


_WAITING = """
SELECT DISTINCT ON (target)
       target, count(*) OVER target, min(written_at) OVER target, attempts, trouble, next_attempt_at
FROM app.notification_message WINDOW target AS (PARTITION BY target) ORDER BY target, attempts DESC
"""


async def waiting(connection: Connection) -> dict[str, WaitingMessages]:
    """By target: what waits for it."""
    return {row[0]: WaitingMessages(*tuple(row)[1:]) for row in await connection.fetch(_WAITING)}


_FORGET = "DELETE FROM app.notification_message WHERE target <> ALL ($1::text[]) RETURNING target, alarms"


async def forget(connection: Connection, targets: Sequence[str]) -> list[tuple[str, int]]:
    """Drop what waits for targets other than these; returns each one's target and how many alarms it was about."""
    return [(row[0], row[1]) for row in await connection.fetch(_FORGET, list(targets))]


_TAKE_HEARTBEAT = """
UPDATE app.notifier SET heartbeat_at = $1
WHERE heartbeat_at IS NULL OR heartbeat_at <= $2 OR heartbeat_at > $1::timestamptz + make_interval(secs => $3)
RETURNING true
"""


async def take_heartbeat(connection: Connection, now: datetime, every: float) -> bool:
    """Whether it is this instance's turn to send the heartbeat; the next one is `every` seconds later.

    One that lies farther ahead than that was sent by a clock that was ahead, and holds up none.
    """
    return bool(await connection.fetchval(_TAKE_HEARTBEAT, now, now - timedelta(seconds=every), every))
