"""Parameter sets: names in order. A stored set says which number is which in a stored snapshot."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeGuard, cast

from missionops.domain.number import LARGEST_EXACT, plain

Value = bool | int | float | str | None
"""What a parameter may be; None where it was reported to have no value."""


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number: a boolean, which Python takes for one, is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def digest(names: Iterable[str]) -> bytes:
    """16 bytes that stand for these names, which are sorted."""
    return hashlib.blake2b("\0".join(names).encode(), digest_size=16).digest()


class ParameterSet:
    """A stored set: its id and its names, sorted. It never changes."""

    def __init__(self, identifier: int, names: Sequence[str]) -> None:
        self.id = identifier
        self.names = tuple(names)
        self.positions = {name: position for position, name in enumerate(self.names)}
        """Where in `numbers` each of them stands, from 0."""


class StoredValues(NamedTuple):
    """The values of one snapshot as they are stored."""

    numbers: list[float | None]
    """By position, as far as the last one; None where there is no number."""
    others: dict[str, Value]
    """By name: what is no double, and numbers whose names are not in the set."""
    unplaced: list[str]
    """The names of those numbers."""


def is_double(value: Value) -> bool:
    """Whether a double holds the value without loss; a boolean is none. Larger integers are kept as text."""
    if isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and -LARGEST_EXACT <= value <= LARGEST_EXACT


def split(values: Mapping[str, Value], positions: Mapping[str, int]) -> StoredValues:
    """The values as they are stored with a set that has its names at these positions."""
    placed: dict[int, float] = {}
    found = StoredValues([], {}, [])
    for name, value in values.items():
        if not is_double(value):
            found.others[name] = value
        elif (position := positions.get(name)) is not None:
            placed[position] = cast("float", value)
        else:
            found.others[name] = value
            found.unplaced.append(name)
    if placed:
        found.numbers.extend(placed.get(position) for position in range(max(placed) + 1))
    return found


def joined(names: Sequence[str], numbers: Sequence[float | None], others: dict[str, Value]) -> dict[str, Value]:
    """The values of a stored snapshot by name, in the order of the names; a whole number is an integer again."""
    values: dict[str, Value] = {
        name: plain(number) for name, number in zip(names, numbers, strict=False) if number is not None
    }
    return dict(sorted((values | others).items())) if others else values
