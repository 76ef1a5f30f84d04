"""Checkpoints: how far each partition of the stream TELEMETRY has been handled, and who may move them."""

from typing import NamedTuple

from missionops.errors import OwnershipLost
from missionops.store.database import Connection


class Checkpoint(NamedTuple):
    """A position in the stream TELEMETRY and in the streams that follow from it."""

    stream_created: str | None
    stream_generation: int
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
    """The right to move one partition's checkpoint, until another instance claims it."""

    partition: int
    epoch: int


class Sign(NamedTuple):
    """What an owner changes each time it renews its lease; it is compared for equality and never with a clock."""

    epoch: int
    lease_until: str


class Owned(NamedTuple):
    """What the checkpoint's row says while another instance owns the partition."""

    sign: Sign
    lease: float
    """Seconds within which the owner changes the sign; 0 where it did not say."""
    sequence: int


_LOOK = "SELECT epoch, lease_until::text, lease, sequence FROM app.checkpoint WHERE partition = $1"


async def look(connection: Connection, partition: int) -> Owned:
    """What the row says now."""
    row = await connection.fetchrow(_LOOK, partition)
    if row is None:
        raise AssertionError("a partition's row is never removed")
    epoch, lease_until, lease, sequence = row
    return Owned(Sign(epoch, lease_until), lease, sequence)


# An owner may claim again at once: the new epoch fences what it still had in flight.
_CLAIM = """
UPDATE app.checkpoint
SET owner = $2, epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $3), lease = $3
WHERE partition = $1
    AND (owner IS NULL OR owner = $2 OR lease_until < clock_timestamp() OR (epoch, lease_until::text) = ($4, $5))
RETURNING epoch, stream_created, stream_generation, sequence, sequence_time, published_sequence, anomalies_sequence,
          dead_letters_sequence, lost
"""


async def claim(
    connection: Connection, partition: int, owner: str, lease: float, dead: Sign | None = None
) -> tuple[Lease, Checkpoint] | None:
    """The lease and the checkpoint to start from; None while another owner's lease runs.

    The lease of an owner whose last sign is `dead` has ended, whatever the database's clock says, unless the owner has
    given another sign since.
    """
    row = await connection.fetchrow(_CLAIM, partition, owner, lease, *(dead or (None, None)))
    if row is None:
        return None
    epoch, *start = row
    return Lease(partition, epoch), Checkpoint(*start)


_RENEW = """
UPDATE app.checkpoint SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE partition = $1 AND epoch = $2
RETURNING true
"""


async def renew(connection: Connection, lease: Lease, seconds: float) -> None:
    """Prolong the lease; OwnershipLost if another instance has claimed the partition since."""
    if not await connection.fetchval(_RENEW, lease.partition, lease.epoch, seconds):
        raise OwnershipLost("another instance has taken over")


RELEASED = "missionops_released"
"""The channel on which a standby is notified that a partition is free."""

_RELEASE = """
WITH released AS (UPDATE app.checkpoint SET owner = NULL WHERE partition = $1 AND epoch = $2 RETURNING partition)
SELECT pg_notify($3, partition::text) FROM released
"""


async def release(connection: Connection, lease: Lease) -> None:
    """Let a standby take over at once."""
    await connection.execute(_RELEASE, lease.partition, lease.epoch, RELEASED)


_RELEASE_ALL = "UPDATE app.checkpoint SET owner = NULL"


async def release_all(connection: Connection) -> None:
    """Forget owners that are known to be dead: those of a database that has just started, on its own machine."""
    await connection.execute(_RELEASE_ALL)


_IS_CURRENT = "SELECT epoch = $2 FROM app.checkpoint WHERE partition = $1"


async def is_current(connection: Connection, lease: Lease) -> bool:
    """Whether no other instance has claimed the partition since."""
    return bool(await connection.fetchval(_IS_CURRENT, lease.partition, lease.epoch))


_MOVE = """
UPDATE app.checkpoint
SET stream_created = $4, stream_generation = $5, sequence = $6, sequence_time = $7, published_sequence = $8,
    anomalies_sequence = $9, dead_letters_sequence = $10, lost = $11
WHERE partition = $1 AND epoch = $2 AND sequence = $3
RETURNING true
"""


async def move(connection: Connection, lease: Lease, previous: int, to: Checkpoint) -> None:
    """Move the checkpoint from the sequence `previous`.

    OwnershipLost, so that the transaction is rolled back, if the partition is not ours or the checkpoint is elsewhere.
    """
    if not await connection.fetchval(_MOVE, lease.partition, lease.epoch, previous, *to):
        raise OwnershipLost("the checkpoint was moved by another instance")
