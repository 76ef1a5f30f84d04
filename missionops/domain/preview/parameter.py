"""The preview of one parameter: each of its checks as it is now and as it would be, portion by portion."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from missionops.domain import rule
from missionops.domain.checks.change import ChangeFold
from missionops.domain.checks.stale import StaleFold
from missionops.domain.episodes.episode import Facts, Rise, SampleAt, unmonitored
from missionops.domain.episodes.level_fold import LevelFold
from missionops.domain.preview import folding
from missionops.domain.preview.comparison import NOW, THEN, AlarmComparison
from missionops.domain.preview.findings import PreviewFindings
from missionops.domain.preview.folding import CHANGE, LIMIT, STATE, RuledColumn, new_fold
from missionops.domain.preview.portion import Column, SnapshotPortion
from missionops.domain.rule import Rule

MOST_TEXT = 256
"""Characters of a text that are kept of an alarm."""


class OpenCheck(msgspec.Struct, array_like=True):
    """What is under way of one check, as a cursor carries it."""

    kind: int
    now: msgspec.Raw
    then: msgspec.Raw
    waiting: AlarmComparison


class _CheckFolds(NamedTuple):
    folds: tuple[LevelFold | StaleFold, LevelFold | StaleFold]
    waiting: AlarmComparison


class ParameterPreview:
    """One parameter; what was found since it was made is in `findings`."""

    def __init__(self, name: str, *, changes: bool) -> None:
        """`changes`: whether any rule for it that may come has the check CHANGE."""
        self.name = name
        self.findings = PreviewFindings()
        self._checks: dict[int, _CheckFolds] = {}
        if changes:
            self._check(CHANGE)  # which compares with numbers of before it was in force

    def _check(self, kind: int) -> _CheckFolds:
        if kind not in self._checks:
            self._checks[kind] = _CheckFolds((new_fold(kind), new_fold(kind)), AlarmComparison())
        return self._checks[kind]

    def add(self, portion: SnapshotPortion, now: tuple[Rule | None, int], then: Rule | None) -> None:
        """Add snapshots that one version of the config judged, which is given with its number."""
        column = portion.columns.get(self.name) or Column([None] * len(portion.ids), [], 0)
        self.findings.count += column.carried
        ruled = RuledColumn(portion, column, *now), RuledColumn(portion, column, then, 0)
        for kind in range(len(rule.KINDS)):
            if kind not in self._checks and not ruled[NOW].has(kind) and not ruled[THEN].has(kind):
                continue
            check = self._check(kind)
            for side in (NOW, THEN):
                fold, queue = check.folds[side], check.waiting.queue(side)
                if isinstance(fold, StaleFold):
                    queue += folding.folded_stale(fold, ruled[side])
                    continue
                places = ruled[side].hits(kind)
                if kind in {LIMIT, STATE}:
                    self.findings.tallies[side].anomalies += len(places)
                queue += folding.folded_levels(fold, ruled[side], kind, places)
            if any(fold.episode for fold in check.folds) or check.waiting.now or check.waiting.then:
                self.findings.add(kind, check.waiting.pairs(check.folds), portion.times[-1])
        self.findings.digest.add([*column.numbers])

    def set_config(self, time: int, version: int, ruled: Rule | None) -> None:
        """A version was set: it ends what it does not check."""
        for kind, check in self._checks.items():
            if ruled is None or not ruled.has(kind):
                if ended := check.folds[NOW].step(unmonitored(time, version)):
                    check.waiting.now.append(ended)
                self.findings.add(kind, check.waiting.pairs(check.folds), time)

    def end(self, until: int) -> None:
        """Nothing follows; what is open counts until a time."""
        for kind, check in self._checks.items():
            self.findings.add(kind, check.waiting.pairs(check.folds, is_end=True), until)
        self._checks = {}

    def open_checks(self) -> Iterator[OpenCheck]:
        """What is under way, without what a preview does not show: a cursor has little room."""
        for kind, (folds, waiting) in self._checks.items():
            for fold in folds:
                fold.is_settled = False  # nobody asks
                if isinstance(fold, ChangeFold) and fold.before:
                    fold.before = fold.before._replace(id="", timestamp=0)
                if isinstance(fold, LevelFold) and fold.pending:
                    _shorten_facts(fold.pending.facts)
            for episode in (*(fold.episode for fold in folds), *waiting.now, *waiting.then):
                if episode:
                    _shorten_facts(episode.facts)
                    rises = [Rise(one.level, (*one.position[:2], ""), "", 0, 0) for one in episode.rises]
                    episode.rises = rises if len(rises) == 1 else [rises[0], rises[-1]]
            now, then = map(msgspec.json.encode, folds)
            if waiting.now or waiting.then or now != _NEW[kind] or then != _NEW[kind]:
                yield OpenCheck(kind, msgspec.Raw(now), msgspec.Raw(then), waiting)

    def resume(self, given: OpenCheck) -> None:
        """Go on with what was under way; ValueError or a DecodeError of msgspec if it is nothing of the kind."""
        if not 0 <= given.kind < len(rule.KINDS):
            raise ValueError("is no kind of check")
        decode = rule.kind_at(given.kind).decode
        folds: Any = (decode(given.now), decode(given.then))
        self._checks[given.kind] = _CheckFolds(folds, given.waiting)


_NEW: Mapping[int, bytes] = {kind: msgspec.json.encode(new_fold(kind)) for kind in range(len(rule.KINDS))}


def _shorten_facts(facts: Facts) -> None:
    """Keep the peak alone, and of a text of megabytes its beginning."""
    facts.first = facts.last = None
    if facts.peak:
        (time, stamp, _), value = facts.peak
        facts.peak = SampleAt((time, stamp, ""), value[: MOST_TEXT + 1] if isinstance(value, str) else value)
