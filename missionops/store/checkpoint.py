"""How far a partition of the stream has been handled, and who may say so."""

from typing import NamedTuple

from missionops.errors import OwnershipLost
from missionops.store.database import Connection


class Checkpoint(NamedTuple):
    """A place in the stream TELEMETRY and in the streams that follow from it."""

    stream_created: str | None
    incarnation: int
    sequence: int
    """The last message that was decided."""
    sequence_time: int
    """Its time in the stream, in nanoseconds since 1970."""
    published_sequence: int
    """Anomalies of messages up to here are known to be published."""
    anomalies_sequence: int
    """Where the stream ANOMALIES ended then."""
    dead_letters_sequence: int
    """Where the stream DEADLETTERS ended when `sequence` was decided."""
    lost: int
    """Messages that the stream gave up before they were read."""


class Lease(NamedTuple):
    """The right to move one partition's position, until somebody claims it after us."""

    partition: int
    epoch: int


class Sign(NamedTuple):
    """What changes with each sign of life of an owner; None of it is a time to compare with a clock."""

    epoch: int
    lease_until: str


class Owned(NamedTuple):
    """What the row says while another instance owns the partition."""

    sign: Sign
    lease: float
    """Seconds within which the owner changes the sign; 0 where it did not say."""
    sequence: int


_LOOK = "SELECT epoch, lease_until::text, lease, sequence FROM app.position WHERE partition = $1"


async def look(connection: Connection, partition: int) -> Owned:
    """What the row says now."""
    row = await connection.fetchrow(_LOOK, partition)
    if row is None:
        raise AssertionError("a partition's row is never removed")
    epoch, lease_until, lease, sequence = row
    return Owned(Sign(epoch, lease_until), lease, sequence)


# An owner may claim again at once: the new epoch fences what it still had in flight.
_CLAIM = """
UPDATE app.position
SET owner = $2, epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $3), lease = $3
WHERE partition = $1
    AND (owner IS NULL OR owner = $2 OR lease_until < clock_timestamp() OR (epoch, lease_until::text) = ($4, $5))
RETURNING epoch, stream_created, incarnation, sequence, sequence_time, published_sequence, anomalies_sequence,
          dead_letters_sequence, lost
"""


async def claim(
    connection: Connection, partition: int, owner: str, lease: float, dead: Sign | None = None
) -> tuple[Lease, Checkpoint] | None:
    """The claim and the place it starts from; None while another owner's lease runs.

    It runs no more for an owner that is known to be `dead`, whatever the database's clock says, unless it has given
    another sign since.
    """
    row = await connection.fetchrow(_CLAIM, partition, owner, lease, *(dead or (None, None)))
    if row is None:
        return None
    epoch, *place = row
    return Lease(partition, epoch), Checkpoint(*place)


_RENEW = """
UPDATE app.position SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE partition = $1 AND epoch = $2
RETURNING true
"""


async def renew(connection: Connection, claim: Lease, lease: float) -> None:
    """Prolong the lease; Lost if somebody claimed the partition since."""
    if not await connection.fetchval(_RENEW, claim.partition, claim.epoch, lease):
        raise OwnershipLost("another instance has taken over")


RELEASED = "missionops_released"
"""The channel on which whoever stands by is told that a partition is free."""

_RELEASE = """
WITH released AS (UPDATE app.position SET owner = NULL WHERE partition = $1 AND epoch = $2 RETURNING partition)
SELECT pg_notify($3, partition::text) FROM released
"""


async def release(connection: Connection, claim: Lease) -> None:
    """Let a standby take over at once."""
    await connection.execute(_RELEASE, claim.partition, claim.epoch, RELEASED)


_RELEASE_ALL = "UPDATE app.position SET owner = NULL"


async def release_all(connection: Connection) -> None:
    """Forget owners known to be dead: those of a database that only just started, on its own machine."""
    await connection.execute(_RELEASE_ALL)


_IS_CURRENT = "SELECT epoch = $2 FROM app.position WHERE partition = $1"


async def is_current(connection: Connection, claim: Lease) -> bool:
    """Whether nobody has claimed the partition since."""
    return bool(await connection.fetchval(_IS_CURRENT, claim.partition, claim.epoch))


_MOVE = """
UPDATE app.position
SET stream_created = $4, incarnation = $5, sequence = $6, sequence_time = $7, published_sequence = $8,
    anomalies_sequence = $9, dead_letters_sequence = $10, lost = $11
WHERE partition = $1 AND epoch = $2 AND sequence = $3
RETURNING true
"""


async def move(connection: Connection, claim: Lease, previous: int, place: Checkpoint) -> None:
    """Move the position from `previous` to `place`; Lost, and so a rollback, if it is not ours or not there."""
    if not await connection.fetchval(_MOVE, claim.partition, claim.epoch, previous, *place):
        raise OwnershipLost("the position was moved by another instance")
