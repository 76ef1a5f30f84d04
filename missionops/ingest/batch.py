"""A batch: the messages that arrived while earlier ones were in flight, decoded; stored as a whole or not at all.

Snapshots that an earlier batch holds are removed from it (`RecentSnapshots`).
"""

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from missionops.domain import spacecraft
from missionops.domain.snapshot import ParameterValues, Snapshot, SnapshotKey
from missionops.domain.timestamp import DAY
from missionops.wire import decoder, headers
from missionops.wire.decoder import Decoder
from missionops.wire.fault import Fault, shown

_EPOCH = date(1970, 1, 1)
_WEIGHED_BYTES = 32  # of a body count as much as one value: it may hold long texts
_ROW_WEIGHT = 20  # a row costs the database about as much as twenty parameters in it
ANOMALY_WEIGHT = 20  # to judge, store and publish one costs about as much as half a row
_FAULT_WEIGHT = 20  # finding out what is wrong, and a dead letter, cost about as much as a whole snapshot

# A stored subject is `telemetry.<partition>.<what followed telemetry.>`: the stream puts the partition, a number, in
# front of the rest. It leaves one kind of subject as it was published: one with a token `*` or `>`, which NATS lets
# anybody publish to. Such a token is no number and no spacecraft id, so what is published to `telemetry.*.SC-002` or
# `telemetry.0.*` cannot pass for the telemetry of a spacecraft.
_PREFIX = "telemetry."
_STORED = re.compile(rf"telemetry\.[0-9]{{1,5}}\.({spacecraft.ID_PATTERN})".encode())
_LONGEST_SUBJECT = len(_PREFIX) + len("12345.") + spacecraft.ID_LENGTH
_WILDCARDS = frozenset({"*", ">"})

_KEPT = 20_000
"""Keys of one generation; two are kept: a second of a flood, in which a publisher without an answer sends again."""
_SECONDS = 30.0
"""A generation's longest time: what was deleted from the database is stored again a minute later at the latest."""


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
        stored = self.stored_subject
        return _known_id(stored) if len(stored) <= _LONGEST_SUBJECT else None  # a longer one need not be remembered

    @property
    def subject(self) -> str:
        """The subject that it was published to."""
        first, *rest = headers.text(self.stored_subject).removeprefix(_PREFIX).split(".")
        return _PREFIX + ".".join([first, *rest] if _WILDCARDS & {first, *rest} else rest)

    @property
    def subject_fault(self) -> str:
        """Why its subject is no spacecraft's, where that is so."""
        subject = self.subject
        tokens = subject.count(".") + 1
        if tokens > 2:  # noqa: PLR2004 - telemetry and the id
            return f"subject: {shown(subject)} has {tokens} tokens; it must be telemetry.<spacecraftId>"
        return f"subject: {shown(subject)} does not end in a spacecraft id ({spacecraft.ID_RULE})"

    @property
    def headers(self) -> dict[str, str]:
        return headers.read(self.block)


@lru_cache(maxsize=16_384)
def _known_id(stored: bytes) -> str | None:
    found = _STORED.fullmatch(stored)
    return found[1].decode() if found else None


class BatchEntry(msgspec.Struct, gc=False):
    """A snapshot, and the message and the item of its array that it came in."""

    snapshot: Snapshot
    delivery: Delivery
    item: int
    received: int
    """When the stream took its message, in microseconds since 1970."""
    row: bytes = b""
    """As COPY takes it, once it was written."""


ParameterKey: TypeAlias = int | bytes
"""Stands for the names that came together: a hash of them, or the digest of a parameter set."""


class DeadLetter(NamedTuple):
    """A fault, and the message that has it: a dead letter before it is published."""

    fault: Fault
    delivery: Delivery


class Batch:
    """Messages in stream order; of several snapshots with one key the first wins."""

    def __init__(self, after: int, decoder: Decoder, anomaly_weights: Mapping[str, int] | None = None) -> None:
        self.decoder = decoder
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
        if spacecraft_id and encoding and (known := self.decoder.read(spacecraft_id, delivery.body, encoding)):
            self._add_entry(BatchEntry(known, delivery, 0, delivery.time // 1000))
            return ()
        return self._add_each(delivery, spacecraft_id, encoding)

    def _add_each(
        self, delivery: Delivery, spacecraft_id: str | None, encoding: decoder.Encoding | None
    ) -> Iterator[None]:
        found: Iterable[Snapshot | Fault]
        if encoding is None:
            found = [Fault("malformed", "headers: cannot be read", None, delivery.body)]
        elif spacecraft_id is None:
            found = [Fault("invalid", delivery.subject_fault, None, delivery.body)]
        else:
            found = self.decoder.decode_each(spacecraft_id, delivery.body, encoding)
        for item, result in enumerate(found):
            if isinstance(result, Fault):
                self.letters.append(DeadLetter(result, delivery))
                self.weight += _FAULT_WEIGHT
            else:
                self._add_entry(BatchEntry(result, delivery, item, delivery.time // 1000))
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
        return {_EPOCH + timedelta(days=day) for day in {identity[1] // DAY for identity in self.entries}}


class RecentSnapshots:
    """Keys of the snapshots of recent batches; it removes them from the next batch.

    Batches come in stream order, and each is committed before the next or not at all: what an earlier one holds is
    stored when the later one is. So two transactions that overlap hardly ever wait for a row of each other; where one
    does, because the other took a minute, the earlier one does not wait for the later one.
    """

    def __init__(self) -> None:
        self._young: set[SnapshotKey] = set()
        self._old: set[SnapshotKey] = set()
        self._since = time.monotonic()

    def remove_known(self, batch: Batch) -> None:
        """Remove what is known from `batch`, and remember the rest."""
        elapsed = time.monotonic() - self._since
        if elapsed > 2 * _SECONDS:
            self._young = set()
        if elapsed > _SECONDS:
            self._age()
        batch.remove(self._young)
        batch.remove(self._old)
        self._young.update(batch.entries)
        if len(self._young) > _KEPT:
            self._age()

    def forget(self, keys: AbstractSet[SnapshotKey]) -> None:
        """Forget snapshots that were not stored after all."""
        self._young -= keys
        self._old -= keys

    def _age(self) -> None:
        """What was young is old, and what was old is forgotten."""
        self._old, self._young, self._since = self._young, set(), time.monotonic()
