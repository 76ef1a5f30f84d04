"""STALE: a parameter that a spacecraft does not report any more while it reports others."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from missionops.domain import number, rule_key
from missionops.domain.checks.kind import Kind, no_contradictions
from missionops.domain.episodes import fold
from missionops.domain.episodes.episode import Episode, Facts, Reading, Rise, beginning_of
from missionops.domain.episodes.fold import BackwardSearch, Known
from missionops.domain.episodes.persistence import AT_ONCE, Persistences
from missionops.domain.parameter_set import Value
from missionops.domain.severity import Severity

KEYS: Mapping[str, rule_key.KeyCheck] = {
    "staleAfter": rule_key.number_from(0, rule_key.MAX_SECONDS, is_least_allowed=False),
    "staleSeverity": rule_key.severity,
}


class StaleCheck(NamedTuple):
    """How long one parameter may be missing."""

    seconds: float
    after: int
    """The same in microseconds."""
    level: int

    @staticmethod
    def takes(value: Value) -> bool:
        """Whether it is about such a value."""
        return value is not None

    @property
    def persistences(self) -> Persistences:
        """It is about time alone."""
        return AT_ONCE


def compiled(rule: Mapping[str, Any]) -> StaleCheck | None:
    """The check of a valid rule; None if it has no `staleAfter`."""
    if "staleAfter" not in rule:
        return None
    seconds = rule["staleAfter"]
    severity = Severity(rule.get("staleSeverity", Severity.MEDIUM))
    return StaleCheck(seconds, rule_key.microseconds(seconds), severity.level)


def describe(parameter: str, limit: str, bound: float | str) -> str:
    """What happened, in a sentence."""
    return f"Parameter {parameter} not reported for longer than {limit} {number.text(float(bound))}"


class StaleFold(fold.Fold):
    """The fold of snapshots with and without a parameter."""

    heard: int | None = None
    """The time of the last snapshot, if it was under such a rule."""
    since: int | None = None
    """What staleness is counted from: the last snapshot with the parameter, the first after a pause or under a rule."""

    def step(self, reading: Reading) -> Episode | None:
        """Take the next reading, also one that does not carry the parameter; the episode that ended by it."""
        check: StaleCheck | None = reading.check
        time = reading.position[0]
        if check is None or reading.value is not None:
            ended = self.episode
            if ended:
                ended.close(reading.position, time, None if check else "unmonitored")
            self.episode = None
            self.heard = self.since = time if check else None
            self.is_settled = True
            return ended
        is_after_pause = self.heard is not None and time - self.heard > check.after
        if self.since is None or is_after_pause:
            self.since = time
        self.heard = time
        if not self.episode and time - self.since > check.after:
            start = self.since + check.after
            rise = Rise(check.level, reading.position, "staleAfter", check.seconds, reading.version, reading.waits)
            self.episode = Episode(start, beginning_of(start), [rise], Facts(level=check.level))
        self.is_settled = is_after_pause or self.episode is not None
        return None


class StaleSearch(BackwardSearch):
    """Back to a snapshot with the parameter, one not monitored, one while it was open, or the first after a pause."""

    def __init__(self, old: Sequence[Episode]) -> None:
        super().__init__(old)
        self._newer: Reading | None = None

    def add(self, reading: Reading) -> Known | None:
        """Add the next older reading."""
        newer, self._newer = self._newer, reading
        time = reading.position[0]
        if newer and newer.position[0] - time > newer.check.after:
            newer_time = newer.position[0]
            return Known(newer.position, StaleFold(heard=newer_time, since=newer_time))
        if reading.check is None:
            return Known(reading.position, StaleFold())
        episode = self.open_after(reading.position)
        if episode or reading.value is not None:
            return Known(reading.position, StaleFold(episode, heard=time, since=time))
        return None


KIND = Kind(KEYS, no_contradictions, compiled, describe, StaleFold, StaleSearch, msgspec.json.Decoder(StaleFold).decode)
