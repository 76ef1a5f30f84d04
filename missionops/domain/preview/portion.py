"""Portions: some snapshots one after another, column by column."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from missionops.domain.episodes.episode import Position
from missionops.domain.number import plain
from missionops.domain.parameter_set import Value, is_number


class Column(NamedTuple):
    """The values of one parameter in a portion."""

    values: Sequence[Value]
    """One for each snapshot, None where it carries none; numbers as they are stored, whole ones perhaps as floats."""
    numbers: list[float]
    """Those among them."""
    carried: int
    """How many snapshots carry the parameter."""

    @property
    def are_numbers(self) -> bool:
        """Whether each snapshot has a number."""
        return len(self.numbers) == len(self.values)

    def value(self, index: int) -> Value:
        """A value as it was reported."""
        value = self.values[index]
        return plain(value) if isinstance(value, float) else value


class SnapshotPortion(NamedTuple):
    """Some snapshots one after another, in the order of their positions."""

    times: Sequence[int]
    stamps: Sequence[int]
    """Their timestamps."""
    ids: Sequence[str]
    columns: Mapping[str, Column]
    """By parameter; none of those that no snapshot reports."""

    def position(self, index: int) -> Position:
        """Where a snapshot stands."""
        return self.times[index], self.stamps[index], self.ids[index]

    def cut(self, start: int, end: int) -> "SnapshotPortion":
        """A part of it."""
        if (start, end) == (0, len(self.ids)):
            return self
        columns = {name: column(one.values[start:end]) for name, one in self.columns.items()}
        return SnapshotPortion(self.times[start:end], self.stamps[start:end], self.ids[start:end], columns)


def column(values: Sequence[Value]) -> Column:
    """A column of these values."""
    numbers = [value for value in values if is_number(value)]
    carried = len(numbers)
    if carried < len(values):
        carried = len(values) - values.count(None)
    return Column(values, numbers, carried)
