"""The health of the service, read at the moment of the request from the servers and from the ingest path."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

from nats.aio.client import Client
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from missionops import __version__
from missionops.broker import jetstream, streams
from missionops.domain import timestamp
from missionops.errors import Unavailable
from missionops.ingest.outgoing_stream import unbounded
from missionops.ingest.status import IngestStatus, StreamEnd
from missionops.notifications.status import NotificationStatus
from missionops.operations.health import AlarmFinding, Health, Ingest, Notifications, OutgoingStream, RollUps
from missionops.store import locks
from missionops.store.database import Database

log = logging.getLogger(__name__)

_STALLED_AFTER = 5.0
"""Seconds for which a message may wait while nothing is handled, before this is reported."""
_FULL = 0.95
"""The share of its max_bytes at which a stream counts as full: it refuses large messages first."""
_MOST_NAMED = 10
_TIMEOUT = 1.5
_LOCKS_TIMEOUT = 0.5
_KNOWS_LAG = ("owner", "standby")
"""The roles in which an instance knows up to which sequence telemetry is handled."""
_NO_SUBJECT = "telemetry.-.no-subject.-"
"""A subject under which no telemetry is stored, because a spacecraft's id begins with a letter or a digit."""


class _Lag(NamedTuple):
    """What is in the stream TELEMETRY and not handled yet."""

    messages: int
    seconds: float
    """How long the oldest of them has waited."""
    refusal: str | None
    """Why the stream refuses telemetry; None while it takes it."""


class HealthReporter(Collector):
    """Reports whether the service works and, if not, why; its last report is also among the metrics of `registry`."""

    def __init__(
        self,
        client: Client,
        database: Database,
        status: IngestStatus,
        registry: CollectorRegistry | None = None,
        notifications: NotificationStatus | None = None,
    ) -> None:
        self._client = client
        self._database = database
        self._status = status
        self._notifications = notifications
        self._last: Health | None = None
        self._last_sequence = 0
        self._logged = ""
        if registry:
            registry.register(self)

    async def health(self) -> Health:
        """The health now; it takes two seconds at most, even if a server does not respond."""
        status = self._status
        is_connected = self._client.is_connected
        is_reachable, lag = await asyncio.gather(self._database.is_reachable(), self._lag())
        trouble = status.trouble or self._stall(lag)
        if trouble and is_reachable:
            with contextlib.suppress(Unavailable, TimeoutError):  # the database is slow: the reason stands alone
                async with asyncio.timeout(_LOCKS_TIMEOUT), self._database.transaction() as connection:
                    if holders := await locks.sentence(connection):
                        trouble = f"{trouble} {holders}"
        is_owner = status.role == "owner"
        roll_ups, alarms = status.roll_ups, status.alarms
        outgoing = {name: stream for name, stream in sorted(status.outgoing.items()) if stream.max_bytes is not None}
        if status.role == "standby":
            outgoing = {}  # the owner reports these
        notifications = Notifications.of(self._notifications) if self._notifications else None
        self._last = Health(
            "ready" if is_connected and is_reachable and status.is_ready and trouble is None else "not ready",
            __version__,
            "up" if is_connected else "down",
            "up" if is_reachable else "down",
            Ingest(
                role=status.role,
                trouble=trouble,
                lag=lag.messages if lag and is_owner else None,  # only one of all instances reports it
                lag_seconds=round(lag.seconds, 3) if lag and is_owner else None,
                epoch=status.epoch,
                sequence=status.sequence,
                stored=status.stored,
                duplicates=status.duplicates,
                lost=status.lost,
                anomalies=dict(status.anomalies),
                dead_letters=dict(status.dead_letters),
                roll_ups=None if roll_ups.waiting is None else RollUps(roll_ups.waiting, round(roll_ups.lag, 3)),
                alarms=None
                if alarms.waiting is None
                else AlarmFinding(
                    "failing" if alarms.failing else "behind" if alarms.trouble else "up to date",
                    alarms.waiting,
                    round(alarms.lag, 3),
                    [*alarms.failing[:_MOST_NAMED]],
                ),
            ),
            {
                name: OutgoingStream(
                    stream.messages, stream.bytes, stream.max_bytes or None, stream.dropped, stream.purged
                )
                for name, stream in outgoing.items()
            },
            [unbounded(name) for name, stream in outgoing.items() if not stream.max_bytes]
            + [stream.trouble for stream in outgoing.values() if stream.trouble]
            + ([alarms.trouble] if alarms.trouble else [])
            + (notifications.troubles() if notifications else []),
            notifications,
        )
        return self._last

    def collect(self) -> Iterator[Metric]:
        """The last report as metrics; an unknown value has no sample."""
        yield InfoMetricFamily("missionops", "The service.", {"version": __version__})
        if self._last is None:
            return
        health, ingest = self._last, self._last.ingest
        yield GaugeMetricFamily("missionops_ready", "Whether telemetry is handled.", health.status == "ready")
        yield GaugeMetricFamily("missionops_nats_up", "Whether NATS is connected.", health.nats == "up")
        yield GaugeMetricFamily("missionops_database_up", "Whether PostgreSQL responds.", health.database == "up")
        if ingest.lag is not None and ingest.lag_seconds is not None:
            text = "Messages in the stream that are not handled yet."
            yield GaugeMetricFamily("missionops_lag_messages", text, ingest.lag)
            yield GaugeMetricFamily(
                "missionops_lag_seconds", "How long the oldest of them has waited.", ingest.lag_seconds
            )
        size = GaugeMetricFamily("missionops_stream_bytes", "Size of a stream in bytes.", labels=["stream"])
        most = GaugeMetricFamily(
            "missionops_stream_max_bytes", "Its max_bytes; 0 where it has none.", labels=["stream"]
        )
        for name, stream in health.streams.items():
            size.add_metric([name], stream.bytes)
            most.add_metric([name], stream.max_bytes or 0)
        yield from (size, most)

    def _stall(self, lag: _Lag | None) -> str | None:
        """What no failed call has shown: that no message is handled, or that the stream refuses telemetry."""
        role = self._status.role
        if role == "owner" and lag is None:
            return "JetStream does not answer what is in the stream TELEMETRY."
        if role not in _KNOWS_LAG or lag is None:
            return None
        if lag.refusal and role == "owner":
            return lag.refusal
        idle = time.monotonic() - self._status.moved_at
        if min(lag.seconds, idle) > _STALLED_AFTER:
            owner = "" if role == "owner" else " The owner is another instance, or none."
            return f"Nothing moves: {lag.messages} messages wait, the oldest for {lag.seconds:.0f} s.{owner}"
        return None

    async def _lag(self) -> _Lag | None:
        """What this instance, or the owner it stands by for, has not handled; None if JetStream does not respond."""
        if self._status.role not in _KNOWS_LAG or not self._client.is_connected:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT):
                info = await jetstream.stream_info(self._client, streams.TELEMETRY)
                state, max_bytes = info["state"], int(info["config"]["max_bytes"])
                waiting = max(0, int(state["last_seq"]) - self._status.sequence)
                self._status.stream_end = StreamEnd(str(info["created"]), int(state["last_seq"]))
                refusal = await self._write_error(int(state["last_seq"]))
                if 0 < _FULL * max_bytes <= int(state["bytes"]):
                    refusal = f"The stream TELEMETRY is full and refuses telemetry: {waiting} messages wait."
                if not waiting:
                    return _Lag(0, 0.0, refusal)
                wanted = {"seq": self._status.sequence + 1, "next_by_subj": ">"}
                oldest = await jetstream.find_message(self._client, streams.TELEMETRY, wanted)
        except (Unavailable, TimeoutError):
            return None
        if oldest is None:  # purged: there is nothing to wait for
            return _Lag(0, 0.0, refusal)
        since = timestamp.to_nanoseconds(oldest.time)
        return _Lag(waiting, max(0.0, (timestamp.to_nanoseconds(info["ts"]) - since) / 1e9), refusal)

    async def _write_error(self, last_sequence: int) -> str | None:
        """Why nats-server cannot write the stream TELEMETRY, for instance a full disk; None if no error is known.

        In that state nats-server acknowledges no message and reports no error. But it refuses a purge, even one that
        would delete nothing, with the error of the last write. If the stream has grown since the last look, it can be
        written. A full disk is noticed from the first message that does not fit.
        """
        has_grown, self._last_sequence = last_sequence != self._last_sequence, last_sequence
        if has_grown or self._status.role != "owner":
            return None
        try:
            await jetstream.request(self._client, f"STREAM.PURGE.{streams.TELEMETRY}", {"filter": _NO_SUBJECT})
        except jetstream.ApiError as error:
            reason = error.description.rpartition(": ")[2]  # without the path on the server
        else:
            return None
        sentence = (
            f"nats-server cannot write the stream TELEMETRY ({reason}) and takes no telemetry: see its disk and its "
            "log, and restart it when that is mended."
        )
        if sentence != self._logged:
            log.error("%s", sentence)
        self._logged = sentence
        return sentence
