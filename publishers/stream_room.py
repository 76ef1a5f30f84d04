"""Room in the outgoing streams: who fills one loses the oldest of its own messages first.

A full stream drops its oldest messages, whosever they are: a spacecraft that floods would push those of all others
out. So before a stream is full, the oldest messages of the subject that holds the most are purged. Whatever a stream
dropped for its size is counted.
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

_ROOMY = 0.8
"""Of what a stream may hold: where room was made."""
_STEP = 0.02
"""Of what a stream may hold: so much has to be published before room is made again, if the last time did not help."""
_TENTH = 10
"""Where JetStream itself has no room, a tenth of what the streams hold goes."""
_SUBJECTS = 16
"""Of how many subjects messages are purged at one time; each may take the server a while."""
_KNOWN = 50_000
_PURGE_SECONDS = 15.0
_SECONDS = 1.5
"""After which no further subject is purged for now: a transaction waits for it."""
_FAULTS = (MissionopsError, TimeoutError, OSError, nats.errors.Error)
_OVERHEAD = 256
"""Bytes that a message takes in the stream beside its body and headers, about."""


class Share(NamedTuple):
    """What one subject holds of a stream."""

    stream: str
    subject: str
    messages: int
    size: float
    """In bytes, about: the server counts messages by subject, and no bytes."""


class Purge(NamedTuple):
    """The messages of a subject that stay, the newest ones."""

    share: Share
    keep: int


def purges(shares: Iterable[Share], surplus: float) -> Iterator[Purge]:
    """What to purge so that `surplus` bytes go: the largest first, until it is as small as the next, then both.

    Of each subject at least one message stays: the last one tells a publisher where the subject ends. Where many hold
    much, the largest of them are named, and what is left over is for another time.
    """
    ranked = sorted(shares, key=lambda share: share.size, reverse=True)
    level = _level([share.size for share in ranked], surplus)
    for share in ranked[:_SUBJECTS]:
        keep = max(1, int(share.messages * level / share.size)) if share.size else share.messages
        if keep < share.messages:
            yield Purge(share, keep)


def _level(sizes: Sequence[float], surplus: float) -> float:
    """To which size those above it have to be cut so that `surplus` goes; `sizes` falls."""
    freed = 0.0
    for count, (size, following) in enumerate(pairwise((*sizes, 0.0)), start=1):
        freed += count * (size - following)
        if freed >= surplus:
            return following + (freed - surplus) / count
    return 0.0


class Room:
    """The room in one stream, as the owner keeps it; what it finds is seen in `outgoing`.

    Nothing is raised by what is only looked at: without room the stream drops its oldest messages.
    """

    def __init__(self, client: Client, stream: str, outgoing: Outgoing) -> None:
        self.stream = stream
        self._client = client
        self._outgoing = outgoing
        self._sizes: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By subject: messages that were published, and their bytes; the last ones are those of late."""
        self._next = 0.0
        self._asking = asyncio.Lock()  # what is being purged must not be seen as dropped before it is counted

    def note(self, subject: str, size: int) -> None:
        """A message was published."""
        count, total = self._sizes.pop(subject, (0, 0))
        self._sizes[subject] = count + 1, total + size + _OVERHEAD
        if len(self._sizes) > _KNOWN:
            self._sizes.popitem(last=False)
        self._outgoing.add(size + _OVERHEAD)

    async def look(self) -> None:
        """See how full the stream is, and count what it dropped for its size since the last look."""
        try:
            await self._ask()
        except _FAULTS as error:
            log.debug("the stream %s does not say how full it is: %s", self.stream, error)

    async def make_way(self, size: int) -> None:
        """Purge before `size` more bytes are published, if they would fill the stream."""
        outgoing, most = self._outgoing, self._outgoing.max_bytes
        if not most or outgoing.bytes + size < max(FULL * most, self._next):
            return
        try:
            shares = await self.shares()
            if outgoing.bytes + size >= FULL * most:
                why = f"The stream {self.stream} was nearly full, with {outgoing.bytes} of {most} bytes"
                deadline = time.monotonic() + _SECONDS
                for purge in purges(shares, outgoing.bytes + size - _ROOMY * most):
                    await self.purge(purge, why)
                    if time.monotonic() > deadline:
                        break
                await self._ask()
        except _FAULTS as error:
            self.note_failure(error)
        self._next = outgoing.bytes + size + _STEP * most

    async def shares(self) -> Sequence[Share]:
        """What each subject holds; beyond a hundred thousand subjects the server names no more."""
        state = (await self._ask({"subjects_filter": ">"}))["state"]
        counts: dict[str, int] = state.get("subjects") or {}
        known = {subject: count * self._average(subject) for subject, count in counts.items() if subject in self._sizes}
        # Of the others the server knows how many there are, and all of them together take what is left.
        others = sum(counts.values()) - sum(counts[subject] for subject in known)
        average = max(0.0, int(state["bytes"]) - sum(known.values())) / max(1, others)
        return [Share(self.stream, name, count, known.get(name, count * average)) for name, count in counts.items()]

    async def purge(self, purge: Purge, why: str) -> None:
        """Purge the oldest messages of a subject, and say whose."""
        subject = purge.share.subject
        request = {"filter": subject, "keep": purge.keep}
        async with self._asking:
            answer = await jetstream.request(
                self._client, f"STREAM.PURGE.{self.stream}", request, timeout=_PURGE_SECONDS
            )
            self._outgoing.purge(int(answer["purged"]))
        count, name = int(answer["purged"]), subject.rpartition(".")[2]
        if not count:
            return
        self._outgoing.note(f"{why}: the oldest messages of {name}, which held the most, were purged.")
        if self._outgoing.repeats.is_new(name):
            log.warning("%s: the %d oldest messages of %s, which held the most, were purged", why, count, name,
                        extra={"spacecraft": name})  # fmt: skip

    def note_failure(self, error: Exception) -> None:
        """Room was wanted and cannot be made."""
        reason = f"No room can be made in the stream {self.stream}: {str(error) or type(error).__name__}"
        self._outgoing.note(reason)
        if self._outgoing.repeats.is_new("no room"):
            log.warning("%s", reason)

    def _average(self, subject: str) -> float:
        """The size of a subject's messages, by those that we published."""
        count, total = self._sizes[subject]
        return total / count

    async def _ask(self, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        async with self._asking:
            info = await jetstream.stream_info(self._client, self.stream, request)
            dropped = self._outgoing.look(info)
        if dropped and self._outgoing.repeats.is_new("dropped"):
            log.warning("the stream %s is full and has dropped its %d oldest messages", self.stream, dropped)
        if not self._outgoing.max_bytes and self._outgoing.repeats.is_new("no max_bytes"):
            log.warning("%s", unbounded(self.stream))
        return info


async def relieve(rooms: Sequence[Room], size: int) -> None:
    """Make room where JetStream itself has none: in whichever stream, of the subjects that hold the most."""
    shares: list[Share] = []
    by_stream = {room.stream: room for room in rooms}
    for room in rooms:
        try:
            shares += await room.shares()
        except _FAULTS as error:
            room.note_failure(error)
    surplus = max(2 * size, sum(share.size for share in shares) / _TENTH)
    for purge in purges(shares, surplus):
        room = by_stream[purge.share.stream]
        try:
            await room.purge(purge, f"JetStream had no room for more in the stream {room.stream}")
        except _FAULTS as error:
            room.note_failure(error)
