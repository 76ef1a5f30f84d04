"""Rows that the database refuses as data, found by halving: all others are stored."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import asyncpg

from missionops.errors import OwnershipLost
from missionops.ingest.batch import Batch, BatchEntry, DeadLetter
from missionops.store import snapshot_rows
from missionops.store.database import Connection
from missionops.wire import headers
from missionops.wire.fault import Fault

# Halving thousands of refused rows takes longer than the lease, and would be begun again for ever.
_TAKE_TIME = "SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = '60s'"


RowsOf: TypeAlias = Callable[[Sequence[BatchEntry]], Sequence[bytes]]
"""The rows of snapshots, as COPY takes them."""


class Refusal(NamedTuple):
    """A row that the database refused, and its reason."""

    entry: BatchEntry
    error: Exception


async def add(
    connection: Connection, batch: Batch, entries: Sequence[BatchEntry], rows_of: RowsOf
) -> tuple[Sequence[BatchEntry], list[Refusal]]:
    """Store what the database takes of `entries`; returns what was stored and what was refused.

    What was stored is in stream order, for each spacecraft at least.
    Where the database refuses a snapshot, the next one of the batch with the same key is tried.
    """
    added, refused = await _add_by_halves(connection, entries, rows_of)
    refusals = [*refused]
    while refused and (entries := batch.next_of(entry.snapshot.identity for entry, _ in refused)):
        more, refused = await _add_by_halves(connection, entries, rows_of)
        added = sorted((*added, *more), key=lambda entry: (entry.delivery.sequence, entry.item))
        refusals += refused
    return added, refusals


async def _add_by_halves(
    connection: Connection, entries: Sequence[BatchEntry], rows_of: RowsOf
) -> tuple[Sequence[BatchEntry], list[Refusal]]:
    error = await snapshot_rows.add(connection, rows_of(entries))
    if error is None:
        return entries, []
    constraint = error.constraint_name if isinstance(error, asyncpg.UniqueViolationError) else None
    if constraint and str(constraint).endswith("_pkey"):
        # What was stored before has been left out, so another instance has stored it since: it has our partition. The
        # table's own key says so, and not a rule that somebody has added to it.
        raise OwnershipLost("another instance has stored the same telemetry") from error
    if len(entries) == 1:
        return [], [Refusal(entries[0], error)]
    await connection.execute(_TAKE_TIME)
    middle = len(entries) // 2
    first, refused_first = await _add_by_halves(connection, entries[:middle], rows_of)
    second, refused_second = await _add_by_halves(connection, entries[middle:], rows_of)
    return [*first, *second], [*refused_first, *refused_second]


def dead_letters(batch: Batch, refusals: Iterable[Refusal]) -> Sequence[DeadLetter]:
    """Those of a batch and one for each refused row, which of an array has its own item's bytes; in stream order."""
    found = batch.letters.copy()
    items: dict[int, list[bytes]] = {}  # of an array with many refused items, cut once
    for entry, error in refusals:
        delivery, item = entry.delivery, entry.item
        reason = f"body: the database refuses it: {error}"
        encoding = headers.encoding_of(delivery.block)
        if encoding is None or not encoding.is_array(delivery.body):
            found.append(DeadLetter(Fault("refused", reason, None, delivery.body), delivery))
            continue
        if delivery.sequence not in items:
            items[delivery.sequence] = encoding.items(delivery.body)
        found.append(DeadLetter(Fault("refused", reason, item, items[delivery.sequence][item]), delivery))
    return sorted(found, key=lambda one: (one.delivery.sequence, -1 if one.fault.item is None else one.fault.item))
