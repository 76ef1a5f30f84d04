"""A preview in any parts says what the fold of the whole history says, and compares it in the same way."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from missionops.domain import checks, config_document, history, limits, rule
from missionops.domain.episodes.episode import Episode, unmonitored
from missionops.domain.episodes.fold import folded
from missionops.domain.history import JudgedSnapshot
from missionops.domain.limits import Rules
from missionops.domain.preview import portion as portions
from missionops.domain.preview.findings import PreviewFindings
from missionops.domain.preview.parameter import OpenCheck, ParameterPreview
from missionops.domain.preview.portion import SnapshotPortion
from tests.unit.domain.episodes import histories
from tests.unit.domain.episodes.reference import History


class Recorder(PreviewFindings):
    """Keeps every pair."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[Any] = []

    def add(self, kind: int, pairs: Any, until: int) -> None:
        found = list(pairs)
        self.pairs += [(rule.KINDS[kind], *map(told, pair)) for pair in found]
        super().add(kind, found, until)


def told(one: Episode | None) -> Any:
    if one is None:
        return None
    peak = one.facts.peak
    return (
        one.severity, one.start, one.raised_at[0], one.end, one.reason, one.facts.samples,
        peak and (peak.position[1], type(peak.value), peak.value),
    )  # fmt: skip


def judged(given_history: History) -> list[JudgedSnapshot]:
    clocks = {version: config_document.clock(document) for version, document in given_history.documents.items()}
    found = [
        JudgedSnapshot(
            (clocks[one.version].time(one.timestamp, one.received), one.timestamp, one.id),
            # as a store of doubles gives it back
            {name: as_stored(value) for name, value in one.values.items()},
            one.version,
        )
        for one in given_history.told
    ]
    return sorted(found)


def as_stored(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_portion(snapshots: Sequence[JudgedSnapshot]) -> SnapshotPortion:
    names = {name for one in snapshots for name in one.values}
    return SnapshotPortion(
        [one.position[0] for one in snapshots],
        [one.position[1] for one in snapshots],
        [one.position[2] for one in snapshots],
        {name: portions.column([as_double(one.values.get(name)) for one in snapshots]) for name in names},
    )


def as_double(value: Any) -> Any:
    return float(value) if type(value) is int and abs(value) <= 2**53 else value


def starts(given_history: History, snapshots: Sequence[JudgedSnapshot]) -> list[tuple[int, int]]:
    """When the versions began to end what they do not check."""
    return sorted(
        (max([each.updated_at, *(one.position[0] for one in snapshots if one.version < each.version)]), each.version)
        for each in given_history.sets
    )


def whole(
    snapshots: Sequence[JudgedSnapshot], rules: Mapping[int, Rules], sets: Sequence[tuple[int, int]], kind: int
) -> list[Episode]:
    found = list(history.readings(snapshots, rules, "p", kind))
    for time, version in sets:
        if "p" not in rules[version] or not rules[version]["p"].has(kind):
            found.append(unmonitored(time, version))
    fold = checks.KINDS[rule.KINDS[kind]].fold()
    return list(folded(fold, sorted(found, key=attrgetter("position"))))


def compared(now: list[Episode], then: list[Episode]) -> Iterator[Any]:
    """Two lists as a whole: the first of each that overlap are one."""
    while now and then:
        if now[0].closed_at and now[0].closed_at < then[0].first_at:
            yield now.pop(0), None
        elif then[0].closed_at and then[0].closed_at < now[0].first_at:
            yield None, then.pop(0)
        else:
            yield now.pop(0), then.pop(0)
    yield from ((one, None) for one in now)
    yield from ((None, one) for one in then)


@given(st.integers(0, 2**32), st.integers(1, 60))
@settings(max_examples=500)
def test_a_preview_in_any_parts_is_that_of_the_whole(seed: int, size: int) -> None:
    random = Random(seed)  # noqa: S311 - a seed that is known
    given_history = histories.history(random, size)
    rules = {version: limits.compile_rules(document) for version, document in given_history.documents.items()}
    draft = limits.compile_rules(histories.document(random))
    snapshots = judged(given_history)
    sets = starts(given_history, snapshots)

    preview = ParameterPreview("p", changes=True)
    recorder = preview.findings = Recorder()
    waiting, left = [*sets], [*snapshots]
    while left:
        count = random.randint(1, random.choice((1, 3, 60)))
        part, left = left[:count], left[count:]
        for version, group in groupby(part, key=lambda one: one.version):
            segment = list(group)
            while segment:
                while waiting and waiting[0][0] < segment[0].position[0]:
                    time, number = waiting.pop(0)
                    preview.set_config(time, number, rules[number].get("p"))
                until = waiting[0][0] if waiting else segment[-1].position[0]
                here = [one for one in segment if one.position[0] <= until]
                segment = segment[len(here) :]
                preview.add(as_portion(here), (rules[version].get("p"), version), draft.get("p"))
        if random.random() < 0.5:
            cursor = msgspec.json.encode(list(preview.open_checks()))
            preview = ParameterPreview("p", changes=True)
            preview.findings = recorder
            for one in msgspec.json.decode(cursor, type=list[OpenCheck]):
                preview.resume(one)
    for time, number in waiting:
        preview.set_config(time, number, rules[number].get("p"))
    preview.end(snapshots[-1].position[0])

    draft_everywhere = dict.fromkeys(rules, draft)
    expected = [
        (name, *map(told, pair))
        for kind, name in enumerate(rule.KINDS)
        for pair in compared(whole(snapshots, rules, sets, kind), whole(snapshots, draft_everywhere, [], kind))
    ]
    assert sorted(recorder.pairs, key=repr) == sorted(expected, key=repr)
