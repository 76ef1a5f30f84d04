"""What a batch means: new snapshots stored, judged, and their anomalies stored with them, on one connection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from missionops import batch as batches
from missionops.batch import Batch, Entry, Letter
from missionops.database import Connection
from missionops.domain import anomaly
from missionops.domain.anomaly import Anomaly
from missionops.errors import Lost
from missionops.rulebook import InForce
from missionops.store import anomalies, telemetry
from missionops.store.anomalies import Stored
from missionops.wire.fault import Fault

_encode = msgspec.json.Encoder().encode

REFUSED_AS_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""SQLSTATE classes 22 and 23: this row will never be taken. Everything else may pass, or is ours."""


# Halving thousands of refused rows takes longer than the lease, and would be begun again for ever.
_TAKE_TIME = "SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = '60s'"

_Refusal = tuple[Entry, Exception]


class Origin(NamedTuple):
    """Which stream a batch came from."""

    partition: int
    incarnation: int


class Outcome(NamedTuple):
    """What became of a batch."""

    stored: int
    duplicates: int
    known: int
    """Those of the duplicates that only the database knew of."""
    refused: int
    """Rows that the database refused; they are among the letters."""
    letters: Sequence[Letter]
    anomalies: Sequence[Stored]
    severities: Mapping[str, int]


async def record(
    connection: Connection, batch: Batch, in_force: Mapping[str, InForce], origin: Origin, *, ask_first: bool
) -> Outcome:
    """Store what is new in `batch`, judge it, and store what was found, in the caller's transaction.

    With `ask_first` the database is asked what it has already; else only once it has found a repeat itself, which
    costs less where there is none. Rows that it refuses as data are left out and become letters.
    """
    fresh: Sequence[Entry] = [*batch.entries.values()]
    added: Sequence[Entry] = fresh
    refused: Sequence[Letter] = ()
    if ask_first or await _try_to_add(connection, fresh):
        fresh = await _unknown(connection, batch)
        added, refused = await _add_all(connection, batch, fresh)
    rows = await anomalies.add(connection, _judged(added, in_force, origin))
    known = len(batch.entries) - len(fresh)
    return Outcome(
        stored=len(added),
        duplicates=batch.duplicates + known + len(fresh) - len(added) - len(refused),
        known=known,
        refused=len(refused),
        letters=sorted((*batch.letters, *refused), key=_place),
        anomalies=[Stored(*row[:5], row[7]) for row in rows],
        severities=_count(rows),
    )


async def _unknown(connection: Connection, batch: Batch) -> Sequence[Entry]:
    stored = await telemetry.stored(connection, batch.entries.keys())
    return [entry for identity, entry in batch.entries.items() if identity not in stored]


async def _add_all(
    connection: Connection, batch: Batch, entries: Sequence[Entry]
) -> tuple[Sequence[Entry], Sequence[Letter]]:
    """Add what the database takes of `entries`; where it refuses one, of those that repeat its identity."""
    added, refused = await _add_willing(connection, entries)
    letters = [*_letters(refused)]
    while refused and (entries := batch.next_of(entry.snapshot.identity for entry, _ in refused)):
        more, refused = await _add_willing(connection, entries)
        added = sorted((*added, *more), key=_position)
        letters += _letters(refused)
    return added, letters


async def _add_willing(connection: Connection, entries: Sequence[Entry]) -> tuple[Sequence[Entry], Sequence[_Refusal]]:
    """Add all that the database takes, halving what it does not until each refused row stands alone."""
    error = await _try_to_add(connection, entries)
    if error is None:
        return entries, []
    if _is_repeat(error):
        # What was there has been left out; whoever stored it since has our place. It is no fault of the snapshot.
        raise Lost("another instance has stored the same telemetry") from error
    if len(entries) == 1:
        return [], [(entries[0], error)]
    await connection.execute(_TAKE_TIME)
    middle = len(entries) // 2
    first, refused_first = await _add_willing(connection, entries[:middle])
    second, refused_second = await _add_willing(connection, entries[middle:])
    return [*first, *second], [*refused_first, *refused_second]


async def _try_to_add(connection: Connection, entries: Sequence[Entry]) -> Exception | None:
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


def _letters(refused: Iterable[_Refusal]) -> Iterator[Letter]:
    parts: dict[int, list[bytes]] = {}  # of an array with many refused items, cut once
    for entry, error in refused:
        delivery, item = entry.delivery, entry.item
        reason = f"body: the database refuses it: {error}"
        encoding = batches.encoding_of(delivery.block)
        if encoding is None or not encoding.is_array(delivery.body):
            yield Letter(Fault("refused", reason, None, delivery.body), delivery)
            continue
        if delivery.sequence not in parts:
            parts[delivery.sequence] = encoding.items(delivery.body)
        yield Letter(Fault("refused", reason, item, parts[delivery.sequence][item]), delivery)


def _judged(entries: Sequence[Entry], in_force: Mapping[str, InForce], origin: Origin) -> list[anomalies.Row]:
    rows: list[anomalies.Row] = []
    sequence, ordinal = 0, 0
    for entry in entries:
        snapshot = entry.snapshot
        version, rules = in_force[snapshot.identity[0]]
        if rules.are_met(snapshot.values):
            continue
        if entry.delivery.sequence != sequence:
            sequence, ordinal = entry.delivery.sequence, 0
        for found in anomaly.judge(snapshot, rules, version, entry.received):
            rows.append(_row(found, origin, sequence, ordinal))
            ordinal += 1
    return rows


def _row(found: Anomaly, origin: Origin, sequence: int, ordinal: int) -> anomalies.Row:
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


def _count(rows: Sequence[anomalies.Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[5]] = counts.get(row[5], 0) + 1
    return counts


def _position(entry: Entry) -> tuple[int, int]:
    return entry.delivery.sequence, entry.item


def _place(letter: Letter) -> tuple[int, int]:
    return letter.delivery.sequence, -1 if letter.fault.item is None else letter.fault.item
