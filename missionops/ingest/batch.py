"""A batch: what arrived while earlier work was in flight, decoded; handled in one transaction or not at all."""

from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from missionops.domain import spacecraft
from missionops.domain.parameter_set import ParameterValues
from missionops.domain.snapshot import Snapshot, SnapshotKey
from missionops.wire import decoder, headers
from missionops.wire.decoder import Decoder
from missionops.wire.fault import Fault

_DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1)
_VALUE_LENGTH = 16  # characters of JSON, with its name
_ROW_WEIGHT = 20  # a row costs the database about as much as twenty parameters in it
ANOMALY_WEIGHT = 20  # to judge, store and publish one costs about as much as half a row
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
        return headers.text(self.word)

    @property
    def headers(self) -> dict[str, str]:
        return headers.read(self.block)


class BatchEntry(msgspec.Struct, gc=False):
    """A snapshot and where it came from."""

    snapshot: Snapshot
    delivery: Delivery
    item: int

    @property
    def received(self) -> int:
        """The stream's time of its message, in microseconds since 1970."""
        return self.delivery.time // 1000


ParameterKey: TypeAlias = int | bytes
"""Which names came together: a hash of them, or the digest of a vocabulary."""


class DeadLetter(NamedTuple):
    """A fault and the message it came from: a dead letter before it is written."""

    fault: Fault
    delivery: Delivery


class Batch:
    """Messages in stream order; within it the first snapshot of an identity wins."""

    def __init__(self, after: int, decoder: Decoder, expected: Mapping[str, int] | None = None) -> None:
        self._decoder = decoder
        self._expected = expected or {}
        """By spacecraft: the weight of the anomalies that a snapshot of it probably has."""
        self._vocabularies: dict[str, type[ParameterValues]] = {}
        self.entries: dict[SnapshotKey, BatchEntry] = {}
        self.repeats: dict[SnapshotKey, deque[BatchEntry]] = {}
        """Later snapshots of an identity; should the database refuse the first, the next one's turn comes."""
        self.letters: list[DeadLetter] = []
        self.first = after + 1
        self.sequence = after
        self.time = 0
        self.messages = 0
        self.weight = 0
        """About how many values it holds; what it costs in memory and in the database grows with that."""
        self.duplicates = 0
        self.removed: set[SnapshotKey] = set()
        """Keys that an earlier batch has: left out here, and among the duplicates."""
        self.last_received: dict[str, int] = {}
        """By spacecraft: the stream's time of its last message, in nanoseconds since 1970."""
        self.reported: dict[tuple[str, ParameterKey], Iterable[str]] = {}
        """Names of parameters that came, by spacecraft and layout: each once."""
        self.missing = 0
        """Messages that the stream no longer had between those that came."""
        self.last: Delivery | None = None

    def add(self, delivery: Delivery) -> None:
        """Decode a message and take in what is in it."""
        self.missing += delivery.sequence - self.sequence - 1
        self.sequence, self.time, self.last = delivery.sequence, delivery.time, delivery
        self.messages += 1
        self.weight += 1
        encoding = decoder.JSON if delivery.block is None else headers.encoding_of(delivery.block)
        spacecraft_id = _spacecraft_id(delivery.word)
        if spacecraft_id and encoding and (known := self._decoder.read(spacecraft_id, delivery.body, encoding)):
            self._add_entry(BatchEntry(known, delivery, 0))
            return
        for item, found in enumerate(self._decoded(delivery, spacecraft_id, encoding)):
            if isinstance(found, Fault):
                self.letters.append(DeadLetter(found, delivery))
                self.weight += _FAULT_WEIGHT
            else:
                self._add_entry(BatchEntry(found, delivery, item))

    def _decoded(
        self, delivery: Delivery, spacecraft_id: str | None, encoding: decoder.Encoding | None
    ) -> list[Snapshot | Fault]:
        if encoding is None:
            return [Fault("malformed", "headers: cannot be read", None, delivery.body)]
        if spacecraft_id is None:
            reason = f"subject: {delivery.token} is no spacecraft id ({spacecraft.ID_RULE})"
            return [Fault("invalid", reason, None, delivery.body)]
        return self._decoder.decode(spacecraft_id, delivery.body, encoding)

    def _add_entry(self, entry: BatchEntry) -> None:
        snapshot = entry.snapshot
        identity, values = snapshot.identity, snapshot.values
        spacecraft_id = identity[0]
        if self._vocabularies.get(spacecraft_id) is not values.__class__:
            self._note_names(spacecraft_id, values)
        self.last_received[spacecraft_id] = entry.delivery.time
        self.weight += _ROW_WEIGHT + len(snapshot.text) // _VALUE_LENGTH
        if self._expected:
            self.weight += self._expected.get(spacecraft_id, 0)
        if self.entries.setdefault(identity, entry) is not entry:
            self.repeats.setdefault(identity, deque()).append(entry)
            self.duplicates += 1

    def _note_names(self, spacecraft_id: str, values: ParameterValues | Mapping[str, object]) -> None:
        if isinstance(values, ParameterValues):  # of a vocabulary all was reported before it was one
            self._vocabularies[spacecraft_id] = values.__class__
            self.reported[spacecraft_id, values.digest] = values.fields
        else:
            self.reported[spacecraft_id, hash(tuple(values))] = values
            self.weight += len(values)  # a dict takes several times the memory of its text

    def drop(self, identities: AbstractSet[SnapshotKey]) -> None:
        """Leave out what an earlier batch holds already."""
        for identity in self.entries.keys() & identities:
            del self.entries[identity]
            self.removed.add(identity)
            self.duplicates += 1

    def next_of(self, identities: Iterable[SnapshotKey]) -> list[BatchEntry]:
        """The next snapshot of each identity whose last one was refused, where there is one."""
        return [self.repeats[identity].popleft() for identity in identities if self.repeats.get(identity)]

    @property
    def name(self) -> str:
        """Its first and last sequence, for whoever reads of it."""
        return f"{self.first}-{self.sequence}"

    @property
    def days(self) -> set[date]:
        """The days that its snapshots are of."""
        return {_EPOCH + timedelta(days=day) for day in {identity[1] // _DAY for identity in self.entries}}


def _spacecraft_id(word: bytes) -> str | None:
    """The spacecraft that the last token of a subject names, if it can name one."""
    return _known_id(word) if len(word) <= spacecraft.ID_LENGTH else None  # what is far too long is not kept


@lru_cache(maxsize=16_384)
def _known_id(word: bytes) -> str | None:
    token = headers.text(word)
    return token if spacecraft.is_id(token) else None
