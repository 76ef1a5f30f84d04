"""Publishing each message once, though its publisher may be killed, stopped, replaced or cut off at any moment.

A stream drops a repeated Nats-Msg-Id only within a window, so that alone is not enough: an owner that was stopped
after its commit may wake up an hour later. Two things are added. Every batch says which message of each subject it
believes to be the last (Nats-Expected-Last-Subject-Sequence), so a batch of one who missed something is refused whole.
And whoever is in doubt - at its start, after a refusal, a time-out, a lost connection - reads the end of the stream
from the last place it is sure of, and leaves out what is there.

Others may publish to the same subjects without being owners: an acknowledgement or an answer of the server goes where
somebody's reply subject says. Each of their messages can cost us an attempt and nothing else: the end of the stream
says what is the last message now, and a smaller batch is sent at once.
"""

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
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
_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8)  # between attempts; then the fault is somebody else's business
_PATIENCE = 5.0
_NO_ROOM = frozenset({
    ErrorCode.ACCOUNT_RESOURCES_EXCEEDED, ErrorCode.INSUFFICIENT_RESOURCES, ErrorCode.STORAGE_RESOURCES_EXCEEDED,
})  # fmt: skip
"""JetStream's errors when it is not the stream that is full, but the account or the server."""

_WRONG_LAST_SEQUENCE = frozenset({ErrorCode.WRONG_LAST_SEQUENCE, ErrorCode.WRONG_LAST_SEQUENCE_CONSTANT})
_OTHERS = "others publish to the same subjects"


class Message(NamedTuple):
    """What is to be published once; two with one id are the same message."""

    subject: str
    id: str
    body: bytes
    headers: Mapping[str, str] = {}  # never written to


class _UnknownOutcome(Exception):
    """The stream refused a batch or did not answer: we do not know what it holds."""


class _NoRoom(_UnknownOutcome):
    """JetStream itself has no room for a batch."""


class _Overtaken(_UnknownOutcome):
    """Somebody else has published to a subject of the batch since the stream was read."""


class _HoldsSome(_UnknownOutcome):
    """The stream knows one message of the batch and does not say which; alone, each is told apart."""


class _Held(NamedTuple):
    """A message that was read at the end of the stream, perhaps one that we have yet to publish."""

    sequence: int
    digest: bytes


class ExactlyOncePublisher:
    """Publishes to one stream. `is_owner` tells whether we may still speak for our partition.

    `count_failure` is called for each batch that the stream refused or did not acknowledge. `room` is asked to make
    way in the stream before each batch, and `relieve` to make room for so many bytes where JetStream itself has none.
    `patience` is how many seconds it goes on, without getting one message in, while others publish to the same
    subjects.
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
        """The end of the stream as far as we know it: all of our own messages up to here are in it."""

    async def resume(self, after: int) -> None:
        """Learn what the stream holds past `after`, where it ended when it was last written down."""
        self.sequence = after
        self._last.clear()
        self._held.clear()
        await self._read_tail()
        if self._room:
            await self._room.look()

    @property
    def resume_after(self) -> int:
        """After which whoever comes next has to read: a former owner's message may be of what nobody decided yet."""
        return min((held.sequence for held in self._held.values()), default=self.sequence + 1) - 1

    async def publish(self, messages: Iterable[Message]) -> None:
        """Publish in order, leaving out what the stream holds; returns once the stream has it all.

        Lost if somebody else speaks for our partition now, Unavailable if the stream goes on refusing.
        """
        for batch in _batches(messages):
            await self._publish_batch(batch)

    async def _publish_batch(self, batch: Sequence[Message]) -> None:
        size, delays, deadline = len(batch), iter(_DELAYS), time.monotonic() + self._patience
        while batch := self._without_held(batch):
            portion = batch[:size]
            bytes_ = sum(map(_size, portion))
            if self._room:
                await self._room.make_way(bytes_)
            fault = await self._fault(portion)
            if fault is None:
                batch, size = batch[size:], 2 * size
                delays, deadline = iter(_DELAYS), time.monotonic() + self._patience
                continue
            delay: float | None = 0  # at once, as whoever overtakes us does it again
            if isinstance(fault, _Overtaken):
                size = max(1, len(portion) // 4)  # for a batch is overtaken while it is being sent
            elif isinstance(fault, _HoldsSome):
                size = 1
            else:
                delay = next(delays, None)
            if delay is None or (delay == 0 and time.monotonic() > deadline):
                raise Unavailable(f"The stream {self._stream} does not take what is published: {fault}.")
            await asyncio.sleep(delay)
            await self._settle_doubt(portion)
            if isinstance(fault, _NoRoom) and self._relieve:
                await self._relieve(bytes_)

    async def _fault(self, batch: Sequence[Message]) -> Exception | None:
        """Send; why the stream may not have it now, although it may have it all the same."""
        try:
            await self._send(batch)
        except (_UnknownOutcome, Unavailable, OSError, TimeoutError, nats.errors.Error) as doubt:
            if self._count_failure:
                self._count_failure(self._stream)
            why = str(doubt) or type(doubt).__name__
            if self._repeats.is_new(why):
                log.warning("%s: a batch of %d is in doubt: %s", self._stream, len(batch), why)
            return doubt
        return None

    async def _settle_doubt(self, batch: Sequence[Message]) -> None:
        if not await self._is_owner():
            raise OwnershipLost(f"another instance publishes to {self._stream}")
        before = {message.subject: self._last.get(message.subject) for message in batch}
        await self._read_tail()
        if all(self._last.get(subject) == last for subject, last in before.items()):
            self._last.clear()  # nothing was added there, so perhaps something was removed: ask again

    def _without_held(self, batch: Sequence[Message]) -> Sequence[Message]:
        if not self._held:
            return batch
        left = [message for message in batch if not self._is_held(message)]
        self._forget(batch)
        return left

    def _is_held(self, message: Message) -> bool:
        """Whether it is at the end of the stream: the very message, as anybody may write our ids."""
        held = self._held.get(message.id)
        return held is not None and held.digest == _digest(message.subject, message.body)

    def _forget(self, batch: Sequence[Message]) -> None:
        for message in batch:
            self._held.pop(message.id, None)

    async def _send(self, batch: Sequence[Message]) -> None:
        unknown = {message.subject for message in batch} - self._last.keys()
        self._last |= await jetstream.last_sequences(self._client, self._stream, unknown)
        if max(self._last[message.subject] for message in batch) > self.sequence:
            raise _Overtaken(_OTHERS)
        headers = list(self._headers(batch))
        for message, header in zip(batch[:-1], headers[:-1], strict=True):
            await self._client.publish(message.subject, message.body, headers=header)
        reply = await self._client.request(batch[-1].subject, batch[-1].body, timeout=_TIMEOUT, headers=headers[-1])
        ack = json.loads(reply.data)
        if "error" not in ack:
            await self._accept(batch, ack)
            return
        code, why = ack["error"].get("err_code"), ack["error"].get("description")
        if code in _WRONG_LAST_SEQUENCE:
            raise _Overtaken(_OTHERS)
        if code == ErrorCode.ATOMIC_BATCH_CONTAINS_DUPLICATE and len(batch) > 1:
            raise _HoldsSome(why)
        if code in _NO_ROOM:
            raise _NoRoom(why)
        raise _UnknownOutcome(why)

    def _headers(self, batch: Sequence[Message]) -> Iterator[dict[str, str]]:
        name, seen = uuid.uuid4().hex, set[str]()
        for number, message in enumerate(batch, start=1):
            headers = {**message.headers, "Nats-Msg-Id": message.id, "Nats-Expected-Stream": self._stream}
            if len(batch) > 1:
                headers |= {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
            if message.subject not in seen:
                seen.add(message.subject)
                headers["Nats-Expected-Last-Subject-Sequence"] = str(self._last[message.subject])
            if number == len(batch) > 1:
                headers["Nats-Batch-Commit"] = "1"
            yield headers

    async def _accept(self, batch: Sequence[Message], ack: Mapping[str, Any]) -> None:
        if ack.get("duplicate"):
            self._last.pop(batch[0].subject)
            await self._refuse_foreign(batch[0], int(ack["seq"]))
            return
        if self._room:
            for message in batch:
                self._room.note(message.subject, _size(message))
        first = int(ack["seq"]) - len(batch) + 1  # an atomic batch takes consecutive sequences
        if len(self._last) > _SUBJECTS_KNOWN:
            self._last.clear()
        self._last.update((message.subject, first + index) for index, message in enumerate(batch))
        if first == self.sequence + 1:
            self.sequence = int(ack["seq"])
            return
        # Somebody else published in between, perhaps what we have yet to publish; or the stream was made anew.
        await self._read_tail()
        self._forget(batch)

    async def _refuse_foreign(self, message: Message, sequence: int) -> None:
        """Notice that what the stream takes `message` for a repeat of is another message, which has our id."""
        found = await jetstream.get_message(self._client, self._stream, sequence)
        if found and _digest(found.subject, found.data) != _digest(message.subject, message.body):
            raise _UnknownOutcome(f"message {sequence} has the id of one of ours and is another")

    async def _read_tail(self) -> None:
        """Learn what came after the last message that we know, and which is now the last of each of its subjects."""
        info = await jetstream.stream_info(self._client, self._stream)
        if int(info["state"]["last_seq"]) < self.sequence:
            self.sequence = 0  # another stream under the same name, or an older one: all of it is new to us
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


def _batches(messages: Iterable[Message]) -> Iterator[Sequence[Message]]:
    batch: list[Message] = []
    size = 0
    for message in messages:
        size += _size(message)
        if batch and (len(batch) == _MESSAGES or size > _BYTES):
            yield batch
            batch, size = [], _size(message)
        batch.append(message)
    if batch:
        yield batch


def _size(message: Message) -> int:
    return len(message.body) + sum(len(name) + len(value) for name, value in message.headers.items())
