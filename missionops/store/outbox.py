"""The outbox: events that are not known to be published, added with the event and removed when the stream has it.

Reading and removing are fenced: an owner that was replaced can do neither any more.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from missionops.domain import spacecraft
from missionops.domain.event import Event, EventType
from missionops.errors import OwnershipLost
from missionops.store import changes, events, rows
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection

CHANNEL = "missionops_outbox"
"""Notified when an event was added."""

# The notifications are part of the transaction: they come when the row can be read, or not at all.
_PUT = """
WITH put AS (INSERT INTO app.outbox (event_id) VALUES ($1) RETURNING number)
SELECT pg_notify($2, ''), pg_notify($3, $4) FROM put
"""


async def put(connection: Connection, event: Event) -> None:
    """Have an event published once the caller's transaction is committed, and hint at it."""
    kind = changes.HintKind.CONFIG if event.type is EventType.CONFIG_CHANGED else changes.HintKind.EVENT
    (hint,) = changes.written(kind, [event.spacecraft_id or spacecraft.FLEET])
    await connection.execute(_PUT, event.id, CHANNEL, changes.CHANNEL, hint)


class Waiting(NamedTuple):
    """An event in the outbox."""

    number: int
    event: Event


_WAITING = """
SELECT number, id, spacecraft_id, "timestamp", type, severity, message, metadata
FROM app.outbox JOIN app.event ON id = event_id
WHERE EXISTS (SELECT FROM app.checkpoint WHERE partition = $1 AND epoch = $2)
ORDER BY number LIMIT $3
"""


async def waiting(connection: Connection, lease: Lease, count: int, max_bytes: int) -> AsyncIterator[Waiting]:
    """The first events of the outbox, in order; none if another instance has claimed the partition since.

    At most `count` events, and no more once their metadata is larger than `max_bytes`.
    """
    async for row in rows.rows(connection, _WAITING, lease.partition, lease.epoch, count):
        number, *columns = row
        found = Waiting(number, events.event(columns))
        yield found
        max_bytes -= len(found.event.metadata)
        if max_bytes < 0:
            return


_RESUME_AFTER = "SELECT events_sequence FROM app.checkpoint WHERE partition = $1 AND epoch = $2"


async def resume_after(connection: Connection, lease: Lease) -> int:
    """After which sequence the stream EVENTS may hold events that wait.

    OwnershipLost if another instance has claimed the partition since.
    """
    found = await connection.fetchval(_RESUME_AFTER, lease.partition, lease.epoch)
    if found is None:
        raise OwnershipLost("another instance has taken over")
    return int(found)


# One statement: the row of the checkpoint, which ingest moves, is locked for no longer than this takes.
_REMOVE = """
WITH fence AS (
    UPDATE app.checkpoint SET events_sequence = $3 WHERE partition = $1 AND epoch = $2 RETURNING true
), removed AS (
    DELETE FROM app.outbox WHERE number = ANY ($4::bigint[]) AND EXISTS (SELECT FROM fence)
)
SELECT EXISTS (SELECT FROM fence)
"""


async def remove(connection: Connection, lease: Lease, numbers: Sequence[int], sequence: int) -> None:
    """Remove what was published, and note after which sequence of EVENTS others may have been.

    OwnershipLost if another instance has claimed the partition since.

    By number and never by "up to": a lower number may be committed after a higher one was published.
    """
    if not await connection.fetchval(_REMOVE, lease.partition, lease.epoch, sequence, numbers):
        raise OwnershipLost("another instance has taken over")
