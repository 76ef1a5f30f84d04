"""Events that are not known to be published: put in with the event, taken out when the stream has it.

Everything that takes out is fenced: an owner that was replaced neither reads nor removes anything any more.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from missionops.domain.event import Event
from missionops.errors import OwnershipLost
from missionops.store import events, rows
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection

CHANNEL = "missionops_outbox"
"""Notified when something was put in."""

# The notification is part of the transaction: it comes when the row can be read, or not at all.
_PUT = """
WITH put AS (INSERT INTO app.outbox (event_id) VALUES ($1) RETURNING number)
SELECT pg_notify($2, '') FROM put
"""


async def put(connection: Connection, event_id: str) -> None:
    """Have an event published once the caller's transaction is committed."""
    await connection.execute(_PUT, event_id, CHANNEL)


class Waiting(NamedTuple):
    """An event in the outbox."""

    number: int
    event: Event


_WAITING = f"""
SELECT number, {events.COLUMNS}
FROM app.outbox JOIN app.event ON id = event_id
WHERE EXISTS (SELECT FROM app.position WHERE partition = $1 AND epoch = $2)
ORDER BY number LIMIT $3
"""  # noqa: S608 - our own words


async def waiting(connection: Connection, claim: Lease, count: int) -> AsyncIterator[Waiting]:
    """The first events of the outbox, in order; none if somebody claimed the partition since."""
    async for row in rows.rows(connection, _WAITING, claim.partition, claim.epoch, count):
        number, *columns = row
        yield Waiting(number, events.event(columns))


_MARK = "SELECT events_sequence FROM app.position WHERE partition = $1 AND epoch = $2"


async def mark(connection: Connection, claim: Lease) -> int:
    """Where the stream EVENTS ended when rows last left the outbox; Lost if somebody claimed the partition since."""
    found = await connection.fetchval(_MARK, claim.partition, claim.epoch)
    if found is None:
        raise OwnershipLost("another instance has taken over")
    return int(found)


# One statement: the row that ingest moves its position in is locked for no longer than this takes.
_REMOVE = """
WITH fence AS (
    UPDATE app.position SET events_sequence = $3 WHERE partition = $1 AND epoch = $2 RETURNING true
), removed AS (
    DELETE FROM app.outbox WHERE number = ANY ($4::bigint[]) AND EXISTS (SELECT FROM fence)
)
SELECT EXISTS (SELECT FROM fence)
"""


async def remove(connection: Connection, claim: Lease, numbers: Sequence[int], sequence: int) -> None:
    """Take out what was published, and note where EVENTS ended; Lost if somebody claimed the partition since.

    By number and never by "up to": a lower number may be committed after a higher one was published.
    """
    if not await connection.fetchval(_REMOVE, claim.partition, claim.epoch, sequence, numbers):
        raise OwnershipLost("another instance has taken over")
