"""Digests: quantiles of many numbers from a few means (the merging t-digest of Dunning, arXiv 1902.04023).

Means near the ends stand for few numbers and those in the middle for many, so the 1st and the 99th percentile are off
by a few tenths of a percent of the ranks at most. Up to 50 numbers are kept as they are.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import msgspec

_MOST = 50
"""Means of one digest, about."""
_SCALE = 2 * math.pi / (2 * _MOST)
_BOUNDS = [(math.sin(_SCALE * (place - _MOST / 2)) + 1) / 2 for place in range(_MOST + 1)]
"""Between which shares of all numbers a mean lies, where many numbers become one digest."""

Mean = tuple[float, int]
"""A mean, and of how many numbers."""


class Digest(msgspec.Struct, array_like=True):
    """The distribution of numbers; digests of parts can be merged."""

    least: float | None = None
    greatest: float | None = None
    means: list[Mean] = []
    """In order."""

    def add(self, numbers: list[float]) -> None:
        """Add numbers, which are sorted by it."""
        if not numbers:
            return
        numbers.sort()
        count = len(numbers)
        if count <= _MOST:
            means = [(number, 1) for number in numbers]
        else:
            means = []
            for first, end in pairwise(round(count * bound) for bound in _BOUNDS):
                if part := numbers[first:end]:
                    mean = sum(part) / len(part)
                    if not math.isfinite(mean):
                        mean = sum(number / len(part) for number in part)
                    means.append((min(max(mean, part[0]), part[-1]), len(part)))  # which rounding may leave
        self.merge(Digest(numbers[0], numbers[-1], means))

    def merge(self, other: "Digest") -> None:
        """Add the numbers of another digest."""
        if other.least is None or other.greatest is None:
            return
        self.least = other.least if self.least is None else min(self.least, other.least)
        self.greatest = other.greatest if self.greatest is None else max(self.greatest, other.greatest)
        means = sorted(self.means + other.means)
        self.means = means if len(means) <= _MOST else [*_compressed(means)]

    def quantile(self, share: float) -> float | None:
        """The number below which that share of all lies; None where there are no numbers."""
        if self.least is None or self.greatest is None:
            return None
        wanted = share * sum(count for _, count in self.means)
        place, number, below = 0.0, self.least, 0
        for mean, count in self.means:
            middle = below + count / 2
            if wanted <= middle:
                return _between(number, mean, (wanted - place) / (middle - place))
            place, number, below = middle, mean, below + count
        return _between(number, self.greatest, (wanted - place) / (below - place))


def _compressed(means: list[Mean]) -> Iterator[Mean]:
    """Neighbours as one, as far as their distance from the ends lets them."""
    total = sum(count for _, count in means)
    before, limit = 0, _limit(0, total)
    mean, count = means[0]
    for other, more in means[1:]:
        if before + count + more <= limit:
            mean, count = _between(mean, other, more / (count + more)), count + more
        else:
            yield mean, count
            before += count
            limit = _limit(before, total)
            mean, count = other, more
    yield mean, count


def _limit(before: int, total: int) -> float:
    """Up to which rank the next mean may reach."""
    angle = math.asin(2 * before / total - 1) + _SCALE
    return total if angle >= math.pi / 2 else total * (math.sin(angle) + 1) / 2


def _between(one: float, other: float, share: float) -> float:
    return one if one == other else one * (1 - share) + other * share
