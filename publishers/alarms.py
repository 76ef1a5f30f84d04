"""Transitions of alarms as messages on `alarms.<spacecraftId>`."""

import hashlib
from collections.abc import Sequence

import msgspec

from missionops.domain.alarm import AlarmMessage
from missionops.domain.dead_letter import TRUNCATED
from missionops.store import alarm_outbox, alarms
from missionops.store.alarm_outbox import WaitingTransition
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection
from publishers.exactly_once import Message
from publishers.outbox import PAGE, PAGE_BYTES, WaitingMessage

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AlarmMessage).decode


class AlarmOutbox:
    """The outbox of transitions."""

    name = "alarms"
    channel = alarms.CHANNEL

    async def resume_after(self, connection: Connection, lease: Lease) -> int:
        """After which sequence ALARMS may hold transitions that wait."""
        return await alarm_outbox.resume_after(connection, lease)

    async def page(self, connection: Connection, lease: Lease, room: int) -> Sequence[WaitingMessage]:
        """The first transitions that wait."""
        return [
            WaitingMessage(row.number, message(row, room))
            async for row in alarm_outbox.waiting(connection, lease, PAGE, PAGE_BYTES)
        ]

    async def remove(self, connection: Connection, lease: Lease, numbers: Sequence[int], resume_after: int) -> None:
        """These were published."""
        await alarm_outbox.remove(connection, lease, numbers, resume_after)


def message(waiting: WaitingTransition, room: int) -> Message:
    """A transition as it was written; comments and guidance are left out where the server would refuse the message."""
    body, headers = waiting.message, {}
    if len(body) > room:
        headers = {TRUNCATED: str(len(body))}
        told = _decode(body)
        told.alarm.comments, told.alarm.guidance = [], None
        body = _encode(told)
    key = f"{waiting.alarm_id}\0{waiting.revision}"
    message_id = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return Message(f"alarms.{waiting.spacecraft_id}", message_id, body, headers)
