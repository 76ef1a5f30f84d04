"""Publishing each message once, though its publisher may be killed, stopped, replaced or cut off at any moment.

A stream drops a repeated Nats-Msg-Id only within a window, so that alone is not enough: an owner that was stopped
after its commit may wake up an hour later. Two things are added. Every batch says which message of each subject it
believes to be the last (Nats-Expected-Last-Subject-Sequence), so a batch of one who missed something is refused whole.
And whoever is in doubt - at its start, after a refusal, a time-out, a lost connection - reads the end of the stream
from the last place it is sure of, and leaves out what is there.
"""

import asyncio
import json
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops.errors import Lost, Unavailable
from publishers.room import Room

log = logging.getLogger(__name__)

_MESSAGES = 1_000  # the server's bound for one atomic batch (ADR-50)
_BYTES = 4 << 20
_SUBJECTS_KNOWN = 50_000
_SUBJECTS_ASKED = 50  # each answer carries a whole message, up to a dead letter of 1 MB
_TIMEOUT = 5.0
_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8)  # between attempts; then the fault is somebody else's business
_DUPLICATE_IN_BATCH = 10201
_NO_ROOM = frozenset({10002, 10023, 10047})
"""What JetStream says when it is not the stream that is full, but the account or the server."""


class Message(NamedTuple):
    """What is to be published once; two with one id are the same message."""

    subject: str
    id: str
    body: bytes
    headers: Mapping[str, str] = {}  # never written to


class _Doubt(Exception):
    """The stream refused a batch or did not answer: we do not know what it holds."""


class _NoRoom(_Doubt):
    """JetStream itself has no room for a batch."""


class FencedPublisher:
    """Publishes to one stream. `is_owner` tells whether we may still speak for our partition.

    `failures` counts, by stream, what was refused or not answered. `room` is asked to make way in the stream before
    each batch, and `relieve` to make room for so many bytes where JetStream itself has none.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        is_owner: Callable[[], Awaitable[bool]],
        failures: Counter[str] | None = None,
        *,
        room: Room | None = None,
        relieve: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._client = client
        self._stream = stream
        self._is_owner = is_owner
        self._failures = Counter[str]() if failures is None else failures
        self._room = room
        self._relieve = relieve
        self._last: dict[str, int] = {}
        self._held: dict[str, int] = {}  # by message id, in the order of the stream
        self._said = ""
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
    def mark(self) -> int:
        """After which whoever comes next has to read: a former owner's message may be of what nobody decided yet."""
        return min(self._held.values(), default=self.sequence + 1) - 1

    async def publish(self, messages: Iterable[Message]) -> None:
        """Publish in order, leaving out what the stream holds; returns once the stream has it all.

        Lost if somebody else speaks for our partition now, Unavailable if the stream goes on refusing.
        """
        for batch in _batches(messages):
            await self._publish_batch(batch)

    async def _publish_batch(self, batch: Sequence[Message]) -> None:
        reason: Exception | None = None
        size = sum(map(_size, batch))
        for delay in _DELAYS:
            if not (batch := self._without_held(batch)):
                return
            if self._room:
                await self._room.make_way(size)
            reason = await self._fault(batch)
            if reason is None:
                return
            await asyncio.sleep(delay)
            await self._settle_doubt()
            if isinstance(reason, _NoRoom) and self._relieve:
                await self._relieve(size)
        raise Unavailable(f"The stream {self._stream} does not take what is published: {reason}.")

    async def _fault(self, batch: Sequence[Message]) -> Exception | None:
        """Send; why the stream may not have it now, although it may have it all the same."""
        try:
            await self._send(batch)
        except (_Doubt, Unavailable, OSError, TimeoutError, nats.errors.Error) as doubt:
            self._failures[self._stream] += 1
            self._say(len(batch), str(doubt) or type(doubt).__name__)
            return doubt
        return None

    def _say(self, count: int, why: str) -> None:
        """Once, while every attempt fails in the same words."""
        if why != self._said:
            log.warning("%s: a batch of %d is in doubt: %s", self._stream, count, why)
        self._said = why

    async def _settle_doubt(self) -> None:
        if not await self._is_owner():
            raise Lost(f"another instance publishes to {self._stream}")
        self._last.clear()
        await self._read_tail()

    def _without_held(self, batch: Sequence[Message]) -> Sequence[Message]:
        if not self._held:
            return batch
        left = [message for message in batch if message.id not in self._held]
        self._forget(batch)
        return left

    def _forget(self, batch: Sequence[Message]) -> None:
        for message in batch:
            self._held.pop(message.id, None)

    async def _send(self, batch: Sequence[Message]) -> None:
        await self._learn_last({message.subject for message in batch} - self._last.keys())
        if max(self._last[message.subject] for message in batch) > self.sequence:
            raise _Doubt("somebody else has published since it was read")
        headers = list(self._headers(batch))
        for message, header in zip(batch[:-1], headers[:-1], strict=True):
            await self._client.publish(message.subject, message.body, headers=header)
        reply = await self._client.request(batch[-1].subject, batch[-1].body, timeout=_TIMEOUT, headers=headers[-1])
        ack = json.loads(reply.data)
        if len(batch) > 1 and ack.get("error", {}).get("err_code") == _DUPLICATE_IN_BATCH:
            for message in batch:  # it holds one of them and does not say which; alone, each is told apart
                await self._send([message])
        elif ack.get("error", {}).get("err_code") in _NO_ROOM:
            raise _NoRoom(ack["error"].get("description"))
        elif "error" in ack:
            raise _Doubt(ack["error"].get("description"))
        else:
            await self._accept(batch, ack)

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

    async def _read_tail(self) -> None:
        info = await self._ask(f"STREAM.INFO.{self._stream}", {})
        if int(info["state"]["last_seq"]) < self.sequence:
            self.sequence = 0  # another stream under the same name, or an older one: all of it is new to us
        async for message in self._direct({"seq": self.sequence + 1, "batch": 1_000, "max_bytes": _BYTES}):
            headers = message.headers or {}
            self.sequence = int(headers["Nats-Sequence"])
            if "Nats-Msg-Id" in headers:
                self._held[headers["Nats-Msg-Id"]] = self.sequence

    async def _learn_last(self, subjects: Iterable[str]) -> None:
        """Learn the last sequence of these subjects, 0 where a subject has no message."""
        subjects = iter(subjects)
        while some := list(islice(subjects, _SUBJECTS_ASKED)):
            self._last.update(dict.fromkeys(some, 0))
            async for message in self._direct({"multi_last": some}, again=False):
                headers = message.headers or {}
                self._last[headers["Nats-Subject"]] = int(headers["Nats-Sequence"])

    async def _direct(self, request: dict[str, Any], *, again: bool = True) -> AsyncIterator[Msg]:
        """Messages by the stream's direct get (ADR-31), page by page while there are more."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        try:
            more = True
            while more:
                await self._client.publish(f"$JS.API.DIRECT.GET.{self._stream}", json.dumps(request).encode(), inbox)
                more = False
                # Not by a `Status`: a publisher may have set one.
                while "Nats-Sequence" in (headers := (message := await subscription.next_msg(_TIMEOUT)).headers or {}):
                    yield message
                    request["seq"] = int(headers["Nats-Sequence"]) + 1
                    more = again
                _check_end(self._stream, headers)
                more = more and headers.get("Nats-Num-Pending", "0") != "0"
        finally:
            await subscription.unsubscribe()

    async def _ask(self, subject: str, request: Mapping[str, Any]) -> dict[str, Any]:
        reply = await self._client.request(f"$JS.API.{subject}", json.dumps(request).encode(), timeout=_TIMEOUT)
        answer: dict[str, Any] = json.loads(reply.data)
        if "error" in answer:
            raise Unavailable(f"{self._stream}: {answer['error']['description']}")
        return answer


def _check_end(stream: str, headers: Mapping[str, str]) -> None:
    if headers.get("Status") not in {"204", "404"}:  # the end of the page; nothing there
        raise Unavailable(f"{stream}: a direct get was answered {headers.get('Status')}")


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
