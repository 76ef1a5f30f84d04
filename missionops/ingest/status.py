"""The state of the ingest path in this process, and its metrics: each counter is declared and written here."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal, NamedTuple, get_args

import prometheus_client as prometheus

from missionops.domain.severity import Severity
from missionops.ingest.alarms.status import AlarmStatus
from missionops.ingest.outgoing_stream import Outgoing, total
from missionops.ingest.roll_up_status import RollUpStatus
from missionops.wire.fault import Code

Role = Literal["starting", "owner", "standby", "stopped"]

OUTGOING_STREAMS = ("ANOMALIES", "ALARMS", "DEADLETTERS", "EVENTS")

_MESSAGE_BUCKETS = (1, 10, 100, 1_000, 10_000)
_SECOND_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class StreamEnd(NamedTuple):
    """Where the stream TELEMETRY ended when it was last seen."""

    created: str
    last_sequence: int


class IngestStatus:
    """Counts since the start of this process, and where it stands now; `registry` is what `/metrics` renders.

    Counters change once for each batch, never for each message.
    """

    def __init__(self, registry: prometheus.CollectorRegistry | None = None) -> None:
        self.role: Role = "starting"
        self.trouble: str | None = None
        """Why nothing is being stored, in one sentence; None while all is well."""
        self.epoch = 0
        self.lease_until = 0.0
        """By the monotonic clock."""
        self.sequence = 0
        self.moved_at = time.monotonic()
        """When `sequence` last changed, or this process began; by the monotonic clock."""
        self.stream_end: StreamEnd | None = None
        """By it the loss is counted where somebody deletes the stream."""
        self.roll_ups = RollUpStatus(registry)
        self.alarms = AlarmStatus(registry)
        self._moved = asyncio.Event()
        self._declare_counters(registry)
        # Gauges read the attributes when `/metrics` is rendered.
        sequence = prometheus.Gauge(
            "missionops_sequence", "The last message of the stream that is handled.", registry=registry
        )
        sequence.set_function(lambda: self.sequence)
        epoch = prometheus.Gauge(
            "missionops_epoch", "The count of owners of the stream when this instance last was one.", registry=registry
        )
        epoch.set_function(lambda: self.epoch)
        lease = prometheus.Gauge(
            "missionops_lease_seconds", "Seconds until the lease ends if it is not renewed.", registry=registry
        )
        lease.set_function(lambda: self.lease)
        roles = prometheus.Gauge("missionops_role", "What this instance does, as 1.", ["role"], registry=registry)
        for role in get_args(Role):
            roles.labels(role).set_function(partial(self._is_role, role))

    def _declare_counters(self, registry: prometheus.CollectorRegistry | None) -> None:
        def counter(name: str, text: str, label: str = "", values: Iterable[str] = ()) -> prometheus.Counter:
            found = prometheus.Counter(f"missionops_{name}", text, [label] if label else [], registry=registry)
            for value in values:  # from the start, so that the first one is seen as a rise
                found.labels(value)
            return found

        self._stored = counter("snapshots_stored", "Snapshots stored.")
        self._duplicates = counter("snapshots_duplicate", "Snapshots that were stored already.")
        self._lost = counter("messages_lost", "Messages that the stream TELEMETRY gave up before they were read.")
        self._batches = counter("batches", "Batches stored.")
        self._batch_messages = prometheus.Histogram(
            "missionops_batch_messages", "Messages of a batch.", registry=registry, buckets=_MESSAGE_BUCKETS
        )
        self._batch_seconds = prometheus.Histogram(
            "missionops_batch_seconds", "Time of a batch, from its decoding to its acknowledgement.",
            registry=registry, buckets=_SECOND_BUCKETS,
        )  # fmt: skip
        self._interruptions = counter("interruptions", "Times that the work began again from the checkpoint.")
        self._dead_letters = counter("dead_letters", "Dead letters, by error code.", "code", get_args(Code))
        self._anomalies = counter("anomalies", "Anomalies found, by severity.", "severity", Severity)
        text = "Times that a stream refused a message of the service, or did not acknowledge it."
        self._publish_failures = counter("publish_failures", text, "stream", OUTGOING_STREAMS)
        text = "Messages that a stream dropped for its size, or that were purged to make room in it."
        dropped = counter("stream_dropped", text, "stream", OUTGOING_STREAMS)
        text = "Messages purged from a stream that was nearly full, of the spacecraft that held the most."
        purged = counter("stream_purged", text, "stream", OUTGOING_STREAMS)
        self.outgoing: Mapping[str, Outgoing] = {
            name: Outgoing(dropped.labels(name), purged.labels(name)) for name in OUTGOING_STREAMS
        }
        """By stream: how full it is, and what it dropped for its size."""

    def move(self, sequence: int) -> None:
        """Everything up to `sequence` is decided; where that is new, the trouble before it is over."""
        if sequence != self.sequence:
            self.sequence, self.moved_at, self.trouble = sequence, time.monotonic(), None
        self._moved.set()
        self._moved = asyncio.Event()

    def watch(self, sequence: int) -> None:
        """Another instance is the owner, and has decided everything up to `sequence`."""
        if sequence != self.sequence:
            self.sequence, self.moved_at = sequence, time.monotonic()

    async def until_moved(self) -> None:
        """Wait for the next move."""
        await self._moved.wait()

    def renew(self, lease: float) -> None:
        """The lease runs for so many seconds from now."""
        self.lease_until = time.monotonic() + lease

    def count_batch(
        self,
        *,
        messages: int,
        seconds: float,
        stored: int,
        duplicates: int,
        severities: Mapping[str, int],
        dead_letter_codes: Mapping[str, int],
    ) -> None:
        """Count a batch that is stored and acknowledged."""
        self._batches.inc()
        self._batch_messages.observe(messages)
        self._batch_seconds.observe(seconds)
        self._stored.inc(stored)
        self._duplicates.inc(duplicates)
        for severity, count in severities.items():
            self._anomalies.labels(severity).inc(count)
        for code, count in dead_letter_codes.items():
            self._dead_letters.labels(code).inc(count)

    def count_lost(self, messages: int) -> None:
        """Count messages that the stream gave up before they were read."""
        self._lost.inc(messages)

    def restore_lost(self, messages: int) -> None:
        """Take over the count of lost messages from the checkpoint, which outlives this process."""
        self._lost.reset()
        self._lost.inc(messages)

    def count_interruption(self) -> None:
        """Count that the work was given up and begins again from the checkpoint in the database."""
        self._interruptions.inc()

    def count_publish_failure(self, stream: str) -> None:
        """Count that a stream refused a message of the service, or did not acknowledge it."""
        self._publish_failures.labels(stream).inc()

    @property
    def stored(self) -> int:
        """Snapshots stored."""
        return total(self._stored)

    @property
    def duplicates(self) -> int:
        """Snapshots that were stored already."""
        return total(self._duplicates)

    @property
    def lost(self) -> int:
        """Messages that the stream gave up before they were read."""
        return total(self._lost)

    @property
    def batches(self) -> int:
        """Batches stored."""
        return total(self._batches)

    @property
    def interruptions(self) -> int:
        """How often the work was given up and began again from the checkpoint."""
        return total(self._interruptions)

    @property
    def dead_letters(self) -> Counter[str]:
        """Dead letters, by error code; only codes that occurred."""
        return _by_label(self._dead_letters)

    @property
    def anomalies(self) -> Counter[str]:
        """Anomalies found, by severity; only severities that occurred."""
        return _by_label(self._anomalies)

    @property
    def lease(self) -> float:
        """Seconds until the lease ends if nobody renews it."""
        return max(0.0, self.lease_until - time.monotonic()) if self.role == "owner" else 0.0

    def _is_role(self, role: Role) -> float:
        return float(self.role == role)

    @property
    def is_ready(self) -> bool:
        """Whether telemetry is being handled, by this instance or, while it stands by, by another."""
        return self.role in {"owner", "standby"} and self.trouble is None


def _by_label(counter: prometheus.Counter) -> Counter[str]:
    """What a counter with one label holds, without zeros."""
    samples = [sample for family in counter.collect() for sample in family.samples if sample.name.endswith("_total")]
    return Counter({next(iter(sample.labels.values())): int(sample.value) for sample in samples if sample.value})
