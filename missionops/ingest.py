"""What a batch means: new snapshots stored, judged, and their anomalies stored with them, on one connection."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from missionops import batch as batches
from missionops.batch import Batch, Entry, Letter
from missionops.database import Connection
from missionops.domain import anomaly
from missionops.domain.anomaly import Anomaly
from missionops.rulebook import InForce
from missionops.store import anomalies, telemetry
from missionops.store.anomalies import Stored
from missionops.wire.fault import Fault

_encode = msgspec.json.Encoder().encode

REFUSED_AS_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""SQLSTATE classes 22 and 23: this row will never be taken. Everything else may pass, or is ours."""


class Origin(NamedTuple):
    """Which stream a batch came from."""

    partition: int
    incarnation: int


class Outcome(NamedTuple):
    """What became of a batch."""

    stored: int
    duplicates: int
    letters: Sequence[Letter]
    anomalies: Sequence[Stored]
    severities: Mapping[str, int]


async def record(
    connection: Connection, batch: Batch, in_force: Mapping[str, InForce], origin: Origin, *, one_by_one: bool
) -> Outcome:
    """Store what is new in `batch`, judge it, and store what was found, in the caller's transaction.

    `one_by_one`: find the rows that the database refuses as data and leave them out; without it, such a row fails
    the transaction.
    """
    stored = await telemetry.stored(connection, batch.entries.keys())
    fresh = [entry for identity, entry in batch.entries.items() if identity not in stored]
    refused: list[Letter] = []
    if one_by_one:
        fresh, refused = await _add_willing(connection, fresh)
    else:
        await _add(connection, fresh)
    rows = _judged(fresh, in_force, origin)
    await anomalies.add(connection, rows)
    return Outcome(
        stored=len(fresh),
        duplicates=batch.duplicates + len(stored),
        letters=sorted((*batch.letters, *refused), key=_place),
        anomalies=[Stored(*row[:5], row[7]) for row in rows],
        severities=_count(rows),
    )


async def _add(connection: Connection, entries: Sequence[Entry]) -> None:
    await telemetry.add(
        connection,
        [(s.spacecraft_id, s.timestamp, s.id, s.text, received_at) for s, received_at, _, _ in entries],
    )


async def _add_willing(connection: Connection, entries: list[Entry]) -> tuple[list[Entry], list[Letter]]:
    """Add all that the database takes, halving what it does not until each refused row stands alone."""
    try:
        async with connection.transaction():
            await _add(connection, entries)
    except REFUSED_AS_DATA as error:
        if len(entries) == 1:
            return [], [_refused(entries[0], error)]
        middle = len(entries) // 2
        first, refused_first = await _add_willing(connection, entries[:middle])
        second, refused_second = await _add_willing(connection, entries[middle:])
        return first + second, refused_first + refused_second
    return entries, []


def _refused(entry: Entry, error: Exception) -> Letter:
    encoding = batches.encoding(entry.delivery.headers)
    body, item = entry.delivery.body, None
    if encoding.is_array(body):
        body, item = encoding.items(body)[entry.item], entry.item
    return Letter(Fault("refused", f"body: the database refuses it: {error}", item, body), entry.delivery)


def _judged(entries: Sequence[Entry], in_force: Mapping[str, InForce], origin: Origin) -> list[anomalies.Row]:
    rows: list[anomalies.Row] = []
    sequence, ordinal = 0, 0
    for snapshot, received_at, delivery, _ in entries:
        version, rules = in_force[snapshot.spacecraft_id]
        if not rules:
            continue
        if delivery.sequence != sequence:
            sequence, ordinal = delivery.sequence, 0
        for found in anomaly.judge(snapshot, rules, version, received_at):
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


def _place(letter: Letter) -> tuple[int, int]:
    return letter.delivery.sequence, -1 if letter.fault.item is None else letter.fault.item
