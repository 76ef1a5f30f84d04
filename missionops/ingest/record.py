"""What a batch means: new snapshots stored, judged, and their anomalies stored with them, in one transaction."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeAlias

import msgspec

from missionops.domain import anomaly
from missionops.domain.limits import Rules
from missionops.domain.snapshot import SnapshotKey
from missionops.domain.timestamp import HOUR, SECOND
from missionops.ingest import bisect_refused
from missionops.ingest.alarms import in_order
from missionops.ingest.alarms.in_order import JudgedEntries
from missionops.ingest.batch import Batch, BatchEntry, DeadLetter
from missionops.ingest.bisect_refused import Refusal
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.parameter_sets import BatchSets
from missionops.store import anomalies, snapshot_rows
from missionops.store.anomalies import AnomalyRow, StoredAnomaly
from missionops.store.database import Connection
from missionops.store.spacecraft import IngestConfig, Reception

_encode = msgspec.json.Encoder().encode

_PORTION = 2_000
"""Anomalies that are written at once, of 0.5 to 1.5 kB each."""
_MOST_KEPT = 4_000
"""Anomalies of one batch that are kept in memory until they are published; more are read back from the database."""


class StreamOrigin(NamedTuple):
    """Which stream a batch came from."""

    partition: int
    stream_generation: int


class RecordedBatch(NamedTuple):
    """What became of a batch."""

    stored: int
    duplicates: int
    known: int
    """Those of the duplicates that only the database knew of."""
    refused: AbstractSet[SnapshotKey]
    """Keys of rows that the database refused; they are among the dead letters."""
    letters: Sequence[DeadLetter]
    anomalies: Sequence[StoredAnomaly] | None
    """In the order of the stream; None if there are too many to hold: they have to be read back."""
    severities: Mapping[str, int]
    receptions: Sequence[Reception]
    """What was received last of each of its spacecraft."""
    hours: AbstractSet[tuple[str, int]]
    """The spacecraft and the beginnings of the hours that snapshots were added to."""
    judged: Mapping[str, JudgedEntries]
    """By spacecraft, what was stored, and what of it was anomalous."""


EnsurePartitions: TypeAlias = Callable[[AbstractSet[date]], Awaitable[None]]
"""Makes the partitions of anomalies that hold these days, on another connection: on this one the lock would last."""


async def record(
    connection: Connection,
    batch: Batch,
    configs: Mapping[str, IngestConfig],
    limits: LimitsCache,
    origin: StreamOrigin,
    *,
    sets: BatchSets,
    ask_first: bool,
    ensure_partitions: EnsurePartitions,
) -> RecordedBatch:
    """Store what is new in `batch`, judge it, and store its anomalies, in the caller's transaction.

    `configs` are those in force, read in this transaction; `sets` the parameter sets to store with. With `ask_first`
    the database is asked what it holds already; else only once it has refused to add all. Rows that it refuses as data
    are left out and become dead letters.
    """
    rows_of = partial(sets.rows, configs)
    judged = _by_spacecraft(batch.entries.values())
    # One spacecraft after another: what is read together lies together, and is written faster.
    added: Sequence[BatchEntry] = [*chain.from_iterable(one.entries for one in judged.values())]
    refusals, known = list[Refusal](), set[SnapshotKey]()
    are_added = not ask_first and await snapshot_rows.add(connection, rows_of(added)) is None
    if not are_added:
        known = await snapshot_rows.stored(connection, batch.entries.keys())
        new = [entry for entry in added if entry.snapshot.identity not in known]
        added, refusals = await bisect_refused.add(connection, batch, new, rows_of)
        judged = _by_spacecraft(added)

    found = _FoundAnomalies(batch, ensure_partitions)
    wanted = {spacecraft_id: configs[spacecraft_id].version for spacecraft_id in judged}
    async for spacecraft_id, config in limits.read(connection, wanted):
        own, rules, anomalous = judged[spacecraft_id], config.rules, dict[int, Sequence[tuple[str, int]]]()
        for place, rows in _judge(own.entries, config.version, rules, origin):
            await found.add(connection, rows)
            anomalous[place] = [in_order.key_of(row.parameter, row.kind) for row in rows]
        judged[spacecraft_id] = own._replace(
            version=config.version, clock=rules.clock, has_memory=bool(rules.with_memory), anomalous=anomalous
        )
    await found.write(connection)

    receptions, hours = list[Reception](), set[tuple[str, int]]()
    for spacecraft_id, last in batch.last_received.items():
        newest = None
        if one := judged.get(spacecraft_id):
            newest = newest_timestamp(one, configs[spacecraft_id].clock_ahead)
            hours |= {(spacecraft_id, hour * HOUR) for hour in {stamp // HOUR for stamp in one.stamps}}
        receptions.append(Reception(spacecraft_id, last.received, last.snapshot.identity[1], newest))
    return RecordedBatch(
        stored=len(added),
        duplicates=batch.duplicates + len(batch.entries) - len(added) - len(refusals),
        known=len(known),
        refused={refusal.entry.snapshot.identity for refusal in refusals},
        letters=bisect_refused.dead_letters(batch, refusals) if refusals else batch.letters,
        anomalies=found.in_stream_order(),
        severities=found.severities,
        receptions=receptions,
        hours=hours,
        judged=judged,
    )


def _by_spacecraft(entries: Iterable[BatchEntry]) -> dict[str, JudgedEntries]:
    """Entries that are to be judged, in their order; a config judges those of one spacecraft."""
    found: dict[str, list[BatchEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.snapshot.identity[0]].append(entry)
    return {
        spacecraft_id: JudgedEntries(own, [entry.snapshot.identity[1] for entry in own])
        for spacecraft_id, own in found.items()
    }


def _judge(
    entries: Iterable[BatchEntry], version: int, rules: Rules, origin: StreamOrigin
) -> Iterator[tuple[int, list[AnomalyRow]]]:
    """The anomalies of one spacecraft's snapshots by the place of the snapshot; those without any are passed over."""
    sequence, number, values_class = 0, 0, None
    for place, entry in enumerate(entries):
        snapshot = entry.snapshot
        if snapshot.values.__class__ is not values_class:
            values_class = snapshot.values.__class__
            are_met = anomaly.fast_check(rules, values_class)
        if are_met(snapshot.values):
            continue
        if entry.delivery.sequence != sequence:
            sequence, number = entry.delivery.sequence, 0
        found = anomaly.judge(snapshot, rules, version, entry.received)
        if found:
            rows = [
                AnomalyRow(
                    one.spacecraft_id,
                    one.timestamp,
                    one.snapshot_id,
                    one.parameter,
                    one.kind,
                    one.severity,
                    one.config_version,
                    one.detected_at,
                    _encode(one),
                    *origin,
                    sequence,
                    position,
                )
                for position, one in enumerate(found, number)
            ]
            number += len(found)
            yield place, rows


def newest_timestamp(judged: JudgedEntries, ahead: float) -> int | None:
    """The newest timestamp (microseconds since 1970) of one spacecraft's snapshots, which are in stream order.

    What is stamped more than `ahead` seconds after its reception is passed over; None where nothing is left.
    """
    allowed = int(ahead * SECOND)
    newest = max(judged.stamps)
    if newest <= judged.entries[0].received + allowed:  # the first was received first
        return newest
    times = zip(judged.stamps, judged.entries, strict=True)
    return max((time for time, entry in times if time <= entry.received + allowed), default=None)


class _FoundAnomalies:
    """The anomalies of a batch: written in portions, and kept for publishing while they are few."""

    def __init__(self, batch: Batch, ensure_partitions: EnsurePartitions) -> None:
        self._batch = batch
        self._ensure_partitions = ensure_partitions
        self.count = 0
        self.severities: Counter[str] = Counter()
        self._waiting: list[AnomalyRow] = []
        self._written: list[AnomalyRow] | None = []

    async def add(self, connection: Connection, rows: list[AnomalyRow]) -> None:
        """Take the anomalies of one snapshot; write what waits once it is a portion."""
        self.count += len(rows)
        self._waiting += rows
        if len(self._waiting) >= _PORTION:
            # All that the batch may need: a partition that is made after the first portion is not seen by this
            # transaction, which has locked the table already.
            await self._ensure_partitions(self._batch.days)
            await self.write(connection)
            await asyncio.sleep(0)

    async def write(self, connection: Connection) -> None:
        """Write what waits; what is stored already is neither counted as found nor published again."""
        waiting, self._waiting = self._waiting, []
        await self._ensure_partitions({row.timestamp.date() for row in waiting})
        rows = await anomalies.add(connection, waiting)
        self.severities.update(row.severity for row in rows)
        if self._written is not None:
            self._written += rows
            if self.count > _MOST_KEPT:
                self._written = None

    def in_stream_order(self) -> list[StoredAnomaly] | None:
        """What was written, as it is published; None if it was too much to keep."""
        if self._written is None:
            return None
        self._written.sort(key=lambda row: (row.stream_sequence, row.number_in_message))
        return [StoredAnomaly(*row[:5], row.body) for row in self._written]
