"""Stored snapshots column by column, in the order of their positions, for a fraction of what reading rows takes.

Snapshots whose clock cannot have been right stand at their reception: app.misdated_snapshot lists them.
"""

import math
import sys
from array import array
from collections.abc import Collection, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.episodes.episode import Position
from missionops.domain.parameter_set import Value
from missionops.domain.preview import portion as portions
from missionops.domain.preview.portion import Portion
from missionops.store.database import Connection
from missionops.store.parameter_sets import ParameterNames

MOST_BYTES = 2 << 20
"""Of the values in a portion; one snapshot may have more."""

_EPOCH = 946_684_800_000_000  # PostgreSQL counts its microseconds from 2000
_HEADER, _ELEMENT = 20, 12  # bytes of an array before its elements; of each its length and a double

_DATED = """
SELECT "timestamp" AS time, "timestamp", id, config_version, parameter_set_id, numbers, others
FROM app.snapshot AS stored
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $5 AND ("timestamp", "timestamp", id) > ($2, $3, $4)
    {is_dated}
ORDER BY "timestamp", id LIMIT $6
"""
_IS_DATED = """
AND NOT EXISTS (
    SELECT FROM app.misdated_snapshot AS misdated
    WHERE misdated.spacecraft_id = $1 AND misdated."timestamp" = stored."timestamp" AND misdated.id = stored.id
)
"""
_MISDATED = """
SELECT misdated.received_at, "timestamp", id, config_version, parameter_set_id, numbers, others
FROM app.misdated_snapshot AS misdated JOIN app.snapshot AS stored USING (spacecraft_id, "timestamp", id)
WHERE spacecraft_id = $1 AND misdated.received_at BETWEEN $2 AND $5
    AND (misdated.received_at, "timestamp", id) > ($2, $3, $4)
ORDER BY misdated.received_at, "timestamp", id LIMIT $6
"""
_MERGED = f"""
SELECT * FROM (({_DATED.format(is_dated=_IS_DATED)}) UNION ALL ({_MISDATED})) AS both_
ORDER BY time, "timestamp", id LIMIT $6
"""  # noqa: S608 - of our own texts

# `size` counts up to each snapshot, so the portion ends before it is too large; the first is in it, whatever its size.
_COLUMNS = """
SELECT string_agg(timestamptz_send(time), ''::bytea ORDER BY number),
       string_agg(timestamptz_send("timestamp"), ''::bytea ORDER BY number), array_agg(id ORDER BY number),
       string_agg(int4send(config_version), ''::bytea ORDER BY number),
       string_agg(int4send(coalesce(parameter_set_id, 0)), ''::bytea ORDER BY number),
       array_agg(coalesce(array_send(array_replace(numbers, NULL, 'NaN')), '') ORDER BY number),
       array_agg(others::text ORDER BY number) FILTER (WHERE others IS NOT NULL),
       array_agg(number - 1 ORDER BY number) FILTER (WHERE others IS NOT NULL)
FROM (
    SELECT *, row_number() OVER in_order AS number,
           sum(12 * coalesce(array_length(numbers, 1), 0) + coalesce(length(others::text), 0)) OVER in_order AS size
    FROM ({portion}) AS portion WINDOW in_order AS (ORDER BY time, "timestamp", id ROWS UNBOUNDED PRECEDING)
) AS sized WHERE size <= $7 OR number = 1
"""

_HAS_MISDATED = "SELECT EXISTS (SELECT FROM app.misdated_snapshot WHERE spacecraft_id = $1)"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class StoredPortion(NamedTuple):
    """Some snapshots one after another."""

    portion: Portion
    versions: Sequence[int]
    """Of the configs that judged them; 0 where none did."""


class SnapshotColumns:
    """The snapshots of one spacecraft up to a time."""

    def __init__(self, spacecraft_id: str, names: ParameterNames, until: int) -> None:
        self._spacecraft_id = spacecraft_id
        self._names = names
        self._until = timestamp.from_microseconds(until)

    async def after(
        self, connection: Connection, position: Position, count: int, wanted: Collection[str]
    ) -> StoredPortion:
        """At most so many after a position, with the columns of these parameters; fewer where they are large.

        None are left where it is empty.
        """
        has_misdated = await connection.fetchval(_HAS_MISDATED, self._spacecraft_id)
        query = _COLUMNS.format(portion=_MERGED if has_misdated else _DATED.format(is_dated=""))
        time, stamp = map(timestamp.from_microseconds, position[:2])
        row = await connection.fetchrow(
            query, self._spacecraft_id, time, stamp, position[2], self._until, count, MOST_BYTES
        )
        if row is None or row[2] is None:
            return StoredPortion(Portion([], [], [], {}), [])
        times, stamps, ids, versions, sets, numbers, others, places = row
        columns: dict[str, list[Value]] = {name: [None] * len(ids) for name in wanted}
        by_form: dict[tuple[int, int], list[int]] = {}
        for place, form in enumerate(zip(_integers("i", sets), map(len, numbers), strict=True)):
            by_form.setdefault(form, []).append(place)
        for (identifier, size), those in by_form.items():
            names = await self._names.of(connection, identifier or None)
            _add_numbers(columns, names, size, those, numbers)
        for place, text in zip(places or (), others or (), strict=True):
            for name, value in _decode(text).items():
                if name in columns:
                    columns[name][place] = value
        portion = Portion(
            [time + _EPOCH for time in _integers("q", times)],
            [stamp + _EPOCH for stamp in _integers("q", stamps)],
            ids,
            {name: portions.column(values) for name, values in columns.items()},
        )
        return StoredPortion(portion, _integers("i", versions))


def _add_numbers(
    columns: dict[str, list[Value]], names: Sequence[str], size: int, places: Sequence[int], numbers: Sequence[bytes]
) -> None:
    """Put the numbers of snapshots with one parameter set into their columns; each has so many bytes of numbers."""
    positions = tuple(position for position in range((size - _HEADER) // _ELEMENT) if names[position] in columns)
    if not positions:
        return
    rows = _struct(positions, size).iter_unpack(b"".join([numbers[place] for place in places]))
    for position, values in zip(positions, zip(*rows, strict=True), strict=True):
        column, has_gaps = columns[names[position]], math.isnan(sum(values))  # or the sum is too large
        if len(places) == len(column) and not has_gaps:
            column[:] = values
        else:
            for place, value in zip(places, values, strict=True):
                column[place] = None if math.isnan(value) else value


@lru_cache(maxsize=256)
def _struct(positions: Sequence[int], size: int) -> Struct:
    """What reads the elements at these positions from an array of so many bytes."""
    form, end = f"!{_HEADER}x", 0
    for position in positions:
        form += f"{(position - end) * _ELEMENT + 4}xd"
        end = position + 1
    return Struct(f"{form}{size - _HEADER - end * _ELEMENT}x")


def _integers(kind: str, data: bytes) -> list[int]:
    """Integers as the server sends them, the greatest byte first."""
    found: array[int] = array(kind)
    found.frombytes(data)
    if sys.byteorder == "little":
        found.byteswap()
    return found.tolist()
