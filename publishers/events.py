"""Events as messages on `events.<spacecraftId>`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from missionops.domain import spacecraft
from missionops.domain.dead_letter import TRUNCATED
from missionops.domain.event import Event
from missionops.store import outbox
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection
from publishers.exactly_once import Message
from publishers.outbox import PAGE, PAGE_BYTES, WaitingMessage

_encode = msgspec.json.Encoder().encode


class EventOutbox:
    """The outbox of events."""

    name = "events"
    channel = outbox.CHANNEL

    async def resume_after(self, connection: Connection, lease: Lease) -> int:
        """After which sequence EVENTS may hold events that wait."""
        return await outbox.resume_after(connection, lease)

    async def page(self, connection: Connection, lease: Lease, room: int) -> Sequence[WaitingMessage]:
        """The first events that wait."""
        rows = [row async for row in outbox.waiting(connection, lease, PAGE, PAGE_BYTES)]
        found = messages((row.event for row in rows), room)
        return [WaitingMessage(row.number, message) for row, message in zip(rows, found, strict=True)]

    async def remove(self, connection: Connection, lease: Lease, numbers: Sequence[int], resume_after: int) -> None:
        """These were published."""
        await outbox.remove(connection, lease, numbers, resume_after)


def messages(events: Iterable[Event], room: int) -> Iterator[Message]:
    """Events as messages, as lists show them; the metadata is left out where the server would refuse the message."""
    for event in events:
        body, headers = _encode(event), {}
        if len(body) > room:
            headers = {TRUNCATED: str(len(body))}
            body = _encode(msgspec.structs.replace(event, metadata=msgspec.Raw(b"{}")))
        key = event.id, event.spacecraft_id or "", event.timestamp.isoformat()
        message_id = hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
        yield Message(f"events.{event.spacecraft_id or spacecraft.FLEET}", message_id, body, headers)
