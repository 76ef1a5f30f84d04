"""Keeps room in the outgoing streams: the spacecraft that fills a stream loses its own oldest messages first.

A full stream drops its oldest messages, of whichever spacecraft they are, so one that floods would push out the
messages of all others. Therefore the oldest messages of the largest subjects are purged before a stream is full. What
a stream dropped because it was full is counted.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client

from missionops.broker import jetstream
from missionops.errors import MissionopsError
from missionops.ingest.outgoing_stream import FULL, Outgoing, unbounded

log = logging.getLogger(__name__)

_TARGET = 0.8
"""The share of its max_bytes to which a stream is purged."""
_STEP = 0.02
"""The share of max_bytes that has to be published before the next purge, where the last one did not help."""
_RELIEF_DIVISOR = 10
"""Where the account or the server has no room, a tenth of what the streams hold is purged."""
_SUBJECTS = 16
"""How many subjects are purged at one time; each may take the server a while."""
_SUBJECTS_KNOWN = 50_000
_PURGE_TIMEOUT = 15.0
_TIME = 1.5
"""Seconds after which no further subject is purged for now, because a transaction waits."""
_FAULTS = (MissionopsError, TimeoutError, OSError, nats.errors.Error)
_OVERHEAD = 256
"""About how many bytes a message takes in the stream in addition to its body and headers."""


class Share(NamedTuple):
    """How much of a stream one subject takes."""

    stream: str
    subject: str
    messages: int
    size: float
    """An estimate in bytes: the server counts the messages of each subject, but not their bytes."""


class Purge(NamedTuple):
    """A subject of which the oldest messages are purged."""

    share: Share
    keep: int
    """How many of its newest messages stay."""


def purges(shares: Iterable[Share], surplus: float) -> Iterator[Purge]:
    """What to purge to free `surplus` bytes: every subject larger than some size is cut down to that size.

    At least one message of each subject stays, because publishers need the last sequence of a subject. At most 16
    subjects are purged at one time, the largest; where that is not enough, the next call continues.
    """
    ranked = sorted(shares, key=lambda share: share.size, reverse=True)
    level = freed = 0.0
    for count, (size, following) in enumerate(pairwise((*(share.size for share in ranked), 0.0)), start=1):
        freed += count * (size - following)  # if the first `count` subjects are cut down to the size of the next one
        if freed >= surplus:
            level = following + (freed - surplus) / count
            break
    for share in ranked[:_SUBJECTS]:
        keep = max(1, int(share.messages * level / share.size)) if share.size else share.messages
        if keep < share.messages:
            yield Purge(share, keep)


class Room:
    """Keeps room in one stream, for the owner; writes what it finds to `outgoing`, which health and metrics show.

    `look` and `make_way` raise nothing: if they fail, publishing goes on and a full stream drops its oldest messages.
    """

    def __init__(self, client: Client, stream: str, outgoing: Outgoing) -> None:
        self.stream = stream
        self._client = client
        self._outgoing = outgoing
        self._sizes: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """For each subject, how many messages were published, and their bytes; the latest subject stands last."""
        self._next = 0.0
        self._lock = asyncio.Lock()  # so that a look during a purge does not count purged messages as dropped

    def note(self, subject: str, size: int) -> None:
        """Note that a message was published."""
        count, total = self._sizes.pop(subject, (0, 0))
        self._sizes[subject] = count + 1, total + size + _OVERHEAD
        if len(self._sizes) > _SUBJECTS_KNOWN:
            self._sizes.popitem(last=False)
        self._outgoing.messages += 1
        self._outgoing.bytes += size + _OVERHEAD

    async def look(self) -> None:
        """Read how full the stream is, and count what it has dropped since the last look because it was full."""
        try:
            await self._read_state()
        except _FAULTS as error:
            log.debug("the size of the stream %s is not known: %s", self.stream, error)

    async def make_way(self, size: int) -> None:
        """Purge old messages if the stream is nearly full once `size` more bytes are published."""
        outgoing, most = self._outgoing, self._outgoing.max_bytes
        if not most or outgoing.bytes + size < max(FULL * most, self._next):
            return
        try:
            shares = await self.shares()
            if outgoing.bytes + size >= FULL * most:
                why = f"The stream {self.stream} was nearly full, with {outgoing.bytes} of {most} bytes"
                deadline = time.monotonic() + _TIME
                for purge in purges(shares, outgoing.bytes + size - _TARGET * most):
                    await self.purge(purge, why)
                    if time.monotonic() > deadline:
                        break
                await self._read_state()
        except _FAULTS as error:
            self.note_failure(error)
        self._next = outgoing.bytes + size + _STEP * most

    async def shares(self) -> Sequence[Share]:
        """What each subject holds; the server lists at most a hundred thousand subjects."""
        state = (await self._read_state({"subjects_filter": ">"}))["state"]
        counts: dict[str, int] = state.get("subjects") or {}
        known: dict[str, float] = {}
        for subject, count in counts.items():
            if subject in self._sizes:
                published, published_bytes = self._sizes[subject]
                known[subject] = count * published_bytes / published
        # All other messages together take the rest of the stream, so each is taken to have their average size.
        others = sum(counts.values()) - sum(counts[subject] for subject in known)
        average = max(0.0, int(state["bytes"]) - sum(known.values())) / max(1, others)
        return [Share(self.stream, name, count, known.get(name, count * average)) for name, count in counts.items()]

    async def purge(self, purge: Purge, why: str) -> None:
        """Purge the oldest messages of a subject, and log which spacecraft's they were."""
        subject = purge.share.subject
        request = {"filter": subject, "keep": purge.keep}
        async with self._lock:
            response = await jetstream.request(
                self._client, f"STREAM.PURGE.{self.stream}", request, timeout=_PURGE_TIMEOUT
            )
            self._outgoing.count_purged(int(response["purged"]))
        count, name = int(response["purged"]), subject.rpartition(".")[2]
        if not count:
            return
        self._outgoing.note(f"{why}: the oldest messages of {name}, which held the most, were purged.")
        if self._outgoing.repeats.is_new(name):
            log.warning("%s: the %d oldest messages of %s, which held the most, were purged", why, count, name,
                        extra={"spacecraft": name})  # fmt: skip

    def note_failure(self, error: Exception) -> None:
        """Note and log that old messages could not be purged."""
        reason = f"No room can be made in the stream {self.stream}: {str(error) or type(error).__name__}"
        self._outgoing.note(reason)
        if self._outgoing.repeats.is_new("no room"):
            log.warning("%s", reason)

    async def _read_state(self, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        async with self._lock:
            info = await jetstream.stream_info(self._client, self.stream, request)
            dropped = self._outgoing.look(info)
        if dropped and self._outgoing.repeats.is_new("dropped"):
            log.warning("the stream %s is full and has dropped its %d oldest messages", self.stream, dropped)
        if not self._outgoing.max_bytes and self._outgoing.repeats.is_new("no max_bytes"):
            log.warning("%s", unbounded(self.stream))
        return info


async def relieve(rooms: Sequence[Room], size: int) -> None:
    """Purge `size` bytes and more where the account or the server has no room: the largest subjects of all streams."""
    shares: list[Share] = []
    by_stream = {room.stream: room for room in rooms}
    for room in rooms:
        try:
            shares += await room.shares()
        except _FAULTS as error:
            room.note_failure(error)
    surplus = max(2 * size, sum(share.size for share in shares) / _RELIEF_DIVISOR)
    for purge in purges(shares, surplus):
        room = by_stream[purge.share.stream]
        try:
            await room.purge(purge, f"JetStream had no more room for the stream {room.stream}")
        except _FAULTS as error:
            room.note_failure(error)
