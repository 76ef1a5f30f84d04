"""Publishes each message exactly once, even if the publisher is killed, paused, replaced or disconnected.

A stream drops a repeated Nats-Msg-Id only within its duplicate window. That alone is not enough: an owner that was
paused after its commit may continue an hour later. Two things are added. Every batch names the last sequence of each
of its subjects (Nats-Expected-Last-Subject-Sequence), so the stream refuses the whole batch of a publisher that has
missed a message. And a publisher that does not know what the stream holds (at its start, after a refusal, a time-out
or a lost connection) reads the end of the stream, from the last sequence that it knows, and skips what is there.

Clients that own no partition can also publish to the same subjects: the server sends acknowledgements and responses to
whatever reply subject a client names. Each such message costs at most one attempt: the publisher reads the end of the
stream, learns the new last sequence, and sends a smaller batch at once.
"""

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client

from missionops.broker import jetstream
from missionops.broker.jetstream import ErrorCode
from missionops.errors import OwnershipLost, Unavailable
from missionops.logs import RepeatFilter
from publishers.stream_room import Room

log = logging.getLogger(__name__)

_MESSAGES = 1_000  # the server's bound for one atomic batch (ADR-50)
_BYTES = 4 << 20
_SUBJECTS_KNOWN = 50_000
_TIMEOUT = 5.0
_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds between attempts; after the last one the caller gets the error
_PATIENCE = 5.0
_FOREIGN_MESSAGES = "other clients publish to the same subjects"


class Message(NamedTuple):
    """A message to be published once; two messages with the same id are the same message."""

    subject: str
    id: str
    body: bytes
    headers: Mapping[str, str] = {}  # nothing writes to this default


class _UnknownOutcome(Exception):
    """The stream refused a batch or sent no response, so it is not known what the stream holds."""


class _NoRoom(_UnknownOutcome):
    """The account or the server has no room for the batch."""


class _Overtaken(_UnknownOutcome):
    """Another client has published to a subject of the batch since the end of the stream was read."""


class _HoldsSome(_UnknownOutcome):
    """The stream holds a message of the batch and does not say which; sent one by one, each gets its own response."""


_REFUSALS: Mapping[object, type[_UnknownOutcome]] = {
    ErrorCode.WRONG_LAST_SEQUENCE: _Overtaken,
    ErrorCode.WRONG_LAST_SEQUENCE_CONSTANT: _Overtaken,
    ErrorCode.ATOMIC_BATCH_CONTAINS_DUPLICATE: _HoldsSome,
    ErrorCode.ACCOUNT_RESOURCES_EXCEEDED: _NoRoom,
    ErrorCode.INSUFFICIENT_RESOURCES: _NoRoom,
    ErrorCode.STORAGE_RESOURCES_EXCEEDED: _NoRoom,
}
"""What JetStream's error codes mean here; any other is an _UnknownOutcome."""

_FAILURES = (_UnknownOutcome, Unavailable, OSError, TimeoutError, nats.errors.Error)
"""After these the stream may hold the batch or not."""


class _Held(NamedTuple):
    """A message at the end of the stream, perhaps one that this publisher is still to publish."""

    sequence: int
    digest: bytes


class ExactlyOncePublisher:
    """Publishes to one stream, for the owner of a partition; `is_owner` returns whether this instance still owns it.

    `count_failure` is called for each batch that the stream refused or did not acknowledge. Before each batch `room`
    purges old messages where the stream is nearly full; `relieve` purges so many bytes where the account or the server
    is full. While other clients publish to the same subjects, the publisher gives up after `patience` seconds in which
    the stream took none of its messages.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        is_owner: Callable[[], Awaitable[bool]],
        count_failure: Callable[[str], None] | None = None,
        patience: float = _PATIENCE,
        *,
        room: Room | None = None,
        relieve: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._client = client
        self._stream = stream
        self._is_owner = is_owner
        self._count_failure = count_failure
        self._room = room
        self._relieve = relieve
        self._patience = patience
        self._last: dict[str, int] = {}
        self._held: dict[str, _Held] = {}  # by message id, in the order of the stream
        self._repeats = RepeatFilter()
        self.sequence = 0
        """The last known sequence of the stream, which has all of this publisher's messages up to it."""

    async def resume(self, after: int) -> None:
        """Read what the stream holds after the sequence `after`, the last one that the database knows of."""
        self.sequence = after
        self._last.clear()
        self._held.clear()
        await self._read_tail()
        if self._room:
            await self._room.look()

    @property
    def resume_after(self) -> int:
        """The sequence after which the next owner has to read: messages after it may belong to uncommitted batches."""
        return min((held.sequence for held in self._held.values()), default=self.sequence + 1) - 1

    def forget_held(self) -> None:
        """Nothing is left to publish: what other clients put into the stream is none of it."""
        self._held.clear()

    async def publish(self, messages: Iterable[Message]) -> None:
        """Publish in order, except what the stream holds already; returns once the stream has all of them.

        OwnershipLost if another instance owns the partition now, Unavailable if the stream keeps refusing.
        """
        batch: list[Message] = []
        size = 0
        for message in messages:
            size += _size(message)
            if batch and (len(batch) == _MESSAGES or size > _BYTES):
                await self._publish_batch(batch)
                batch, size = [], _size(message)
            batch.append(message)
        await self._publish_batch(batch)

    async def _publish_batch(self, batch: Sequence[Message]) -> None:
        """Publish messages that fit into one atomic batch; in smaller parts where the stream refuses the whole."""
        size, delays, deadline = len(batch), iter(_DELAYS), time.monotonic() + self._patience
        while batch:
            if self._held:  # any client may use these ids, so the content is compared too
                digests = {one.id: held.digest for one in batch if (held := self._held.pop(one.id, None))}
                batch = [one for one in batch if digests.get(one.id) != _digest(one.subject, one.body)]
            portion = batch[:size]
            if not portion:
                return
            try:
                await self._send(portion)
            except _FAILURES as error:
                # After most failures the next attempt waits. One that is overtaken or holds a message already is sent
                # again at once, in smaller parts: a client that overtakes may do so again.
                delay: float | None = 0 if time.monotonic() <= deadline else None
                if isinstance(error, _Overtaken):
                    size = max(1, len(portion) // 4)
                elif isinstance(error, _HoldsSome) and len(portion) > 1:
                    size = 1
                else:
                    delay = next(delays, None)
                await self._recover(portion, error, delay)
            else:
                batch, size = batch[size:], 2 * size
                delays, deadline = iter(_DELAYS), time.monotonic() + self._patience

    async def _recover(self, batch: Sequence[Message], error: Exception, delay: float | None) -> None:
        """After a failed attempt: wait, check that the partition is still owned, and read what the stream has now.

        Unavailable where `delay` is None, because there have been enough attempts.
        """
        reason = str(error) or type(error).__name__
        if self._count_failure:
            self._count_failure(self._stream)
        if self._repeats.is_new(reason):
            count = len(batch)
            log.warning("%s: it is not known whether the stream holds a batch of %d: %s", self._stream, count, reason)
        if delay is None:
            raise Unavailable(f"The stream {self._stream} does not take what is published: {error}.") from error
        await asyncio.sleep(delay)
        if not await self._is_owner():
            raise OwnershipLost(f"another instance publishes to {self._stream}")
        before = [self._last.get(message.subject) for message in batch]
        await self._read_tail()
        if [self._last.get(message.subject) for message in batch] == before:
            self._last.clear()  # no message was added to these subjects, so perhaps some were deleted: ask again
        if isinstance(error, _NoRoom) and self._relieve:
            await self._relieve(sum(map(_size, batch)))

    async def _send(self, batch: Sequence[Message]) -> None:
        """Publish a batch and note that the stream has it; _UnknownOutcome if the stream refuses it.

        Several messages are an atomic batch (ADR-50): the stream responds to the last one, which commits all of them.
        """
        if self._room:
            await self._room.make_way(sum(map(_size, batch)))
        if unknown := {message.subject for message in batch} - self._last.keys():
            self._last |= await jetstream.last_sequences(self._client, self._stream, unknown)
        expected = {message.subject: self._last[message.subject] for message in batch}
        if max(expected.values()) > self.sequence:
            raise _Overtaken(_FOREIGN_MESSAGES)
        batch_id, headers = uuid.uuid4().hex, dict[str, str]()
        for number, message in enumerate(batch, start=1):
            headers = {**message.headers, "Nats-Msg-Id": message.id, "Nats-Expected-Stream": self._stream}
            if message.subject in expected:  # in the first message of each subject alone
                headers["Nats-Expected-Last-Subject-Sequence"] = str(expected.pop(message.subject))
            if len(batch) > 1:
                headers |= {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number < len(batch):
                await self._client.publish(message.subject, message.body, headers=headers)
        if len(batch) > 1:
            headers["Nats-Batch-Commit"] = "1"
        reply = await self._client.request(batch[-1].subject, batch[-1].body, timeout=_TIMEOUT, headers=headers)
        ack: dict[str, Any] = json.loads(reply.data)
        if "error" not in ack:
            await self._accept(batch, ack)
            return
        refusal = _REFUSALS.get(ack["error"].get("err_code"), _UnknownOutcome)
        raise refusal(_FOREIGN_MESSAGES if refusal is _Overtaken else ack["error"].get("description"))

    async def _accept(self, batch: Sequence[Message], ack: Mapping[str, Any]) -> None:
        """Note what the stream has acknowledged; _UnknownOutcome if it holds another message under the same id."""
        last, message = int(ack["seq"]), batch[0]
        if ack.get("duplicate"):
            self._last.pop(message.subject)
            held = await jetstream.get_message(self._client, self._stream, last)
            if held and _digest(held.subject, held.data) != _digest(message.subject, message.body):
                raise _UnknownOutcome(f"message {last} has the id of one of ours and another content")
            return
        if self._room:
            for message in batch:
                self._room.note(message.subject, _size(message))
        first = last - len(batch) + 1  # an atomic batch takes consecutive sequences
        if len(self._last) > _SUBJECTS_KNOWN:
            self._last.clear()
        self._last.update((message.subject, first + index) for index, message in enumerate(batch))
        if first == self.sequence + 1:
            self.sequence = last
            return
        # Another client published in between, perhaps a message of a later batch; or the stream was created again.
        await self._read_tail()
        for message in batch:
            self._held.pop(message.id, None)

    async def _read_tail(self) -> None:
        """Read the stream after the last known sequence: the messages, and the last sequence of each subject."""
        info = await jetstream.stream_info(self._client, self._stream)
        if int(info["state"]["last_seq"]) < self.sequence:
            self.sequence = 0  # the stream was created again or restored to an older state: read all of it
            self._last.clear()
        tail = jetstream.messages(self._client, self._stream, page=1_000, page_bytes=_BYTES, seq=self.sequence + 1)
        async for message in tail:
            self.sequence = message.sequence
            if message.subject in self._last:
                self._last[message.subject] = message.sequence
            if message_id := message.headers.get("Nats-Msg-Id"):
                self._held[message_id] = _Held(message.sequence, _digest(message.subject, message.data))


def _digest(subject: str, body: bytes) -> bytes:
    return hashlib.blake2b(subject.encode() + b"\0" + body, digest_size=16).digest()


def _size(message: Message) -> int:
    return len(message.body) + sum(len(name) + len(value) for name, value in message.headers.items())
