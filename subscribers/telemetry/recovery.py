"""Recovery: continue a partition where its last owner ended, or where the stream now begins."""

import logging
from typing import Any

from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.domain import timestamp
from missionops.ingest.status import StreamEnd
from missionops.store import anomalies as stored_anomalies
from missionops.store import checkpoint
from missionops.store.checkpoint import Checkpoint, Lease
from missionops.store.database import Connection
from publishers import anomalies
from publishers.exactly_once import ExactlyOncePublisher

log = logging.getLogger(__name__)


async def publish_unpublished(
    connection: Connection, lease: Lease, at: Checkpoint, publisher: ExactlyOncePublisher
) -> Checkpoint:
    """Publish the anomalies that were stored and are not known to be published; returns the checkpoint after that."""
    if at.published_sequence < at.sequence:
        between = lease.partition, at.stream_generation, at.published_sequence, at.sequence
        async for page in stored_anomalies.pages(connection, *between):
            await publisher.publish(anomalies.messages(page))
    after = at._replace(published_sequence=at.sequence, anomalies_sequence=publisher.sequence)
    return await _moved(connection, lease, at, after)


async def find_start(
    client: Client, connection: Connection, lease: Lease, at: Checkpoint, last_seen: StreamEnd | None
) -> Checkpoint:
    """The checkpoint to continue from in the stream as it is now.

    It may be another stream than before, one that went back (a restored backup), or one that lost messages before they
    were read: each of these is reported as an error in the log. `last_seen` is where the stream ended when this process
    looked last.
    """
    info = await jetstream.stream_info(client, streams.TELEMETRY)
    created, last = info["created"], int(info["state"]["last_seq"])
    start = at
    if at.stream_created is None:
        start = at._replace(stream_created=created)
    elif at.stream_created != created:
        start = _beginning(at._replace(lost=at.lost + _count_deleted(at, last_seen)), info)
    elif at.sequence > last or await _is_another_message(client, at, info):
        log.error("the stream TELEMETRY went back by %d messages: it is read from its beginning",
                  max(0, at.sequence - last))  # fmt: skip
        start = _beginning(at, info)

    lost = int(info["state"]["first_seq"]) - start.sequence - 1
    if lost > 0:
        log.error("LOST: the stream TELEMETRY gave up %d messages before they were read", lost)
        start = start._replace(sequence=start.sequence + lost, sequence_time=0, lost=start.lost + lost)
    return await _moved(connection, lease, at, start)


def _count_deleted(at: Checkpoint, last_seen: StreamEnd | None) -> int:
    """How many messages are lost because somebody deleted the stream, as far as that is known; logs it."""
    again = "the stream TELEMETRY was made anew, here or on another server, and is read from its beginning"
    if last_seen is None or last_seen.created != at.stream_created:
        log.error("LOST, if anything: %s. Of the one before, messages up to %d were handled; how many came after that "
                  "is not known", again, at.sequence)  # fmt: skip
        return 0
    lost = max(0, last_seen.last_sequence - at.sequence)
    if lost:
        log.error("LOST: %s. At least %d messages of the one before were not handled", again, lost)
    else:
        log.error("%s. Of the one before, all messages that were seen are handled", again)
    return lost


async def is_behind(client: Client, at: Checkpoint) -> bool:
    """Whether the stream holds messages after the checkpoint."""
    info = await jetstream.stream_info(client, streams.TELEMETRY)
    return int(info["state"]["last_seq"]) > at.sequence


def _beginning(at: Checkpoint, info: dict[str, Any]) -> Checkpoint:
    return at._replace(
        stream_created=info["created"],
        stream_generation=at.stream_generation + 1,
        sequence=max(0, int(info["state"]["first_seq"]) - 1),
        sequence_time=0,
        published_sequence=0,
    )


async def _is_another_message(client: Client, at: Checkpoint, info: dict[str, Any]) -> bool:
    """Whether the stream holds another message at the checkpoint than the one that was handled."""
    if not at.sequence_time or at.sequence < int(info["state"]["first_seq"]):
        return False  # never read, or purged since: nothing to compare with
    found = await jetstream.find_message(client, streams.TELEMETRY, {"seq": at.sequence})
    return found is not None and timestamp.to_nanoseconds(found.time) != at.sequence_time


async def _moved(connection: Connection, lease: Lease, at: Checkpoint, to: Checkpoint) -> Checkpoint:
    if to != at:
        await checkpoint.move(connection, lease, at.sequence, to)
    return to
