"""Findings: what a preview says of one parameter in one part of a range; those of the parts add up."""

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple, Self

import msgspec

from missionops.domain import rule, severity
from missionops.domain.episodes.episode import Episode
from missionops.domain.parameter_set import Value
from missionops.domain.preview.comparison import NOW, THEN, Pair
from missionops.domain.preview.digest import Digest
from missionops.domain.severity import Severity

MOST_SHOWN = 20
"""Alarms that are gained, lost or changed, of each."""
_MOST_KEPT = 10 * MOST_SHOWN


class FoundAlarm(NamedTuple):
    """An alarm as it is shown."""

    severity: int
    start: int
    raised_at: int
    end: int | None
    peak: tuple[int, Value] | None
    """Timestamp and value; None for STALE."""

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """An episode as it is shown."""
        peak = episode.facts.peak
        shown = peak and (peak.position[1], peak.value)
        return cls(episode.severity, episode.start, episode.raised_at[0], episode.end, shown)


class Difference(NamedTuple):
    """An alarm that is gained, lost or changed."""

    check: str
    now: FoundAlarm | None
    then: FoundAlarm | None

    @property
    def order(self) -> tuple[float, ...]:
        """What differences are shown by: severity, then how long the alarm lasts, then time; the worst is least."""
        sides = [side for side in (self.now, self.then) if side]
        length = max(float("inf") if side.end is None else side.end - side.start for side in sides)
        return -max(side.severity for side in sides), -length, sides[-1].start, rule.PLACES[self.check]


class SideTally(msgspec.Struct):
    """What one side found."""

    by_severity: dict[Severity, int] = {}
    microseconds: int = 0
    anomalies: int = 0

    def add(self, episode: Episode, until: int) -> None:
        """Add an alarm, which lasts until a time where it has no end."""
        level = severity.AT_LEVEL[episode.severity]
        self.by_severity[level] = self.by_severity.get(level, 0) + 1
        self.microseconds += max(0, (until if episode.end is None else episode.end) - episode.start)


class PreviewFindings:
    """What was found of one parameter."""

    def __init__(self) -> None:
        self.count = 0
        """Snapshots that carry it."""
        self.digest = Digest()
        """Of its numbers."""
        self.tallies = (SideTally(), SideTally())
        self.counts = {"gained": 0, "lost": 0, "changed": 0}
        self._differences: dict[str, list[Difference]] = {name: [] for name in self.counts}

    def add(self, kind: int, pairs: Iterable[Pair], until: int) -> None:
        """Add alarms that are compared; those without an end last until a time."""
        for pair in pairs:
            for side in (NOW, THEN):
                if one := pair[side]:
                    self.tallies[side].add(one, until)
            now, then = (None if one is None else FoundAlarm.of(one) for one in pair)
            name = "gained" if now is None else "lost" if then is None else "changed"
            if name == "changed" and now and then and now[:-1] == then[:-1]:
                continue
            self.counts[name] += 1
            kept = self._differences[name]
            kept.append(Difference(rule.KINDS[kind], now, then))
            if len(kept) > _MOST_KEPT:
                kept[:] = worst(kept)

    def worst(self, name: str) -> list[Difference]:
        """Those gained, lost or changed that are shown."""
        return worst(self._differences[name])


def worst(differences: Iterable[Difference]) -> list[Difference]:
    """The first of them by severity, then by how long they last, then by time."""
    return sorted(differences, key=attrgetter("order"))[:MOST_SHOWN]
