"""What a batch means: new snapshots stored, judged, and their anomalies stored with them, on one connection."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from missionops.domain import anomaly
from missionops.domain.anomaly import Anomaly
from missionops.errors import OwnershipLost
from missionops.ingest.batch import Batch, BatchEntry, DeadLetter
from missionops.ingest.limits_cache import InForce, LimitsCache
from missionops.store import anomalies, telemetry
from missionops.store.anomalies import StoredAnomaly
from missionops.store.database import Connection
from missionops.wire import headers
from missionops.wire.fault import Fault

_encode = msgspec.json.Encoder().encode

REFUSED_AS_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""SQLSTATE classes 22 and 23: this row will never be taken. Everything else may pass, or is ours."""


# Halving thousands of refused rows takes longer than the lease, and would be begun again for ever.
_TAKE_TIME = "SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = '60s'"

_PORTION = 2_000
"""Anomalies that are written at once, of 0.5 to 1.5 kB each."""
_MOST_KEPT = 4_000
"""Anomalies of one batch that are kept in memory until they are published; more are read back from the database."""

_Refusal = tuple[BatchEntry, Exception]


class StreamOrigin(NamedTuple):
    """Which stream a batch came from."""

    partition: int
    incarnation: int


class RecordedBatch(NamedTuple):
    """What became of a batch."""

    stored: int
    duplicates: int
    known: int
    """Those of the duplicates that only the database knew of."""
    refused: int
    """Rows that the database refused; they are among the letters."""
    letters: Sequence[DeadLetter]
    anomalies: Sequence[StoredAnomaly] | None
    """In the order of the stream; None if there are too many to hold: they have to be read back."""
    severities: Mapping[str, int]
    by_spacecraft: Mapping[str, tuple[int, int]]
    """How many snapshots of each spacecraft that has limits were judged, and how many anomalies they had."""


async def record(
    connection: Connection,
    batch: Batch,
    versions: Mapping[str, int],
    cache: LimitsCache,
    origin: StreamOrigin,
    *,
    ask_first: bool,
) -> RecordedBatch:
    """Store what is new in `batch`, judge it, and store what was found, in the caller's transaction.

    `versions` are the config versions in force, read in this transaction. With `ask_first` the database is asked what
    it has already; else only once it has found a repeat itself, which costs less where there is none. Rows that it
    refuses as data are left out and become letters.
    """
    fresh: Sequence[BatchEntry] = [*batch.entries.values()]
    added: Sequence[BatchEntry] = fresh
    refused: Sequence[DeadLetter] = ()
    if ask_first or await _try_to_add(connection, fresh):
        fresh = await _unknown(connection, batch)
        added, refused = await _add_all(connection, batch, fresh)
    found = _FoundAnomalies()
    by_spacecraft = _by_spacecraft(added)
    judged = {name: version for name, version in versions.items() if name in by_spacecraft}
    async for spacecraft_id, in_force in cache.read(connection, judged):
        entries = by_spacecraft[spacecraft_id]
        before = found.count
        for snapshot_rows in _judge(entries, in_force, origin):
            await found.add(connection, snapshot_rows)
        found.by_spacecraft[spacecraft_id] = len(entries), found.count - before
    await found.write(connection)
    known = len(batch.entries) - len(fresh)
    return RecordedBatch(
        stored=len(added),
        duplicates=batch.duplicates + known + len(fresh) - len(added) - len(refused),
        known=known,
        refused=len(refused),
        letters=sorted((*batch.letters, *refused), key=_place),
        anomalies=found.in_stream_order(),
        severities=found.severities,
        by_spacecraft=found.by_spacecraft,
    )


async def _unknown(connection: Connection, batch: Batch) -> Sequence[BatchEntry]:
    stored = await telemetry.stored(connection, batch.entries.keys())
    return [entry for identity, entry in batch.entries.items() if identity not in stored]


async def _add_all(
    connection: Connection, batch: Batch, entries: Sequence[BatchEntry]
) -> tuple[Sequence[BatchEntry], Sequence[DeadLetter]]:
    """Add what the database takes of `entries`; where it refuses one, of those that repeat its identity."""
    added, refused = await _add_willing(connection, entries)
    letters = [*_letters(refused)]
    while refused and (entries := batch.next_of(entry.snapshot.identity for entry, _ in refused)):
        more, refused = await _add_willing(connection, entries)
        added = sorted((*added, *more), key=_position)
        letters += _letters(refused)
    return added, letters


async def _add_willing(
    connection: Connection, entries: Sequence[BatchEntry]
) -> tuple[Sequence[BatchEntry], Sequence[_Refusal]]:
    """Add all that the database takes, halving what it does not until each refused row stands alone."""
    error = await _try_to_add(connection, entries)
    if error is None:
        return entries, []
    if _is_repeat(error):
        # What was there has been left out; whoever stored it since has our place. It is no fault of the snapshot.
        raise OwnershipLost("another instance has stored the same telemetry") from error
    if len(entries) == 1:
        return [], [(entries[0], error)]
    await connection.execute(_TAKE_TIME)
    middle = len(entries) // 2
    first, refused_first = await _add_willing(connection, entries[:middle])
    second, refused_second = await _add_willing(connection, entries[middle:])
    return [*first, *second], [*refused_first, *refused_second]


async def _try_to_add(connection: Connection, entries: Sequence[BatchEntry]) -> Exception | None:
    """Add all or none; returns why none."""
    rows = [((s := entry.snapshot).identity, s.text, entry.delivery.time // 1000) for entry in entries]
    # By hand: after an error asyncpg's own nested transaction stays open, and thousands inside one another
    # use up the server's locks.
    await connection.execute("SAVEPOINT attempt")
    try:
        await telemetry.add(connection, rows)
    except REFUSED_AS_DATA as error:
        await connection.execute("ROLLBACK TO attempt; RELEASE attempt")
        return error
    await connection.execute("RELEASE attempt")
    return None


def _is_repeat(error: Exception) -> bool:
    """Whether a row is there already, by the table's own key, and not by a rule that somebody has added to it."""
    name = error.constraint_name if isinstance(error, asyncpg.UniqueViolationError) else None
    return bool(name) and str(name).endswith("_pkey")


def _letters(refused: Iterable[_Refusal]) -> Iterator[DeadLetter]:
    parts: dict[int, list[bytes]] = {}  # of an array with many refused items, cut once
    for entry, error in refused:
        delivery, item = entry.delivery, entry.item
        reason = f"body: the database refuses it: {error}"
        encoding = headers.encoding_of(delivery.block)
        if encoding is None or not encoding.is_array(delivery.body):
            yield DeadLetter(Fault("refused", reason, None, delivery.body), delivery)
            continue
        if delivery.sequence not in parts:
            parts[delivery.sequence] = encoding.items(delivery.body)
        yield DeadLetter(Fault("refused", reason, item, parts[delivery.sequence][item]), delivery)


def _by_spacecraft(entries: Iterable[BatchEntry]) -> dict[str, list[BatchEntry]]:
    groups: dict[str, list[BatchEntry]] = {}
    for entry in entries:
        spacecraft_id = entry.snapshot.identity[0]
        if (group := groups.get(spacecraft_id)) is None:
            group = groups[spacecraft_id] = []
        group.append(entry)
    return groups


def _judge(entries: Sequence[BatchEntry], in_force: InForce, origin: StreamOrigin) -> Iterator[list[anomalies.Row]]:
    """The anomalies of one spacecraft's snapshots, snapshot by snapshot; those without any are passed over."""
    version, rules, _ = in_force
    sequence, ordinal = 0, 0
    for entry in entries:
        snapshot = entry.snapshot
        if rules.are_met(snapshot.values):
            continue
        if entry.delivery.sequence != sequence:
            sequence, ordinal = entry.delivery.sequence, 0
        found = anomaly.judge(snapshot, rules, version, entry.received)
        if found:
            yield [_row(one, origin, sequence, number) for number, one in enumerate(found, ordinal)]
            ordinal += len(found)


class _FoundAnomalies:
    """The anomalies of a batch: written in portions, and kept for publishing while they are few."""

    def __init__(self) -> None:
        self.count = 0
        self.severities: Counter[str] = Counter()
        self.by_spacecraft: dict[str, tuple[int, int]] = {}
        self._waiting: list[anomalies.Row] = []
        self._written: list[anomalies.Row] | None = []

    async def add(self, connection: Connection, rows: list[anomalies.Row]) -> None:
        """Take the anomalies of one snapshot; write what waits once it is a portion."""
        self.count += len(rows)
        self._waiting += rows
        if len(self._waiting) >= _PORTION:
            await self.write(connection)
            await asyncio.sleep(0)

    async def write(self, connection: Connection) -> None:
        """Write what waits; what is stored already is neither counted as found nor published again."""
        waiting, self._waiting = self._waiting, []
        rows = await anomalies.add(connection, waiting)
        self.severities.update(row[5] for row in rows)
        if self._written is not None:
            self._written += rows
            if self.count > _MOST_KEPT:
                self._written = None

    def in_stream_order(self) -> list[StoredAnomaly] | None:
        """What was written, as it is published; None if it was too much to keep."""
        if self._written is None:
            return None
        self._written.sort(key=_stream_order)
        return [StoredAnomaly(*row[:5], row[7]) for row in self._written]


def _stream_order(row: anomalies.Row) -> tuple[int, int]:
    return row[10], row[11]


def _row(found: Anomaly, origin: StreamOrigin, sequence: int, ordinal: int) -> anomalies.Row:
    return (
        found.spacecraft_id,
        found.timestamp,
        found.snapshot_id,
        found.parameter,
        found.kind,
        found.severity,
        found.config_version,
        _encode(found),
        *origin,
        sequence,
        ordinal,
    )


def _position(entry: BatchEntry) -> tuple[int, int]:
    return entry.delivery.sequence, entry.item


def _place(letter: DeadLetter) -> tuple[int, int]:
    return letter.delivery.sequence, -1 if letter.fault.item is None else letter.fault.item
