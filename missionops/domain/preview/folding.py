"""Folding: one check of one parameter over a portion. While nothing is open its fold is told of the hits alone."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from missionops.domain import rule
from missionops.domain.checks.change import ChangeFold
from missionops.domain.checks.stale import StaleFold
from missionops.domain.episodes.episode import Episode, Reading
from missionops.domain.episodes.level_fold import LevelFold
from missionops.domain.parameter_set import Value, is_number
from missionops.domain.preview import hits
from missionops.domain.preview.portion import Column, SnapshotPortion
from missionops.domain.rule import Rule

LIMIT, STATE, CHANGE, STALE = (rule.PLACES[name] for name in ("LIMIT", "STATE", "CHANGE", "STALE"))


class RuledColumn(NamedTuple):
    """One parameter in a portion that one version of a config judges."""

    portion: SnapshotPortion
    column: Column
    rule: Rule | None
    version: int

    def has(self, kind: int) -> bool:
        """Whether the rule has a check of a kind, in some context at least."""
        return self.rule is not None and self.rule.has(kind)

    def reading(self, index: int, kind: int) -> Reading:
        """What a snapshot means for a kind of check."""
        check = None
        if self.rule and not self.rule.when:
            check = self.rule.own.checks[kind]
        elif self.rule:
            names = {condition.parameter for context, _ in self.rule.when for condition in context}
            values: dict[str, Value] = {
                name: self.portion.columns[name].value(index) for name in names if name in self.portion.columns
            }
            check = self.rule.in_context(values).checks[kind]
        return Reading(self.portion.position(index), self.column.value(index), check, self.version)

    def hits(self, kind: int) -> Sequence[int]:
        """The places of the samples of LIMIT, STATE or CHANGE that the fold needs while nothing is open.

        For LIMIT and STATE they are the anomalies.
        """
        if self.rule is None:
            return ()
        in_contexts = (self.rule.own, *(one for _, one in self.rule.when))
        found = [self._hits_of(one.checks[kind], kind) for one in in_contexts if one.checks[kind] is not None]
        if len(in_contexts) == 1 or kind == CHANGE:
            return found[0] if len(found) == 1 else sorted({place for one in found for place in one})
        readings = ((place, self.reading(place, kind)) for place in sorted({place for one in found for place in one}))
        return [
            place
            for place, reading in readings
            if reading.check and (judgement := reading.check.judge(reading.value)) and judgement.level
        ]

    def _hits_of(self, check: Any, kind: int) -> Sequence[int]:
        if kind == CHANGE:
            return hits.of_change(check, self.column, self.portion.times)
        return (hits.of_limit if kind == LIMIT else hits.of_state)(check, self.column)


def folded_levels(fold: LevelFold, ruled: RuledColumn, kind: int, places: Sequence[int]) -> Iterator[Episode]:
    """The episodes that end in the portion; `places`: the hits."""
    index, end = 0, len(ruled.portion.ids)
    while index < end:
        if fold.episode is None and fold.pending is None:
            found = bisect_left(places, index)
            following = places[found] if found < len(places) else end
            if isinstance(fold, ChangeFold):
                _remember(fold, ruled, index, following)
            if following == end:
                return
            index = following
        if ended := fold.step(ruled.reading(index, kind)):
            yield ended
        index += 1


def _remember(fold: ChangeFold, ruled: RuledColumn, start: int, end: int) -> None:
    """The numbers between two places, as far as later ones are compared with them: those of the last two times."""
    values, times = ruled.column.values, ruled.portion.times
    if not ruled.column.numbers:
        return
    found: list[int] = []
    last_times: set[int] = set()
    for index in range(end - 1, start - 1, -1):
        if is_number(values[index]):
            if times[index] not in last_times and len(last_times) == 2:  # noqa: PLR2004 - both are whole
                break
            last_times.add(times[index])
            found.append(index)
    for index in reversed(found):
        fold.remember(Reading(ruled.portion.position(index), ruled.column.value(index), None))


def folded_stale(fold: StaleFold, ruled: RuledColumn) -> Iterator[Episode]:
    """The episodes of STALE that end in the portion."""
    check = ruled.rule.own.checks[STALE] if ruled.rule else None
    is_in_context = ruled.rule is not None and bool(ruled.rule.when)
    if check is None or is_in_context:
        places = range(len(ruled.portion.ids) if is_in_context else 1)  # without a check all snapshots say the same
        yield from filter(None, (fold.step(ruled.reading(index, STALE)) for index in places))
        return
    times, end, start = ruled.portion.times, len(ruled.portion.ids), 0
    if ruled.column.are_numbers and not fold.episode:
        fold.heard = fold.since = times[-1]
        return
    for carrying in (*(index for index, value in enumerate(ruled.column.values) if value is not None), end):
        if start < carrying:
            is_early = fold.since is not None and times[carrying - 1] - fold.since <= check.after
            for index in () if fold.episode or is_early else range(start, carrying):
                fold.step(ruled.reading(index, STALE))
            fold.heard = times[carrying - 1]
        if carrying < end:
            if ended := fold.episode and fold.step(ruled.reading(carrying, STALE)):
                yield ended
            fold.heard = fold.since = times[carrying]
        start = carrying + 1


def new_fold(kind: int) -> LevelFold | StaleFold:
    """The fold of a kind of check at the beginning."""
    fold = rule.kind_at(kind).fold()
    if isinstance(fold, LevelFold | StaleFold):
        return fold
    raise AssertionError("every fold is one of the two")
