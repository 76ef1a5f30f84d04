"""The newest values of parameters: which those are, how often they come, and whether they are too old."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from missionops.domain.parameter_set import Value
from missionops.domain.timestamp import SECOND

COUNTED = 21
"""Values of each parameter that are looked at: 20 intervals."""
_LEAST_FOR_STALE = 3
_INTERVALS = 3


class ReportedValue(NamedTuple):
    """A value of a parameter, in the order of time; times in microseconds since 1970."""

    time: int
    """Its timestamp, or its reception where the clock cannot have been right."""
    timestamp: int
    id: str
    """Of its snapshot."""
    received: int
    version: int
    """Of the config that judged it; 0: none did."""
    value: Value


def newest_first(reports: Iterable[ReportedValue]) -> list[ReportedValue]:
    """The newest of a parameter's reports, as many as count."""
    return sorted(reports, key=lambda report: report[:3], reverse=True)[:COUNTED]


def usual_interval(newest: Sequence[ReportedValue]) -> float | None:
    """The median of the intervals between reports, in seconds; None where there is no interval."""
    intervals = [later.time - earlier.time for later, earlier in pairwise(newest)]
    return median(intervals) / SECOND if intervals else None


def is_stale(newest: Sequence[ReportedValue], stale_after: float | None, now: int, *, as_of_then: bool) -> bool | None:
    """Whether the newest report is older than `stale_after` seconds, or else than three usual intervals.

    None where nobody can say: without `stale_after` and with fewer than three reports. With `as_of_then` its age counts
    from its time, else from its reception.
    """
    limit = stale_after
    if limit is None and len(newest) >= _LEAST_FOR_STALE:
        limit = _INTERVALS * (usual_interval(newest) or 0) or None
    if limit is None:
        return None
    return now - (newest[0].time if as_of_then else newest[0].received) > limit * SECOND
