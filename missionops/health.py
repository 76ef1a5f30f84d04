"""What the service says of itself: asked at the moment, of the servers and of the ingest path."""

import asyncio
import time
from collections.abc import Iterator
from typing import NamedTuple

from nats.aio.client import Client

from missionops import __version__
from missionops.broker import jetstream, streams
from missionops.domain import timestamp
from missionops.errors import Unavailable
from missionops.ingest.outgoing_stream import Outgoing, unbounded
from missionops.ingest.status import IngestStatus
from missionops.operations.health import Health, Ingest, OutgoingStream
from missionops.store import locks
from missionops.store.database import Database

_STALLED = 5.0
"""Seconds for which a message may wait while nothing moves."""
_FULL = 0.95
"""Of what a stream may hold; it refuses messages for which there is no room, the large ones first."""
_PATIENCE = 1.5
_SHORT_PATIENCE = 0.5
_HANDLED = ("owner", "standby")
"""Roles in which an instance knows how far telemetry is handled."""


class _Lag(NamedTuple):
    """What is in the stream and not handled."""

    messages: int
    seconds: float
    """For how long the oldest of them has been there."""
    is_full: bool
    """Whether the stream refuses more."""


class Reporter:
    """Answers whether the service does its work, and what keeps it from that."""

    def __init__(self, client: Client, database: Database, progress: IngestStatus) -> None:
        self._client = client
        self._database = database
        self._progress = progress

    async def health(self) -> Health:
        """How it is now; within two seconds, whatever is away."""
        is_connected = self._client.is_connected
        is_reachable, lag = await asyncio.gather(self._database.is_reachable(), self._lag())
        trouble = self._progress.trouble or self._fault(lag)
        if trouble and is_reachable and (held := await self._held()):
            trouble = f"{trouble} {held}"
        is_ready = is_connected and is_reachable and self._progress.is_ready and trouble is None
        return Health(
            "ready" if is_ready else "not ready",
            __version__,
            "up" if is_connected else "down",
            "up" if is_reachable else "down",
            self._ingest(trouble, lag),
            {name: _shown(stream) for name, stream in self._outgoing()},
            [warning for name, stream in self._outgoing() for warning in _warnings(name, stream)],
        )

    def _outgoing(self) -> Iterator[tuple[str, Outgoing]]:
        """The outgoing streams, as far as this instance has seen them and is their owner."""
        if self._progress.role != "standby":
            known = sorted(self._progress.outgoing.items())
            yield from ((name, stream) for name, stream in known if stream.max_bytes is not None)

    def _ingest(self, trouble: str | None, lag: _Lag | None) -> Ingest:
        progress = self._progress
        is_owner = progress.role == "owner"
        return Ingest(
            role=progress.role,
            trouble=trouble,
            lag=lag.messages if lag and is_owner else None,  # once among all instances
            lag_seconds=round(lag.seconds, 3) if lag and is_owner else None,
            epoch=progress.epoch,
            sequence=progress.sequence,
            stored=progress.stored,
            duplicates=progress.duplicates,
            lost=progress.lost,
            anomalies=dict(progress.anomalies),
            dead_letters=dict(progress.dead_letters),
        )

    def _fault(self, lag: _Lag | None) -> str | None:
        """What neither owner nor standby knows of: that nothing moves although no call has failed."""
        role = self._progress.role
        if role == "owner" and lag is None:
            return "JetStream does not say what is in the stream TELEMETRY."
        if role not in _HANDLED or lag is None:
            return None
        if lag.is_full and role == "owner":
            return f"The stream TELEMETRY is full and refuses telemetry: {lag.messages} messages wait."
        idle = time.monotonic() - self._progress.moved_at
        if min(lag.seconds, idle) > _STALLED:
            whose = "" if role == "owner" else " The owner is another instance, or none."
            return f"Nothing moves: {lag.messages} messages wait, the oldest for {lag.seconds:.0f} s.{whose}"
        return None

    async def _held(self) -> str | None:
        """Who holds a lock that we wait for; None where nobody does, or the database does not say at once."""
        try:
            async with asyncio.timeout(_SHORT_PATIENCE), self._database.transaction() as connection:
                return await locks.sentence(connection)
        except (Unavailable, TimeoutError):
            return None

    async def _lag(self) -> _Lag | None:
        """What is not handled, by us or by the owner we stand by for; None where JetStream does not tell."""
        if self._progress.role not in _HANDLED or not self._client.is_connected:
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._asked_lag()
        except (Unavailable, TimeoutError):
            return None

    async def _asked_lag(self) -> _Lag:
        info = await jetstream.stream_info(self._client, streams.TELEMETRY)
        most = int(info["config"]["max_bytes"])
        is_full = 0 < _FULL * most <= int(info["state"]["bytes"])
        waiting = int(info["state"]["last_seq"]) - self._progress.sequence
        if waiting <= 0:
            return _Lag(0, 0.0, is_full)
        wanted = {"seq": self._progress.sequence + 1, "next_by_subj": ">"}
        oldest = await jetstream.find_message(self._client, streams.TELEMETRY, wanted)
        if oldest is None:  # purged: there is nothing to wait for
            return _Lag(0, 0.0, is_full)
        since = timestamp.to_nanoseconds(oldest.time)
        return _Lag(waiting, max(0.0, (timestamp.to_nanoseconds(info["ts"]) - since) / 1e9), is_full)


def _shown(stream: Outgoing) -> OutgoingStream:
    return OutgoingStream(stream.messages, stream.bytes, stream.max_bytes or None, stream.dropped, stream.purged)


def _warnings(name: str, stream: Outgoing) -> Iterator[str]:
    if not stream.max_bytes:
        yield unbounded(name)
    if stream.trouble:
        yield stream.trouble
