"""Series: numbers of a parameter over time, as buckets of equal length; times are microseconds since 1970."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain, count, pairwise
from operator import itemgetter
from statistics import median
from typing import NamedTuple

import msgspec

from missionops.domain.timestamp import DAY, HOUR, MINUTE, SECOND

MAX_PARAMETERS = 20
MAX_POINTS = 5_000
MAX_VALUES = 40_000
"""Points of all parameters together."""

_BELOW_A_WEEK = (
    *(factor * 10**digits for digits in range(6) for factor in (1, 2, 5)),
    *(factor * SECOND for factor in (1, 2, 5, 10, 30)),
    *(factor * MINUTE for factor in (1, 2, 5, 15, 30)),
    *(factor * HOUR for factor in (1, 2, 4, 12)),
    *(factor * DAY for factor in (1, 2)),
)
_EXACT = (1 << 33) * SECOND
"""Up to here a double that counts seconds holds every microsecond."""


def steps() -> Iterator[int]:
    """Every length that a bucket may have, in microseconds, the shortest first; there is no longest."""
    return chain(_BELOW_A_WEEK, (7 * DAY << doublings for doublings in count()))


def step_for(start: int, end: int, points: int) -> int:
    """The length of buckets of which about `points` cover a range: at most one more, the outer two partly filled."""
    return next(step for step in steps() if step * points >= end - start)


class VersionSpan(NamedTuple):
    """Between which times a config version judged samples, both inclusive."""

    version: int
    """0 where there was no config."""
    first: int
    last: int


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """What is known of one parameter within one bucket, or within a part of it. An integer is one, exactly."""

    count: int = 0
    """Numbers; where there is none, what follows up to `last_at` says nothing."""
    first_at: int = 0
    min: int | float = 0.0
    min_at: int = 0
    """The first, if there are several."""
    max: int | float = 0.0
    max_at: int = 0
    last: int | float = 0.0
    last_at: int = 0
    others: int = 0
    """Texts and booleans."""
    violations: dict[str, int] = {}
    """How many of each severity."""
    versions: list[VersionSpan] = []
    """The config versions that judged its numbers, one span for each."""

    def add_later(self, later: "Bucket") -> None:
        """Add another part of the same bucket, all of which comes after this one in the order of samples."""
        self.others += later.others
        for span in later.versions:
            known = next((index for index, one in enumerate(self.versions) if one.version == span.version), None)
            if known is None:
                self.versions.append(span)
            else:
                self.versions[known] = VersionSpan(span.version, self.versions[known].first, span.last)
        for severity, number in later.violations.items():
            self.violations[severity] = self.violations.get(severity, 0) + number
        if not later.count:
            return
        if not self.count:
            self.first_at = later.first_at
        if not self.count or later.min < self.min:
            self.min, self.min_at = later.min, later.min_at
        if not self.count or later.max > self.max:
            self.max, self.max_at = later.max, later.max_at
        self.last, self.last_at = later.last, later.last_at
        self.count += later.count

    def joined(self, other: "Bucket") -> "Bucket":
        """This and another part of the same bucket, whose samples lie between each other in time."""
        if not (self.count and other.count):
            early, late = (self, other) if self.count else (other, self)
            early = msgspec.structs.replace(early, violations=dict(early.violations), versions=list(early.versions))
            early.add_later(late)
            return early
        low = min(self, other, key=lambda one: (one.min, one.min_at))
        high = min(self, other, key=lambda one: (-one.max, one.max_at))
        last = max(self, other, key=lambda one: one.last_at)
        return Bucket(
            self.count + other.count,
            min(self.first_at, other.first_at),
            low.min,
            low.min_at,
            high.max,
            high.max_at,
            last.last,
            last.last_at,
            self.others + other.others,
            {
                severity: self.violations.get(severity, 0) + other.violations.get(severity, 0)
                for severity in self.violations.keys() | other.violations
            },
            spans_by_version([*self.versions, *other.versions]),
        )


def spans_by_version(spans: Iterable[VersionSpan]) -> list[VersionSpan]:
    """One span for each version, from its first until its last, in the order of their beginning."""
    found: dict[int, VersionSpan] = {}
    for version, first, last in spans:
        known = found.get(version)
        found[version] = (
            VersionSpan(version, min(known.first, first), max(known.last, last))
            if known
            else VersionSpan(version, first, last)
        )
    return sorted(found.values(), key=itemgetter(1))


def gap_of_samples(times: Collection[int]) -> float | None:
    """Seconds without a sample after which a line breaks: three times the median interval; None without an interval."""
    intervals = [later - earlier for earlier, later in pairwise(times)]
    return 3 * median(intervals) / SECOND if intervals else None


def gap_of_buckets(buckets: Iterable[Bucket], step: int) -> float | None:
    """The same where only buckets are known: three times the usual interval within one, and at least two buckets."""
    found = [(one.last_at - one.first_at) / (one.count - 1) for one in buckets if one.count > 1]
    return max(3 * median(found) if found else 0, 2 * step) / SECOND


def seconds(microseconds: int) -> float | Decimal:
    """The same in seconds, exact to the microsecond once it is written in JSON."""
    whole, rest = divmod(microseconds, SECOND)
    if not rest:
        return whole
    return microseconds / SECOND if -_EXACT < microseconds < _EXACT else Decimal(microseconds).scaleb(-6)


class LimitsSpan(NamedTuple):
    """One set of limits, and the times in which it judged samples, by config version."""

    limits: Mapping[str, float]
    spans: list[VersionSpan]


def limits_spans(judged: Iterable[VersionSpan], limits: Mapping[int, Mapping[str, float]]) -> list[LimitsSpan]:
    """Which limits judged samples and when, from the spans in the order of time and the limits of each version.

    Spans of one version that no other version's span separates become one. Versions without limits are left out.
    """
    joined: list[VersionSpan] = []
    for span in judged:
        if joined and joined[-1].version == span.version:
            joined[-1] = VersionSpan(span.version, min(joined[-1].first, span.first), max(joined[-1].last, span.last))
        else:
            joined.append(span)
    found: dict[tuple[tuple[str, float], ...], LimitsSpan] = {}
    for span in joined:
        if known := limits.get(span.version):
            found.setdefault(tuple(known.items()), LimitsSpan(known, [])).spans.append(span)
    return list(found.values())
