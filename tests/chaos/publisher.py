"""A publisher with a ledger: what it sent, when, and what the stream acknowledged."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client

SPACECRAFT = tuple(f"SC-{number}" for number in range(6))
BEACON = "beacon"
HEADER = "Chaos"
"""On each message: its number in the ledger, and which attempt it is."""
AWAY = (nats.errors.Error, TimeoutError, OSError)

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_IN_FLIGHT = 256
_AGAIN = 0.03


class Snapshot(NamedTuple):
    """A good one, as it was meant."""

    timestamp: datetime
    id: str | None
    parameters: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        given = {} if self.id is None else {"id": self.id}
        return given | {"timestamp": text(self.timestamp), "parameters": self.parameters}


class Bad(NamedTuple):
    """One that can never be stored, its bytes, and the code that its dead letter has to have."""

    code: str
    body: bytes


class Entry:
    """One message of the ledger."""

    def __init__(self, token: str, items: Sequence[Snapshot | Bad], *, is_array: bool) -> None:
        self.token = token
        self.items = items
        self.is_array = is_array
        self.message_id: str | None = None
        self.attempts: list[float] = []
        """When each was begun, by time.monotonic."""
        self.acknowledged: list[int] = []
        """Sequences in the stream."""


class _Sent(NamedTuple):
    number: int
    entry: Entry
    body: bytes
    headers: Mapping[str, str]


def text(moment: datetime) -> str:
    """A time as the contract writes it."""
    return moment.isoformat().replace("+00:00", "Z")


class Publisher:
    """Sends until it is stopped, and each message until it is acknowledged."""

    def __init__(self, client: Client, random: Random, pause: float) -> None:
        self._client = client
        self._random = random
        self._pause = pause
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._clocks = dict.fromkeys(SPACECRAFT, 0)
        self._recent: dict[str, deque[Snapshot]] = {name: deque(maxlen=200) for name in SPACECRAFT}
        self._sent: deque[_Sent] = deque(maxlen=100)
        self.ledger: list[Entry] = []

    async def run(self) -> None:
        """A trickle, and now and then a flood; for ever."""
        while True:
            flood = self._random.random() < 0.01
            for _ in range(self._random.randint(200, 600) if flood else self._random.randint(1, 4)):
                await self._slots.acquire()
                again = self._sent and self._random.random() < _AGAIN
                self._begin(self._random.choice(self._sent) if again else self._enter(*self._message()))
            await asyncio.sleep(self._random.random() * self._pause)

    async def finish(self, seconds: float) -> bool:
        """Whether all was acknowledged in time."""
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=seconds)
            return not pending
        return True

    async def publish(self, token: str, *items: Snapshot | Bad) -> None:
        """One message, for whoever knows what he wants; returns once the stream has it."""
        await self._slots.acquire()
        entry = Entry(token, items, is_array=len(items) > 1)
        await self._begin(self._enter(entry, _json(entry), {}))

    def _enter(self, entry: Entry, body: bytes, headers: dict[str, str]) -> _Sent:
        sent = _Sent(len(self.ledger), entry, body, headers)
        if self._random.random() < 0.3:
            entry.message_id = headers["Nats-Msg-Id"] = str(sent.number)
        self.ledger.append(entry)
        self._sent.append(sent)
        return sent

    def _begin(self, sent: _Sent) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._send(sent))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _send(self, sent: _Sent) -> None:
        while not await self._is_acknowledged(sent):
            await asyncio.sleep(0.1)

    async def _is_acknowledged(self, sent: _Sent) -> bool:
        entry = sent.entry
        headers = {**sent.headers, HEADER: f"{sent.number}.{len(entry.attempts)}"}
        entry.attempts.append(time.monotonic())
        with contextlib.suppress(*AWAY):
            reply = await self._client.request(f"telemetry.{entry.token}", sent.body, timeout=2, headers=headers)
            answer = json.loads(reply.data)
            if "error" not in answer:
                entry.acknowledged.append(int(answer["seq"]))
                return True
        return False

    def _message(self) -> tuple[Entry, bytes, dict[str, str]]:
        draw = self._random.random()
        if draw < 0.01:
            return self._hopeless()
        token = self._random.choice(SPACECRAFT)
        is_array = draw < 0.4
        size = self._random.choice((0, 1, 2, 5, 12, 25)) if is_array else 1
        as_msgpack = self._random.random() < 0.4
        items = [self._bad(as_msgpack) if self._random.random() < 0.02 else self._snapshot(token) for _ in range(size)]
        entry = Entry(token, items, is_array=is_array)
        if as_msgpack:
            return entry, _msgpack(entry), {"content-type": "application/msgpack"}
        return entry, _json(entry), {}

    def _hopeless(self) -> tuple[Entry, bytes, dict[str, str]]:
        """A message that is no snapshot as a whole."""
        token, bad = self._random.choice((
            (SPACECRAFT[0], Bad("malformed", b"{neither")),
            (SPACECRAFT[1], Bad("malformed", b"\xff\xfe")),
            (SPACECRAFT[2], Bad("malformed", b'[{"timestamp":"2025-01-01T00:00:00Z","parameters":{}},')),
            ("-nobody", Bad("invalid", b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{}}')),
        ))  # fmt: skip
        return Entry(token, [bad], is_array=False), bad.body, {}

    def _snapshot(self, token: str) -> Snapshot:
        draw, recent = self._random.random(), self._recent[token]
        if recent and draw < 0.1:
            return self._random.choice(recent)
        if recent and draw < 0.13:  # another content under a known identity: the first in the stream wins
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

    def _bad(self, as_msgpack: bool) -> Bad:  # noqa: FBT001
        code, fields = self._random.choice((
            ("invalid", {"timestamp": "2025-01-01T00:00:00Z"}),
            ("invalid", {"timestamp": "yesterday", "parameters": {"n": self._random.getrandbits(32)}}),
            ("invalid", {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": None}}),
            ("subject_mismatch", {"timestamp": "2025-01-01T00:00:00Z", "parameters": {}, "spacecraftId": "OTHER"}),
        ))  # fmt: skip
        return Bad(code, msgspec.msgpack.encode(fields) if as_msgpack else json.dumps(fields).encode())


def _json(entry: Entry) -> bytes:
    parts = [item.body if isinstance(item, Bad) else json.dumps(item.fields()).encode() for item in entry.items]
    return b"[" + b" , ".join(parts) + b"]" if entry.is_array else parts[0]


def _msgpack(entry: Entry) -> bytes:
    parts = [item.body if isinstance(item, Bad) else msgspec.msgpack.encode(item.fields()) for item in entry.items]
    return b"\xdc" + len(parts).to_bytes(2, "big") + b"".join(parts) if entry.is_array else parts[0]
