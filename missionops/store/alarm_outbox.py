"""Transitions of alarms that are not known to be published.

Reading and removing are fenced: an owner that was replaced can do neither any more.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from missionops.errors import OwnershipLost
from missionops.store import rows
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection


class WaitingTransition(NamedTuple):
    """A transition that waits."""

    number: int
    alarm_id: str
    revision: int
    spacecraft_id: str
    message: bytes


_WAITING = """
SELECT number, alarm_id, revision, spacecraft_id, message FROM app.alarm_transition
WHERE is_waiting AND EXISTS (SELECT FROM app.checkpoint WHERE "partition" = $1 AND epoch = $2)
ORDER BY number LIMIT $3
"""


async def waiting(connection: Connection, lease: Lease, count: int, max_bytes: int) -> AsyncIterator[WaitingTransition]:
    """The first transitions that wait, in order; none if another instance has claimed the partition since.

    At most `count`, and no more once they are larger than `max_bytes`.
    """
    async for row in rows.rows(connection, _WAITING, *lease, count):
        found = WaitingTransition(*row)
        yield found
        max_bytes -= len(found.message)
        if max_bytes < 0:
            return


_RESUME_AFTER = 'SELECT alarms_sequence FROM app.checkpoint WHERE "partition" = $1 AND epoch = $2'


async def resume_after(connection: Connection, lease: Lease) -> int:
    """After which sequence the stream ALARMS may hold transitions that wait.

    OwnershipLost if another instance has claimed the partition since.
    """
    found = await connection.fetchval(_RESUME_AFTER, *lease)
    if found is None:
        raise OwnershipLost("another instance has taken over")
    return int(found)


# By number and never by "up to": a lower number may be committed after a higher one was published.
_REMOVE = """
WITH fence AS (
    UPDATE app.checkpoint SET alarms_sequence = $3 WHERE "partition" = $1 AND epoch = $2 RETURNING true
), removed AS (
    UPDATE app.alarm_transition SET is_waiting = false WHERE number = ANY ($4::bigint[]) AND EXISTS (SELECT FROM fence)
)
SELECT EXISTS (SELECT FROM fence)
"""


async def remove(connection: Connection, lease: Lease, numbers: Sequence[int], sequence: int) -> None:
    """Note that these were published, and after which sequence of ALARMS others may have been.

    OwnershipLost if another instance has claimed the partition since.
    """
    if not await connection.fetchval(_REMOVE, *lease, sequence, numbers):
        raise OwnershipLost("another instance has taken over")
