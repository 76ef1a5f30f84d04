"""What the ingest path is doing, for health and metrics."""

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

from missionops.ingest.outgoing_stream import Outgoing

Role = Literal["starting", "owner", "standby", "stopped"]


class Histogram:
    """How many values were at most how large."""

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By the first bound that is not below the value; the last ones are above all bounds."""
        self.sum = 0.0

    def note(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


def _sizes() -> Histogram:
    return Histogram(1, 10, 100, 1_000, 10_000)


def _times() -> Histogram:
    return Histogram(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass
class IngestStatus:
    """Counts since the start of this process, and where it stands now."""

    role: Role = "starting"
    trouble: str | None = None
    """Why nothing is being stored, in one sentence; None while all is well."""
    epoch: int = 0
    lease_until: float = 0.0
    """By the monotonic clock."""
    sequence: int = 0
    moved_at: float = field(default_factory=time.monotonic)
    """When `sequence` last changed, or this process began; by the monotonic clock."""
    stored: int = 0
    duplicates: int = 0
    lost: int = 0
    batches: int = 0
    batch_messages: Histogram = field(default_factory=_sizes)
    batch_seconds: Histogram = field(default_factory=_times)
    interruptions: int = 0
    """How often the work was given up and begun again from the position in the database."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)
    publish_failures: Counter[str] = field(default_factory=Counter)
    """By stream: how often it refused what was published, or did not answer."""
    outgoing: defaultdict[str, Outgoing] = field(default_factory=lambda: defaultdict(Outgoing))
    """By stream: how full it is, and what it dropped for its size."""
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, sequence: int) -> None:
        """Everything up to `sequence` is decided; where that is news, the trouble there was is over."""
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

    @property
    def lease(self) -> float:
        """Seconds for which it is ours if nobody renews it."""
        return max(0.0, self.lease_until - time.monotonic()) if self.role == "owner" else 0.0

    @property
    def is_ready(self) -> bool:
        """Whether telemetry is being handled, by this instance or, while it stands by, by another."""
        return self.role in {"owner", "standby"} and self.trouble is None
