"""Taking up a partition where its last owner left it, or where the stream now begins."""

import logging
from typing import Any

from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.domain import timestamp
from missionops.store import anomalies as stored_anomalies
from missionops.store import checkpoint
from missionops.store.checkpoint import Checkpoint, Lease
from missionops.store.database import Connection
from publishers import anomalies
from publishers.exactly_once import ExactlyOncePublisher

log = logging.getLogger(__name__)

_PAGE = 8_000


async def publish_rest(
    connection: Connection, claim: Lease, place: Checkpoint, publisher: ExactlyOncePublisher
) -> Checkpoint:
    """Publish the anomalies that were committed and not known to be published; returns the place after that."""
    if place.published_sequence < place.sequence:
        start = claim.partition, place.incarnation, place.published_sequence, place.sequence
        async for page in stored_anomalies.between(connection, *start, _PAGE):
            await publisher.publish(anomalies.messages(page))
    return await _moved(
        connection,
        claim,
        place,
        place._replace(published_sequence=place.sequence, anomalies_sequence=publisher.sequence),
    )


async def find_place(client: Client, connection: Connection, claim: Lease, place: Checkpoint) -> Checkpoint:
    """The place to go on from in the stream as it is now: another one, one that went back, or one that lost some."""
    info = await jetstream.stream_info(client, streams.TELEMETRY)
    found = place
    if place.stream_created is None:
        found = place._replace(stream_created=info["created"])
    elif place.stream_created != info["created"]:
        log.error("the stream TELEMETRY was made anew (%s): it is read from its beginning", info["created"])
        found = _beginning(place, info)
    elif await _went_back(client, place, info):
        missing = max(0, place.sequence - int(info["state"]["last_seq"]))
        log.error("the stream TELEMETRY went back by %d messages: it is read from its beginning", missing)
        found = _beginning(place, info)
    return await _moved(connection, claim, place, _past_gap(found, info))


async def is_behind(client: Client, place: Checkpoint) -> bool:
    """Whether the stream holds anything after the place."""
    info = await jetstream.stream_info(client, streams.TELEMETRY)
    return int(info["state"]["last_seq"]) > place.sequence


def _beginning(place: Checkpoint, info: dict[str, Any]) -> Checkpoint:
    return place._replace(
        stream_created=info["created"],
        incarnation=place.incarnation + 1,
        sequence=max(0, int(info["state"]["first_seq"]) - 1),
        sequence_time=0,
        published_sequence=0,
    )


def _past_gap(place: Checkpoint, info: dict[str, Any]) -> Checkpoint:
    """Step over what the stream gave up before it was read, and say so."""
    lost = int(info["state"]["first_seq"]) - place.sequence - 1
    if lost <= 0:
        return place
    log.error("LOST: the stream TELEMETRY gave up %d messages before they were read", lost)
    return place._replace(sequence=place.sequence + lost, sequence_time=0, lost=place.lost + lost)


async def _went_back(client: Client, place: Checkpoint, info: dict[str, Any]) -> bool:
    """Whether the message at the position is above the stream's end, or another message."""
    if place.sequence > int(info["state"]["last_seq"]):
        return True
    if not place.sequence_time or place.sequence < int(info["state"]["first_seq"]):
        return False  # never read, or purged since: nothing to compare with
    found = await jetstream.find_message(client, streams.TELEMETRY, {"seq": place.sequence})
    return found is not None and timestamp.to_nanoseconds(found.time) != place.sequence_time


async def _moved(connection: Connection, claim: Lease, place: Checkpoint, found: Checkpoint) -> Checkpoint:
    if found != place:
        await checkpoint.move(connection, claim, place.sequence, found)
    return found
