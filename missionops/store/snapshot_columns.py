"""Stored snapshots column by column, in the order of their positions, for a fraction of what reading rows takes.

Snapshots whose clock cannot have been right stand at their reception: app.misdated_snapshot lists them.
"""

import math
import sys
from array import array
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.episodes.episode import Position
from missionops.domain.parameter_set import Value
from missionops.domain.preview import portion as portions
from missionops.domain.preview.portion import SnapshotPortion
from missionops.store import rows, samples
from missionops.store.database import EPOCH, Connection
from missionops.store.judged_snapshots import HAS_MISDATED, IS_DATED

MOST_PARAMETERS = 1_600
"""Of one portion: the server gives a row no more columns."""

_MOST_VALUES = 500_000
"""In one portion."""

_DATED = """
SELECT "timestamp" AS time, "timestamp", id, config_version, parameter_set_id, numbers, others
FROM app.snapshot AS stored
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $5 AND ("timestamp", "timestamp", id) > ($2, $3, $4)
    {is_dated}
ORDER BY "timestamp", id LIMIT $6
"""
_MISDATED = """
SELECT misdated.received_at, "timestamp", id, config_version, parameter_set_id, numbers, others
FROM app.misdated_snapshot AS misdated JOIN app.snapshot AS stored USING (spacecraft_id, "timestamp", id)
WHERE spacecraft_id = $1 AND misdated.received_at BETWEEN $2 AND $5
    AND (misdated.received_at, "timestamp", id) > ($2, $3, $4)
ORDER BY misdated.received_at, "timestamp", id LIMIT $6
"""
_MERGED = f"""
SELECT * FROM (({_DATED.format(is_dated=f"AND {IS_DATED}")}) UNION ALL ({_MISDATED})) AS merged
ORDER BY time, "timestamp", id LIMIT $6
"""  # noqa: S608 - of our own texts

# What is small is read here, and what may be of any size by `_LARGE`. The rows of the subquery come in its order, and
# OFFSET 0 keeps it apart: each array of numbers is unpacked once there, however many of them are taken from it.
_IS_SMALL = "pg_column_size(others) < 2000 AND pg_column_compression(others) IS NULL"
_COLUMNS = """
SELECT string_agg(timestamptz_send(time), ''::bytea), string_agg(timestamptz_send("timestamp"), ''::bytea),
       array_agg(id), string_agg(int4send(config_version), ''::bytea),
       array_agg(others::text) FILTER (WHERE {is_small}), array_agg(number::integer) FILTER (WHERE {is_small}),
       coalesce(bool_or(NOT ({is_small})), false) {columns}
FROM (
    SELECT time, "timestamp", id, config_version, others, array_cat(numbers, '{{}}') AS numbers,
           array_position($7::integer[], parameter_set_id) AS place, row_number() OVER () - 1 AS number
    FROM ({portion}) AS portion OFFSET 0
) AS unpacked
"""
_NUMBERS = ", string_agg(float8send(coalesce(numbers[(${argument}::integer[])[place]], 'NaN')), ''::bytea)"
_LARGE = f"""
SELECT "timestamp", id, others FROM ({{portion}}) AS portion WHERE NOT ({_IS_SMALL})
"""  # noqa: S608 - of our own texts


_decode = msgspec.json.Decoder(dict[str, Any]).decode


class StoredPortion(NamedTuple):
    """Some snapshots one after another."""

    portion: SnapshotPortion
    versions: Sequence[int]
    """Of the configs that judged them; 0 where none did."""


NONE_LEFT = StoredPortion(SnapshotPortion([], [], [], {}), [])


class SnapshotColumns:
    """The snapshots of one spacecraft up to a time."""

    def __init__(self, spacecraft_id: str, until: int) -> None:
        self._spacecraft_id = spacecraft_id
        self._until = timestamp.from_microseconds(until)

    async def after(
        self, connection: Connection, position: Position, count: int, wanted: Collection[str]
    ) -> StoredPortion:
        """At most so many after a position, in a transaction, with the columns of these parameters; or NONE_LEFT."""
        has_misdated = await connection.fetchval(HAS_MISDATED, self._spacecraft_id)
        portion = _MERGED if has_misdated else _DATED.format(is_dated="")
        where = await samples.columns(connection, self._spacecraft_id, sorted(wanted))
        placed = zip(sorted(wanted), where.positions, strict=True)
        positions = {name: each for name, each in placed if any(one is not None for one in each)}
        numbers = "".join(_NUMBERS.format(argument=argument) for argument in range(8, 8 + len(positions)))
        query = _COLUMNS.format(portion=portion, columns=numbers, is_small=_IS_SMALL)
        time, stamp = map(timestamp.from_microseconds, position[:2])
        fewer = min(count, _MOST_VALUES // (len(positions) + 1))
        arguments = self._spacecraft_id, time, stamp, position[2], self._until, fewer
        [row] = await connection.fetch(query, *arguments, where.sets, *positions.values())
        time_column, stamp_column, ids, versions, small_others, small_places, has_large, *number_columns = row
        if ids is None:
            return NONE_LEFT
        times, stamps = ([one + EPOCH for one in _unpacked("q", column)] for column in (time_column, stamp_column))
        columns: dict[str, list[Value]] = {}
        for name, column in zip(positions, number_columns, strict=True):
            doubles = _unpacked("d", column)
            # NaN is no number that could be stored. The sum of numbers that are too large for a sum may be NaN, too.
            has_nan = math.isnan(sum(doubles))
            columns[name] = [None if math.isnan(one) else one for one in doubles] if has_nan else doubles
        add = partial(_add, columns, frozenset(wanted), len(ids))
        for place, text in zip(small_places or (), small_others or (), strict=True):
            add(place, _decode(text))
        if has_large:
            places = {key: place for place, key in enumerate(zip(stamps, ids, strict=True))}
            async for at, identifier, others in rows.rows(connection, _LARGE.format(portion=portion), *arguments):
                if (found := places.get((timestamp.to_microseconds(at), identifier))) is not None:
                    add(found, _decode(others))
        found_columns = {name: portions.column(values) for name, values in columns.items()}
        return StoredPortion(SnapshotPortion(times, stamps, ids, found_columns), _unpacked("i", versions))


def _add(
    columns: dict[str, list[Value]], wanted: Collection[str], length: int, place: int, others: Mapping[str, Value]
) -> None:
    """Put the values of one snapshot that are no numbers in `numbers` where they belong."""
    for name, value in others.items():
        if name in wanted and value is not None:
            if name not in columns:
                columns[name] = [None] * length
            columns[name][place] = value


def _unpacked(typecode: str, data: bytes) -> list[Any]:
    """Integers or doubles as the server sends them, the greatest byte first."""
    found: array[Any] = array(typecode)
    found.frombytes(data)
    if sys.byteorder == "little":
        found.byteswap()
    return found.tolist()
