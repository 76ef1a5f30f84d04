"""A batch: the messages that arrived while earlier ones were in flight, decoded; stored as a whole or not at all."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias

import msgspec

from missionops.domain.parameter_set import ParameterValues
from missionops.domain.snapshot import Snapshot, SnapshotKey
from missionops.wire import decoder, headers, telemetry_subject
from missionops.wire.decoder import Decoder
from missionops.wire.fault import Fault

_DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1)
_WEIGHED_BYTES = 32  # of a body count as much as one value: it may hold long texts
_ROW_WEIGHT = 20  # a row costs the database about as much as twenty parameters in it
ANOMALY_WEIGHT = 20  # to judge, store and publish one costs about as much as half a row
_FAULT_WEIGHT = 20  # finding out what is wrong, and a dead letter, cost about as much as a whole snapshot


# Structs that the garbage collector does not look at: there are tens of thousands of each, and they make no circle.
class Delivery(msgspec.Struct, gc=False):
    """One message of the stream TELEMETRY as it was delivered; most of it is never needed as more than bytes."""

    stored_subject: bytes
    """Its subject, with the partition in it."""
    sequence: int
    time: int
    """When the stream took it, in nanoseconds since 1970."""
    body: bytes
    block: bytes | None
    """Its header block."""
    reply: bytes

    @property
    def spacecraft_id(self) -> str | None:
        """The spacecraft that its subject names; None if it names none."""
        return telemetry_subject.spacecraft_id(self.stored_subject)

    @property
    def subject(self) -> str:
        """The subject that it was published to."""
        return telemetry_subject.published(self.stored_subject)

    @property
    def headers(self) -> dict[str, str]:
        return headers.read(self.block)


class BatchEntry(msgspec.Struct, gc=False):
    """A snapshot, and the message and the item of its array that it came in."""

    snapshot: Snapshot
    delivery: Delivery
    item: int
    row: bytes = b""
    """As COPY takes it, once it was written."""

    @property
    def received(self) -> int:
        """When the stream took its message, in microseconds since 1970."""
        return self.delivery.time // 1000


ParameterKey: TypeAlias = int | bytes
"""Stands for the names that came together: a hash of them, or the digest of a parameter set."""


class DeadLetter(NamedTuple):
    """A fault, and the message that has it: a dead letter before it is published."""

    fault: Fault
    delivery: Delivery


class Batch:
    """Messages in stream order; of several snapshots with one key the first wins."""

    def __init__(self, after: int, decoder: Decoder, anomaly_weights: Mapping[str, int] | None = None) -> None:
        self._decoder = decoder
        self._anomaly_weights = anomaly_weights or {}
        """By spacecraft: the weight of the anomalies that a snapshot of it probably has."""
        self._parameter_sets: dict[str, type[ParameterValues]] = {}
        self.entries: dict[SnapshotKey, BatchEntry] = {}
        self.repeats: dict[SnapshotKey, deque[BatchEntry]] = {}
        """Later snapshots with the same key: if the database refuses the first, it is given the next."""
        self.letters: list[DeadLetter] = []
        self.first = after + 1
        self.sequence = after
        self.time = 0
        self.messages = 0
        self.weight = 0
        """About how many values it holds: what it costs in memory and in the database grows with that."""
        self.duplicates = 0
        self.removed: set[SnapshotKey] = set()
        """Keys that an earlier batch has; they are counted as duplicates."""
        self.last_received: dict[str, BatchEntry] = {}
        """The last snapshot of each spacecraft."""
        self.reported: dict[tuple[str, ParameterKey], Snapshot] = {}
        """By spacecraft and by which names came together: one of the snapshots that have these."""
        self.missing = 0
        """Messages between those of the batch that the stream no longer had."""
        self.last: Delivery | None = None

    def add(self, delivery: Delivery) -> Iterable[None]:
        """Decode a message, and add its snapshots and its dead letters.

        The caller has to iterate to the end, and may do other work at each step: one message may hold ten thousand
        bad snapshots. Of nearly all messages the one snapshot is added at once, and there is no step.
        """
        self.missing += delivery.sequence - self.sequence - 1
        self.sequence, self.time, self.last = delivery.sequence, delivery.time, delivery
        self.messages += 1
        self.weight += 1 + len(delivery.body) // _WEIGHED_BYTES
        encoding = decoder.JSON if delivery.block is None else headers.encoding_of(delivery.block)
        spacecraft_id = delivery.spacecraft_id
        if spacecraft_id and encoding and (known := self._decoder.read(spacecraft_id, delivery.body, encoding)):
            self._add_entry(BatchEntry(known, delivery, 0))
            return ()
        return self._add_each(delivery, spacecraft_id, encoding)

    def _add_each(
        self, delivery: Delivery, spacecraft_id: str | None, encoding: decoder.Encoding | None
    ) -> Iterator[None]:
        found: Iterable[Snapshot | Fault]
        if encoding is None:
            found = [Fault("malformed", "headers: cannot be read", None, delivery.body)]
        elif spacecraft_id is None:
            found = [Fault("invalid", telemetry_subject.fault(delivery.stored_subject), None, delivery.body)]
        else:
            found = self._decoder.decode_each(spacecraft_id, delivery.body, encoding)
        for item, result in enumerate(found):
            if isinstance(result, Fault):
                self.letters.append(DeadLetter(result, delivery))
                self.weight += _FAULT_WEIGHT
            else:
                self._add_entry(BatchEntry(result, delivery, item))
            yield

    def _add_entry(self, entry: BatchEntry) -> None:
        snapshot = entry.snapshot
        key, values = snapshot.identity, snapshot.values
        spacecraft_id = key[0]
        if self._parameter_sets.get(spacecraft_id) is not values.__class__:
            if isinstance(values, ParameterValues):  # all names of a set were reported before it was one
                self._parameter_sets[spacecraft_id] = values.__class__
                self.reported[spacecraft_id, values.digest] = snapshot
            else:
                self.reported[spacecraft_id, hash(tuple(values))] = snapshot
                self.weight += len(values)  # a dict takes twice the memory
        self.last_received[spacecraft_id] = entry
        self.weight += _ROW_WEIGHT + len(values)
        if self._anomaly_weights:
            self.weight += self._anomaly_weights.get(spacecraft_id, 0)
        if self.entries.setdefault(key, entry) is not entry:
            self.repeats.setdefault(key, deque()).append(entry)
            self.duplicates += 1

    def remove(self, keys: AbstractSet[SnapshotKey]) -> None:
        """Remove snapshots that an earlier batch has."""
        for key in self.entries.keys() & keys:
            del self.entries[key]
            self.removed.add(key)
            self.duplicates += 1

    def next_of(self, keys: Iterable[SnapshotKey]) -> list[BatchEntry]:
        """For each key whose last snapshot was refused, the next one of the batch, if there is one."""
        return [self.repeats[key].popleft() for key in keys if self.repeats.get(key)]

    @property
    def name(self) -> str:
        """Its first and last sequence, as logs show it."""
        return f"{self.first}-{self.sequence}"

    @property
    def days(self) -> set[date]:
        """The days that its snapshots are of."""
        return {_EPOCH + timedelta(days=day) for day in {identity[1] // _DAY for identity in self.entries}}
