"""Roll-ups: what a minute, an hour or a day of a spacecraft holds, from its snapshots or from finer roll-ups.

Times are microseconds since 1970. Everything here is a function of the snapshots in their order of time, then id: the
same snapshots give the same roll-ups, whichever way they are cut and put together again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import msgspec

from missionops.domain.timestamp import HOUR, MINUTE

ROWS = 30
"""A roll-up of fewer snapshots for each of its parameter sets is not kept: it would be no smaller than they are."""

_MOST_VALUES = 100_000
_MOST_COLUMNS = 40_000
"""Of snapshots and of roll-ups that are held until they are put together: some megabytes."""

_MOST_RUNS = 50
_MOST_NAMES = 2_000
"""Of what has no column: a roll-up that would need more is not kept, for it would grow like the snapshots."""

Row: TypeAlias = tuple[float, int, int, Sequence[float | None] | None, bytes | None]
"""A snapshot: seconds since a base, the config version that judged it, its parameter set, and its values as stored."""


class VersionRun(NamedTuple):
    """Snapshots that followed upon each other and were judged by one config version; 0: there was none."""

    version: int
    first: int
    last: int


class Numbers(NamedTuple):
    """Numbers of one parameter; None where there are no samples. Of equal values the first counts.

    Integers that no double holds are there as integers, and compared exactly.
    """

    samples: int
    minimum: float | None
    minimum_at: int | None
    maximum: float | None
    maximum_at: int | None
    last: float | None
    last_at: int | None


NOTHING = Numbers(0, None, None, None, None, None, None)


class Others(NamedTuple):
    """Values of one parameter that are in `others` of the snapshots."""

    others: int
    """How many texts and booleans."""
    numbers: Numbers


class RollUp(NamedTuple):
    """What the snapshots of one parameter set hold, in one piece of time."""

    snapshots: int
    first: int
    last: int
    columns: Sequence[Numbers]
    """In the order of the set's names; those past the end have nothing."""
    others: Mapping[str, Others] | None
    """By name; None if there are too many."""
    runs: Sequence[VersionRun] | None
    """In the order of time; None if there are too many."""


Bucket: TypeAlias = Mapping[int, RollUp]
"""What one piece of time holds, by parameter set; 0: of the snapshots that have none."""


def is_kept(bucket: Bucket) -> bool:
    """Whether a roll-up is worth its place; if not, requests read what is finer."""
    return sum(part.snapshots for part in bucket.values()) >= ROWS * max(len(bucket), 1) and all(
        part.others is not None and part.runs is not None for part in bucket.values()
    )


def summarize(rows: Sequence[Row], base: int) -> Bucket:
    """The roll-up of snapshots in their order; `base` is what their seconds are counted from."""
    sets = {row[2] for row in rows}
    if len(sets) == 1:
        return {sets.pop(): _summarize_set(rows, base)}
    return {set_id: _summarize_set([row for row in rows if row[2] == set_id], base) for set_id in sorted(sets)}


def _summarize_set(rows: Sequence[Row], base: int) -> RollUp:
    seconds, versions, _, numbers, others = zip(*rows, strict=True)
    first, last = base + round(seconds[0] * 1e6), base + round(seconds[-1] * 1e6)
    if versions.count(versions[0]) == len(versions):
        runs = [VersionRun(versions[0], first, last)]
    else:
        times = [base + round(second * 1e6) for second in seconds]
        judged = [list(run) for _, run in groupby(zip(versions, times, strict=True), itemgetter(0))]
        runs = [VersionRun(run[0][0], run[0][1], run[-1][1]) for run in judged]
    arrays = [array for array in numbers if array is not None]
    return RollUp(
        len(rows),
        first,
        last,
        [_column(values, seconds, base) for values in zip_longest(*arrays)] if len(arrays) == len(rows) else [],
        _others(others, seconds, base),
        runs if len(runs) <= _MOST_RUNS else None,
    )


def _column(values: Sequence[float | None], seconds: Sequence[float], base: int) -> Numbers:
    """The numbers among `values`, which are in the order of time."""
    try:
        low, high = min(values), max(values)  # type: ignore[type-var] # the fastest way to learn that there is no None
    except TypeError:
        present = [(value, second) for value, second in zip(values, seconds, strict=True) if value is not None]
        if not present:
            return NOTHING
        values, seconds = zip(*present, strict=True)
        low, high = min(values), max(values)
    if low is None:
        return NOTHING
    low_at, high_at = seconds[values.index(low)], seconds[values.index(high)]
    return Numbers(
        len(values),
        low,
        base + round(low_at * 1e6),
        high,
        base + round(high_at * 1e6),
        values[-1],
        base + round(seconds[-1] * 1e6),
    )


def _others(texts: Sequence[bytes | None], seconds: Sequence[float], base: int) -> dict[str, Others] | None:
    """What is in `others`, by name. Most of it is a few texts that come again and again: each is decoded once."""
    indexes: dict[bytes, list[int]] = {}
    for index, text in enumerate(texts):
        if text is not None:
            indexes.setdefault(text, []).append(index)
    counted: Counter[str] = Counter()
    numbers: dict[str, list[tuple[int, float]]] = {}
    for text, found_at in indexes.items():
        for name, value in msgspec.json.decode(text).items():
            if isinstance(value, str | bool):
                counted[name] += len(found_at)
            elif value is not None:
                numbers.setdefault(name, []).extend((index, value) for index in found_at)
        if len(counted) + len(numbers) > 2 * _MOST_NAMES:
            return None
    found = {name: Others(count, NOTHING) for name, count in counted.items()}
    for name, samples in numbers.items():
        samples.sort()
        values = [value for _, value in samples]
        found[name] = Others(counted[name], _column(values, [seconds[index] for index, _ in samples], base))
    return found if len(found) <= _MOST_NAMES else None


def merge(buckets: Sequence[Bucket]) -> Bucket:
    """The roll-up of several pieces of time that do not overlap, in their order."""
    if len(buckets) == 1:
        return buckets[0]
    sets = sorted({set_id for bucket in buckets for set_id in bucket})
    merged: dict[int, RollUp] = {}
    for set_id in sets:
        parts = [bucket[set_id] for bucket in buckets if set_id in bucket]
        if len(parts) == 1:
            merged[set_id] = parts[0]
            continue
        columns = zip_longest(*(part.columns for part in parts), fillvalue=NOTHING)
        merged[set_id] = RollUp(
            sum(part.snapshots for part in parts),
            parts[0].first,
            parts[-1].last,
            [merge_numbers(numbers) for numbers in columns],
            _merge_others([part.others for part in parts]),
            _merge_runs([part.runs for part in parts]),
        )
    return merged


def merge_numbers(parts: Iterable[Numbers]) -> Numbers:
    """The numbers of pieces of time that do not overlap, in their order."""
    present = [part for part in parts if part.samples]
    if len(present) <= 1:
        return present[0] if present else NOTHING
    counts, minima, minima_at, maxima, maxima_at, lasts, lasts_at = zip(*present, strict=True)
    low, high = min(minima), max(maxima)
    return Numbers(
        sum(counts), low, minima_at[minima.index(low)], high, maxima_at[maxima.index(high)], lasts[-1], lasts_at[-1]
    )


def _merge_others(parts: Sequence[Mapping[str, Others] | None]) -> Mapping[str, Others] | None:
    collected: dict[str, list[Others]] = {}
    for part in parts:
        if part is None:
            return None
        for name, values in part.items():
            collected.setdefault(name, []).append(values)
    if len(collected) > _MOST_NAMES:
        return None
    return {
        name: Others(sum(one.others for one in values), merge_numbers(one.numbers for one in values))
        for name, values in collected.items()
    }


def _merge_runs(parts: Sequence[Sequence[VersionRun] | None]) -> Sequence[VersionRun] | None:
    merged: list[VersionRun] = []
    for part in parts:
        if part is None:
            return None
        for run in part:
            if merged and merged[-1].version == run.version:
                merged[-1] = merged[-1]._replace(last=run.last)
            else:
                merged.append(run)
    return merged if len(merged) <= _MOST_RUNS else None


class RollUpStream:
    """The roll-ups of minutes and hours, from the snapshots of some hours that come in portions, in their order.

    It holds a bounded number of values, however many snapshots a minute has and however many parameters they have.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        """The beginning of the first hour: what the seconds of rows are counted from."""
        self._minute = self._hour = 0
        """The minute and the hour that the rows in hand are of, counted from the base."""
        self._rows: list[Row] = []
        self._minute_parts: list[Bucket] = []
        self._sparse: list[Row] = []
        """Those of minutes that have too few for a roll-up."""
        self._hour_parts: list[Bucket] = []

    def add(self, rows: Iterable[Row]) -> Iterator[tuple[int, int, Bucket]]:
        """Add a portion; yields what is complete, to be kept or not: MINUTE or HOUR, its start, and what it holds."""
        for minute, group in groupby(rows, _minute):
            if minute != self._minute:
                yield from self._finish_minute()
                self._minute = minute
                if (hour := minute // 60) != self._hour:
                    yield from self._finish_hour()
                    self._hour = hour
            self._rows += group
            if _values(self._rows) > _MOST_VALUES:
                self._minute_parts.append(summarize(self._rows, self._base))
                self._rows = []

    def finish(self) -> Iterator[tuple[int, int, Bucket]]:
        """What the last portion has completed."""
        yield from self._finish_minute()
        yield from self._finish_hour()

    def _finish_minute(self) -> Iterator[tuple[int, int, Bucket]]:
        rows, parts = self._rows, self._minute_parts
        self._rows, self._minute_parts = [], []
        if not parts and len(rows) < ROWS:
            self._sparse += rows
            if _values(self._sparse) > _MOST_VALUES:
                self._summarize_sparse()
            return
        self._summarize_sparse()
        bucket = merge([*parts, summarize(rows, self._base)] if rows else parts)
        self._add_part(bucket)
        yield MINUTE, self._base + self._minute * MINUTE, bucket

    def _finish_hour(self) -> Iterator[tuple[int, int, Bucket]]:
        self._summarize_sparse()
        parts, self._hour_parts = self._hour_parts, []
        if parts:
            yield HOUR, self._base + self._hour * HOUR, merge(parts)

    def _summarize_sparse(self) -> None:
        rows, self._sparse = self._sparse, []
        if rows:
            self._add_part(summarize(rows, self._base))

    def _add_part(self, bucket: Bucket) -> None:
        self._hour_parts.append(bucket)
        if sum(len(part.columns) for one in self._hour_parts for part in one.values()) > _MOST_COLUMNS:
            self._hour_parts = [merge(self._hour_parts)]


def _minute(row: Row) -> int:
    return int(row[0] // 60)


def _values(rows: Sequence[Row]) -> int:
    """About how many values they hold."""
    return len(rows) * (5 + len(rows[-1][3] or ())) if rows else 0
