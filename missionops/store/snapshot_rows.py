"""Snapshots into their table, by COPY (FORMAT binary): https://www.postgresql.org/docs/18/sql-copy.html.

asyncpg's own writing of a row takes several times as long. Nearly all snapshots have the names and types of earlier
ones: for these a plan says once where each value goes, and one `struct` writes all numbers. What has no plan is written
value by value.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import msgspec
from msgspec import UnsetType

from missionops.domain import parameter_set, timestamp
from missionops.domain.number import LARGEST_EXACT
from missionops.domain.parameter_set import ParameterSet, Value
from missionops.domain.snapshot import ParameterValues, Snapshot, SnapshotKey
from missionops.store import database, partitions
from missionops.store.database import EPOCH, Connection

COLUMNS = (
    "config_version", "spacecraft_id", "timestamp", "received_at", "id", "parameter_set_id", "numbers", "others",
)  # fmt: skip
"""In the order of a row."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"

_REFUSED_AS_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""SQLSTATE classes 22 and 23: this row will never be taken. Everything else may pass, or is a fault of ours."""

_MOST_PLANS = 64
"""For the values of one class with one set: a publisher may write whole numbers as integers, each now and then."""
_MOST_SETS = 16
"""For the values of one class."""
_FLOAT8 = 701  # its number for double precision
_NULL = b"\xff\xff\xff\xff"  # the length of no value
_NO_NUMBERS = _NULL + _NULL  # neither set nor numbers

_length = Struct("!i").pack
_version_and_length = Struct("!hiii").pack
_times_and_length = Struct("!iqiqi").pack
_array = Struct("!iiiiiiii").pack
_element = Struct("!id").pack
_encode = msgspec.json.Encoder().encode
_values = msgspec.structs.astuple


Writer: TypeAlias = Callable[[Snapshot, int], tuple[bytes, Sequence[str]]]
"""Takes a snapshot and when it was received (microseconds since 1970); returns its row as COPY takes it, and the names
of numbers that the parameter set has not: their values are among `others`."""


def writer(
    spacecraft_id: str,
    config_version: int,
    values_class: type[ParameterValues | dict[str, Value]],
    known: ParameterSet | None,
) -> Writer:
    """What writes the rows of one spacecraft's snapshots, with values of one class and the parameter set to use."""
    name = spacecraft_id.encode()
    begin = _version_and_length(len(COLUMNS), 4, config_version, len(name)) + name
    plans: dict[tuple[type, ...], _Plan] | None = None
    if issubclass(values_class, ParameterValues):
        set_id = known and known.id
        if set_id not in values_class.writers and len(values_class.writers) >= _MOST_SETS:
            values_class.writers.clear()
        plans = values_class.writers.setdefault(set_id, {})

    def write(snapshot: Snapshot, received: int) -> tuple[bytes, Sequence[str]]:
        """The hot loop: for types that came before, a plan says where each value goes."""
        _, time, identifier = snapshot.identity
        plan = None
        if plans is not None:
            by_position = _values(snapshot.values)  # type: ignore[arg-type] # by position, as there are plans
            types = tuple(map(type, by_position))
            plan = plans.get(types)
            if plan is None and len(plans) < _MOST_PLANS:
                plan = plans[types] = _made(list(values_class.fields), types, known)  # type: ignore[union-attr] # as above
            if plan and plan.integers and max(map(abs, plan.integers(by_position))) > LARGEST_EXACT:
                plan = None
        if plan is None:
            numbers, others, unplaced = _one_by_one(snapshot.parameters, known)
        else:
            pick, _, pack, constant, size, others_at, unplaced = plan
            numbers, others = _NO_NUMBERS, _NULL
            if pack:
                packed = int.from_bytes(pack(*pick(by_position)), "big") | constant
                numbers = packed.to_bytes(size, "big")
            if others_at:
                text = _encode({name: by_position[index] for name, index in others_at})
                others = _length(len(text)) + text
        own = identifier.encode()
        times = _times_and_length(8, time - EPOCH, 8, received - EPOCH, len(own))
        return b"".join((begin, times, own, numbers, others)), unplaced

    return write


def _array_head(known: ParameterSet, count: int, nulls: int) -> bytes:
    """The id of the set, and the beginning of an array of so many numbers, some of which may be missing."""
    length = 20 + 12 * (count - nulls) + 4 * nulls
    return _array(4, known.id, length, 1, int(nulls > 0), _FLOAT8, count, 1)


def _one_by_one(values: dict[str, Value], known: ParameterSet | None) -> tuple[bytes, bytes, Sequence[str]]:
    """Set and numbers, others, and which numbers have no place."""
    found = parameter_set.split(values, known.positions if known else {})
    numbers, others = _NO_NUMBERS, _NULL
    if known and found.numbers:
        elements = [_NULL if number is None else _element(8, number) for number in found.numbers]
        numbers = _array_head(known, len(elements), found.numbers.count(None)) + b"".join(elements)
    if found.others:
        text = _encode(found.others)
        others = _length(len(text)) + text
    return numbers, others, found.unplaced


_Picked = Callable[[Sequence[Any]], Sequence[Any]]


class _Plan(NamedTuple):
    """How values of one class, of certain types, are written with one parameter set."""

    numbers: _Picked
    """Those that go to `numbers`, by rising position."""
    integers: _Picked | None
    """Those that a double may not hold; None if there is none."""
    pack: Callable[..., bytes] | None
    """Set and numbers with zeros for all that is constant; None if there is no number."""
    constant: int
    """What is constant: the set, the head of the array, and the length before each number."""
    size: int
    others: Sequence[tuple[str, int]]
    """Names of what goes to `others`, and where the value stands."""
    unplaced: Sequence[str]


def _made(names: Sequence[str], types: Sequence[type], known: ParameterSet | None) -> _Plan:
    positions = known.positions if known else {}
    is_number = [one is float or one is int for one in types]
    placed = {positions[name]: index for index, name in enumerate(names) if is_number[index] and name in positions}
    pack, constant, size = None, 0, 0
    if known and placed:
        count = max(placed) + 1
        head = _array_head(known, count, count - len(placed))
        elements = [_length(8) + bytes(8) if position in placed else _NULL for position in range(count)]
        form = ["4xd" if position in placed else "4x" for position in range(count)]
        pack = Struct(f"!{len(head)}x{''.join(form)}").pack
        written = head + b"".join(elements)
        constant, size = int.from_bytes(written, "big"), len(written)
    return _Plan(
        _picked([placed[position] for position in sorted(placed)]),
        _picked(integers) if (integers := [index for index, one in enumerate(types) if one is int]) else None,
        pack,
        constant,
        size,
        [(name, index) for index, name in enumerate(names)
         if types[index] is not UnsetType and not (is_number[index] and name in positions)],
        [name for index, name in enumerate(names) if is_number[index] and name not in positions],
    )  # fmt: skip


def _picked(indexes: Sequence[int]) -> _Picked:
    """A function that gives the values at these places; those side by side are cut out, which is faster."""
    if not indexes:
        return lambda _: ()
    first, last = indexes[0], indexes[-1] + 1
    if last - first == len(indexes):
        return itemgetter(slice(first, last))
    return itemgetter(*indexes)


# OFFSET 0 keeps the planner from making a join of it, for which it would read the whole table: each is looked up in its
# own partition, in a time that does not grow with what is stored. Between $4 and $5, which are known before the first
# look, lie all of them: other partitions are not even opened.
_STORED = """
SELECT spacecraft_id, time, id
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (spacecraft_id, time, id)
WHERE EXISTS (
    SELECT FROM app.snapshot AS stored
    WHERE stored.spacecraft_id = wanted.spacecraft_id AND stored.id = wanted.id
        AND stored."timestamp" = timestamptz 'epoch' + wanted.time * interval '1 microsecond'
        AND stored."timestamp" BETWEEN $4 AND $5
    OFFSET 0
)
"""


async def stored(connection: Connection, identities: Collection[SnapshotKey]) -> set[SnapshotKey]:
    """Those of `identities` that are in the table."""
    if not identities:
        return set()
    spacecraft_ids, times, ids = map(list, zip(*identities, strict=True))
    between = map(timestamp.from_microseconds, (min(times), max(times)))
    return {(row[0], row[1], row[2]) for row in await connection.fetch(_STORED, spacecraft_ids, times, ids, *between)}


async def add(connection: Connection, rows: Sequence[bytes]) -> Exception | None:
    """Add snapshots as `write` writes them; returns why none was added, if the database refuses one of them as data.

    In a transaction. One that is stored already is refused, too. Unavailable where the table has no partition for one
    of them any more.
    """

    async def written() -> AsyncIterator[bytes]:
        yield b"".join((_HEADER, *rows, _END))

    if not rows:
        return None
    # Savepoints by hand: after an error asyncpg's own nested transaction stays open, and thousands inside one another
    # use up the server's locks.
    await connection.execute("SAVEPOINT attempt")
    try:
        await database.copy_chunks(connection, "snapshot", COLUMNS, written())
    except _REFUSED_AS_DATA as error:
        if isinstance(error, asyncpg.CheckViolationError):
            partitions.raise_if_missing(error)
        await connection.execute("ROLLBACK TO attempt; RELEASE attempt")
        return error
    await connection.execute("RELEASE attempt")
    return None
