"""The alarms in a history that is known as a whole: snapshots with the config versions that judged them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from missionops.domain import checks, rule
from missionops.domain.episodes.episode import Episode, Position, Reading
from missionops.domain.episodes.fold import folded
from missionops.domain.limits import Rules
from missionops.domain.parameter_set import Value


class JudgedSnapshot(NamedTuple):
    """A snapshot where it stands among those of its spacecraft, and the version that judged it."""

    position: Position
    values: Mapping[str, Value]
    version: int


class AlarmInHistory(NamedTuple):
    """An alarm that a history holds."""

    parameter: str
    check: str
    """LIMIT, STATE, CHANGE or STALE."""
    episode: Episode


def alarms(snapshots: Iterable[JudgedSnapshot], rules: Mapping[int, Rules]) -> list[AlarmInHistory]:
    """The alarms of these snapshots, given in any order, by start; `rules` are those of each version."""
    in_order = sorted(snapshots, key=itemgetter(0))
    found = [
        AlarmInHistory(parameter, check, episode)
        for parameter in sorted({parameter for one in rules.values() for parameter in one})
        for kind, check in enumerate(rule.KINDS)
        if any(parameter in one and one[parameter].has(kind) for one in rules.values())
        for episode in folded(checks.KINDS[check].fold(), readings(in_order, rules, parameter, kind))
    ]
    return sorted(found, key=lambda one: (one.episode.start, one.parameter, one.check))


def readings(
    snapshots: Sequence[JudgedSnapshot], rules: Mapping[int, Rules], parameter: str, kind: int
) -> Iterator[Reading]:
    """What snapshots mean for one parameter and one kind of check (its place in `rule.KINDS`)."""
    for position, values, version in snapshots:
        ruled = rules[version].get(parameter)
        if ruled is None:
            yield Reading(position, values.get(parameter), None, version)
            continue
        in_context = ruled.in_context(values)
        yield Reading(position, values.get(parameter), in_context.checks[kind], version, in_context.acknowledge)
