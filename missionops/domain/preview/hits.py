"""Hits: which samples of a column need their fold; while nothing is open, it is told of no other."""

from collections.abc import Sequence
from itertools import pairwise

from missionops.domain.checks.change import ChangeCheck
from missionops.domain.checks.limit import LimitCheck
from missionops.domain.checks.state import StateCheck
from missionops.domain.number import plain
from missionops.domain.parameter_set import is_number
from missionops.domain.preview.portion import Column
from missionops.domain.timestamp import SECOND

_ROUNDED = 1 - 1e-9
"""Differences of doubles are rounded: what nearly reaches a limit is a hit."""


def of_limit(check: LimitCheck, column: Column) -> Sequence[int]:
    """The places of the numbers outside the bands."""
    low, high = check.low, check.high
    if not column.numbers or (low <= min(column.numbers) and max(column.numbers) <= high):
        return ()
    if column.are_numbers:
        return [place for place, number in enumerate(column.values) if not low <= number <= high]  # type: ignore[operator]
    return [place for place, value in enumerate(column.values) if is_number(value) and not low <= value <= high]


def of_state(check: StateCheck, column: Column) -> Sequence[int]:
    """The places of the states that are anomalies."""
    if len(column.numbers) == column.carried and not check.takes_numbers:
        return ()
    bad = {
        (class_, value)
        for class_, value in {(value.__class__, value) for value in column.values}
        if (found := check.judge(plain(value) if isinstance(value, float) else value)) and found.level
    }
    return [place for place, value in enumerate(column.values) if (value.__class__, value) in bad] if bad else ()


def of_change(check: ChangeCheck, column: Column, times: Sequence[int]) -> Sequence[int]:
    """The places of the numbers that may differ too much from the one before.

    The first two are among them: earlier portions have what they are compared with, perhaps of the time of the first.
    """
    if not column.numbers:
        return ()
    if column.are_numbers:
        places: Sequence[int] = range(len(times))
    else:
        places = [place for place, value in enumerate(column.values) if is_number(value)]
        times = [times[place] for place in places]
    if any(one >= other for one, other in pairwise(times)):
        return places  # several at one time: the fold knows with which of them to compare
    numbers, limit = column.numbers, check.limits[-1][2] * _ROUNDED
    changes = [abs(later - number) for number, later in pairwise(numbers)]
    if check.is_per_second:
        spans = (later - time for time, later in pairwise(times))
        changes = [change * SECOND / span for change, span in zip(changes, spans, strict=True)]
    return [*places[:2], *(places[place] for place, change in enumerate(changes[1:], 2) if change >= limit)]
