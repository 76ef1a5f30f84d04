"""A batch: what arrived while earlier work was in flight, decoded; handled in one transaction or not at all."""

from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from missionops import nats_guard
from missionops.domain import moment, spacecraft
from missionops.domain.snapshot import Identity, Snapshot
from missionops.wire import telemetry
from missionops.wire.fault import Fault

_ROW_WEIGHT = 20  # a row costs the database about as much as twenty parameters in it
_FAULT_WEIGHT = 20  # finding out what is wrong, and a dead letter, cost about as much as a whole snapshot


# Structs that the garbage collector does not look at: there are tens of thousands of each, and they make no circle.
class Delivery(msgspec.Struct, gc=False):
    """One message of the stream TELEMETRY, as bytes: of most nobody asks for more."""

    word: bytes
    """The last token of its subject."""
    sequence: int
    time: int
    """The stream's time of it, in nanoseconds since 1970."""
    body: bytes
    block: bytes | None
    """Its headers."""
    reply: bytes

    @property
    def token(self) -> str:
        """The last token of its subject: the spacecraft's id, if it is one."""
        return nats_guard.text(self.word)

    @property
    def headers(self) -> dict[str, str]:
        return nats_guard.headers(self.block)


class Entry(msgspec.Struct, gc=False):
    """A snapshot and where it came from."""

    snapshot: Snapshot
    received_at: datetime
    delivery: Delivery
    item: int


class Letter(NamedTuple):
    """A fault and the message it came from: a dead letter before it is written."""

    fault: Fault
    delivery: Delivery


class Batch:
    """Messages in stream order; within it the first snapshot of an identity wins."""

    def __init__(self, after: int) -> None:
        self.entries: dict[Identity, Entry] = {}
        self.repeats: dict[Identity, deque[Entry]] = {}
        """Later snapshots of an identity; should the database refuse the first, the next one's turn comes."""
        self.letters: list[Letter] = []
        self.first = after + 1
        self.sequence = after
        self.time = 0
        self.messages = 0
        self.weight = 0
        """About how many values it holds; what it costs in memory and in the database grows with that."""
        self.duplicates = 0
        self.heard: dict[str, datetime] = {}
        """When each spacecraft in it was heard last."""
        self.layouts: dict[tuple[str, int], Mapping[str, object]] = {}
        """Which parameters came together, by spacecraft and a hash of their names: one example of each."""
        self.missing = 0
        """Messages that the stream no longer had between those that came."""
        self.last: Delivery | None = None

    def add(self, delivery: Delivery) -> None:
        """Decode a message and take in what is in it."""
        self.missing += delivery.sequence - self.sequence - 1
        self.sequence, self.time, self.last = delivery.sequence, delivery.time, delivery
        self.messages += 1
        self.weight += 1
        received_at = moment.from_nanoseconds(delivery.time)
        for item, found in enumerate(_decoded(delivery)):
            if isinstance(found, Fault):
                self.letters.append(Letter(found, delivery))
                self.weight += _FAULT_WEIGHT
            else:
                self._add_entry(Entry(found, received_at, delivery, item))

    def _add_entry(self, entry: Entry) -> None:
        snapshot = entry.snapshot
        # Now, while it is at hand: later each name would have to come from memory again.
        self.layouts[snapshot.spacecraft_id, hash(tuple(snapshot.parameters))] = snapshot.parameters
        self.heard[snapshot.spacecraft_id] = entry.received_at
        self.weight += _ROW_WEIGHT + len(snapshot.parameters)
        identity = snapshot.identity
        if self.entries.setdefault(identity, entry) is not entry:
            self.repeats.setdefault(identity, deque()).append(entry)
            self.duplicates += 1

    def drop(self, identities: AbstractSet[Identity]) -> None:
        """Leave out what an earlier batch holds already."""
        for identity in self.entries.keys() & identities:
            del self.entries[identity]
            self.duplicates += 1

    def next_of(self, identities: Iterable[Identity]) -> list[Entry]:
        """The next snapshot of each identity whose last one was refused, where there is one."""
        return [self.repeats[identity].popleft() for identity in identities if self.repeats.get(identity)]

    @property
    def name(self) -> str:
        """Its first and last sequence, for whoever reads of it."""
        return f"{self.first}-{self.sequence}"

    @property
    def months(self) -> set[date]:
        return {date(identity[1].year, identity[1].month, 1) for identity in self.entries}


def _decoded(delivery: Delivery) -> list[Snapshot | Fault]:
    if delivery.block and nats_guard.is_broken(delivery.headers):
        return [Fault("malformed", "headers: cannot be read", None, delivery.body)]
    # What is far too long is not kept in the cache.
    spacecraft_id = _spacecraft_id(delivery.word) if len(delivery.word) <= spacecraft.ID_LENGTH else None
    if spacecraft_id is None:
        reason = f"subject: {delivery.token} is no spacecraft id ({spacecraft.ID_RULE})"
        return [Fault("invalid", reason, None, delivery.body)]
    return telemetry.decode(spacecraft_id, delivery.body, encoding(delivery))


@lru_cache(maxsize=16_384)
def _spacecraft_id(word: bytes) -> str | None:
    """The spacecraft that the last token of a subject names, if it can name one."""
    token = nats_guard.text(word)
    return token if spacecraft.is_id(token) else None


def encoding(delivery: Delivery) -> telemetry.Encoding:
    """How a body is written, by its `Content-Type`, in whatever case that header's name is."""
    if delivery.block and b"content-type" in delivery.block.lower():
        for name, content_type in delivery.headers.items():
            if name.lower() == "content-type":
                return telemetry.encoding_of(content_type)
    return telemetry.JSON
