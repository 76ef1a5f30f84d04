"""An honest publisher, which keeps what it sent, when, and what the stream acknowledged."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeAlias

import msgspec
import nats.errors
from nats.aio.client import Client

SPACECRAFT = tuple(f"SC-{number}" for number in range(6))
BEACON = "beacon"
"""A parameter whose value is beyond every limit of it."""
HEADER = "Soak-Message"
"""On each message: its number, and which attempt to send it this is."""
AWAY = (nats.errors.Error, TimeoutError, OSError)

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_IN_FLIGHT = 256
_REPEATED = 0.03
_MESSAGE_ID = "Nats-Msg-Id"


class Snapshot(NamedTuple):
    """A valid snapshot, as it was meant."""

    timestamp: datetime
    id: str | None
    parameters: Mapping[str, Any]

    def fields(self) -> dict[str, Any]:
        """The snapshot as it is written."""
        given = {} if self.id is None else {"id": self.id}
        return given | {"timestamp": text(self.timestamp), "parameters": self.parameters}


class Bad(NamedTuple):
    """An item that can never be stored, its bytes, and the code that its dead letter has to have."""

    code: str
    body: bytes


Item: TypeAlias = Snapshot | Bad


class SentMessage:
    """One message and its attempts."""

    def __init__(self, token: str, items: Sequence[Item], *, is_array: bool) -> None:
        self.token = token
        self.items = items
        self.is_array = is_array
        self.attempts: list[float] = []
        """When each was begun, by time.monotonic."""
        self.acknowledged: list[int] = []
        """Sequences in the stream."""
        self.repeats: list[int] = []
        """Sequences of the messages that the stream took an attempt for a repeat of."""


class _Encoded(NamedTuple):
    number: int
    message: SentMessage
    body: bytes
    headers: Mapping[str, str]


def text(moment: datetime) -> str:
    """A time as the contract writes it."""
    return moment.isoformat().replace("+00:00", "Z")


class Publisher:
    """Sends until it is stopped, and each message until it is acknowledged.

    An acknowledgement that says `duplicate` does not say whose message it is a repeat of: message ids are nobody's own.
    So such a message is sent again without an id; the database removes the repeat.
    """

    def __init__(self, client: Client, random: Random, pause: float) -> None:
        self._client = client
        self._random = random
        self._pause = pause
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._clocks = dict.fromkeys(SPACECRAFT, 0)
        self._recent: dict[str, deque[Snapshot]] = {name: deque(maxlen=200) for name in SPACECRAFT}
        self._sent: deque[_Encoded] = deque(maxlen=100)
        self.messages: list[SentMessage] = []

    async def run(self) -> None:
        """Send a few messages at a time, and now and then a burst, without an end."""
        while True:
            burst = self._random.random() < 0.01
            for _ in range(self._random.randint(200, 600) if burst else self._random.randint(1, 4)):
                await self._slots.acquire()
                again = self._sent and self._random.random() < _REPEATED
                self._begin(self._random.choice(self._sent) if again else self._add(*self._message()))
            await asyncio.sleep(self._random.random() * self._pause)

    async def finish(self, seconds: float) -> bool:
        """Whether all was acknowledged in time."""
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=seconds)
            return not pending
        return True

    async def publish(self, token: str, *items: Item) -> None:
        """Send one message of these items; returns once the stream has it."""
        await self._slots.acquire()
        message = SentMessage(token, items, is_array=len(items) > 1)
        await self._begin(self._add(message, as_json(message.items, is_array=message.is_array), {}))

    def _add(self, message: SentMessage, body: bytes, headers: dict[str, str]) -> _Encoded:
        encoded = _Encoded(len(self.messages), message, body, headers)
        if self._random.random() < 0.3:
            headers[_MESSAGE_ID] = f"{message.token}-{encoded.number}"
        self.messages.append(message)
        self._sent.append(encoded)
        return encoded

    def _begin(self, encoded: _Encoded) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._send(encoded))
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _send(self, encoded: _Encoded) -> None:
        headers = dict(encoded.headers)
        while not await self._is_acknowledged(encoded, headers):
            if encoded.message.repeats:
                headers.pop(_MESSAGE_ID, None)
            await asyncio.sleep(0.1)

    async def _is_acknowledged(self, encoded: _Encoded, headers: Mapping[str, str]) -> bool:
        message = encoded.message
        numbered = {**headers, HEADER: f"{encoded.number}.{len(message.attempts)}"}
        message.attempts.append(time.monotonic())
        with contextlib.suppress(*AWAY):
            reply = await self._client.request(f"telemetry.{message.token}", encoded.body, timeout=2, headers=numbered)
            answer = json.loads(reply.data)
            if "error" in answer:
                return False
            if answer.get("duplicate"):
                message.repeats.append(int(answer["seq"]))
                return False
            message.acknowledged.append(int(answer["seq"]))
            return True
        return False

    def _message(self) -> tuple[SentMessage, bytes, dict[str, str]]:
        draw = self._random.random()
        if draw < 0.01:
            return self._bad_message()
        token = self._random.choice(SPACECRAFT)
        is_array = draw < 0.4
        size = self._random.choice((0, 1, 2, 5, 12, 25)) if is_array else 1
        as_msgpack = self._random.random() < 0.4
        items = [
            self._bad(as_msgpack=as_msgpack) if self._random.random() < 0.02 else self._snapshot(token)
            for _ in range(size)
        ]
        message = SentMessage(token, items, is_array=is_array)
        if as_msgpack:
            return message, _as_msgpack(items, is_array=is_array), {"content-type": "application/msgpack"}
        return message, as_json(items, is_array=is_array), {}

    def _bad_message(self) -> tuple[SentMessage, bytes, dict[str, str]]:
        """A message that is no snapshot as a whole."""
        token, bad = self._random.choice((
            (SPACECRAFT[0], Bad("malformed", b"{neither")),
            (SPACECRAFT[1], Bad("malformed", b"\xff\xfe")),
            (SPACECRAFT[2], Bad("malformed", b'[{"timestamp":"2025-01-01T00:00:00Z","parameters":{}},')),
            ("-nobody", Bad("invalid", b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{}}')),
        ))  # fmt: skip
        return SentMessage(token, [bad], is_array=False), bad.body, {}

    def _snapshot(self, token: str) -> Snapshot:
        draw, recent = self._random.random(), self._recent[token]
        if recent and draw < 0.1:
            return self._random.choice(recent)
        if recent and draw < 0.13:  # other content under a known identity: the first in the stream wins
            return self._random.choice(recent)._replace(parameters=self._parameters())
        self._clocks[token] += self._random.choice((0, 1, 1, 1, 1_000_000, 3_600_000_000, -500_000))
        timestamp = _EPOCH + timedelta(microseconds=max(0, self._clocks[token]))
        given = f"s{self._random.getrandbits(48):x}" if self._random.random() < 0.5 else None
        snapshot = Snapshot(timestamp, given, self._parameters())
        recent.append(snapshot)
        return snapshot

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "temp": self._random.randint(-40, 120),
            "volt": round(self._random.uniform(20, 36), 2),
            "mode": self._random.choice(("SAFE", "CRUISE")),
            "heater": self._random.random() < 0.5,
            "nonce": self._random.getrandbits(32),
        }
        if self._random.random() < 0.6:
            parameters[BEACON] = 1_000_000
        return parameters

    def _bad(self, *, as_msgpack: bool) -> Bad:
        code, fields = self._random.choice((
            ("invalid", {"timestamp": "2025-01-01T00:00:00Z"}),
            ("invalid", {"timestamp": "yesterday", "parameters": {"n": self._random.getrandbits(32)}}),
            ("invalid", {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": [20]}}),
            ("subject_mismatch", {"timestamp": "2025-01-01T00:00:00Z", "parameters": {}, "spacecraftId": "OTHER"}),
        ))  # fmt: skip
        return Bad(code, msgspec.msgpack.encode(fields) if as_msgpack else json.dumps(fields).encode())


def as_json(items: Sequence[Item], *, is_array: bool) -> bytes:
    """The body of a message."""
    parts = [item.body if isinstance(item, Bad) else json.dumps(item.fields()).encode() for item in items]
    return b"[" + b" , ".join(parts) + b"]" if is_array else parts[0]


def _as_msgpack(items: Sequence[Item], *, is_array: bool) -> bytes:
    parts = [item.body if isinstance(item, Bad) else msgspec.msgpack.encode(item.fields()) for item in items]
    return b"\xdc" + len(parts).to_bytes(2, "big") + b"".join(parts) if is_array else parts[0]
