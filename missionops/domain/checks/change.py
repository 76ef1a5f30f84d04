"""CHANGE: numbers that differ too much from the one before."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from missionops.domain import number, rule_key
from missionops.domain.checks.kind import Kind
from missionops.domain.episodes import persistence
from missionops.domain.episodes.episode import Episode, Reading
from missionops.domain.episodes.fold import Known
from missionops.domain.episodes.judgement import NOMINAL, Judgement
from missionops.domain.episodes.level_fold import LevelFold, LevelSearch
from missionops.domain.episodes.persistence import Persistences
from missionops.domain.parameter_set import Value, is_number
from missionops.domain.timestamp import SECOND
from missionops.errors import Detail

NAMES = ("watch", "warn", "crit", "severe")
"""The limits, in the order in which their values must rise."""
MAX_WITHIN = 2_592_000
WITHIN = 86_400
_PER = ("second", "sample")


def _per(path: str, value: object) -> rule_key.Faults:
    if value not in _PER:
        yield Detail(path, f"must be {' or '.join(_PER)}")


def _positive(path: str, value: object) -> rule_key.Faults:
    faults = [*rule_key.limit(path, value)]
    yield from faults
    if not faults and not value > 0:  # type: ignore[operator] # a number, as it has no fault
        yield Detail(path, "must be above 0")


_CHANGE = rule_key.object_of(
    {
        "per": _per,
        **dict.fromkeys(NAMES, _positive),
        "within": rule_key.number_from(1, MAX_WITHIN),
        **persistence.KEYS,
    },
    required=("per",),
)

KEYS: Mapping[str, rule_key.KeyCheck] = {"change": _CHANGE}


class ChangeCheck(NamedTuple):
    """How fast one parameter may change."""

    limits: tuple[tuple[int, str, float], ...]
    """Level, name and value, the worst first."""
    is_per_second: bool
    within: int
    """Microseconds that the number before may lie back."""
    persistences: Persistences

    @staticmethod
    def takes(value: Value) -> bool:
        """Whether it is about such a value."""
        return is_number(value)

    def judge(self, value: float, time: int, before: tuple[int, float] | None) -> Judgement:
        """What it says of a number and the last one of an earlier time, which is given with its time."""
        if before is None or time - before[0] > self.within:
            return NOMINAL
        # Two integers make an exact difference. Without a time between them a double holds it, perhaps as inf.
        change = abs(value - before[1])
        if self.is_per_second:
            change /= (time - before[0]) / SECOND
        for level, name, limit in self.limits:
            if change > limit:
                return Judgement(level, f"change.{name}", limit, min(change - limit, rule_key.LARGEST))
        return NOMINAL


def contradictions(path: str, rule: Mapping[str, Any]) -> rule_key.Faults:
    """What in a rule of valid keys cannot be meant."""
    if "change" in rule:
        yield from rule_key.order(f"{path}.change", rule["change"], NAMES)
        if not any(name in rule["change"] for name in NAMES):
            yield Detail(f"{path}.change", f"has no limit; give any of {', '.join(NAMES)}")


def compiled(rule: Mapping[str, Any]) -> ChangeCheck | None:
    """The check of a valid rule; None if it has no `change`."""
    if "change" not in rule:
        return None
    change = rule["change"]
    limits = [(level, name, number.kept(change[name])) for level, name in enumerate(NAMES, 1) if name in change]
    return ChangeCheck(
        tuple(reversed(limits)),  # type: ignore[arg-type] # valid limits are kept
        change["per"] == "second",
        rule_key.microseconds(change.get("within", WITHIN)),
        persistence.compiled(change),
    )


def describe(parameter: str, limit: str, bound: float | str) -> str:
    """What happened, in a sentence."""
    return f"Parameter {parameter} changed by more than {limit} {number.text(float(bound))}"


class Number(NamedTuple):
    """A number that later ones are compared with: the last one of its time, by id."""

    time: int
    value: int | float
    id: str = ""
    timestamp: int = 0


class ChangeFold(LevelFold):
    """The fold of changes: it remembers the numbers of the newest time and the one before them."""

    newest: Number | None = None
    before: Number | None = None
    """The last one of an earlier time than the newest."""

    def step(self, reading: Reading) -> Episode | None:
        """Take the next reading; every number is remembered, whichever version judged it."""
        self.remember(reading)
        return super().step(reading)

    def judge(self, reading: Reading) -> Judgement | None:
        """What the check says of a number, which is remembered already."""
        if not is_number(reading.value):
            return None
        check: ChangeCheck = reading.check
        return check.judge(reading.value, reading.position[0], self.before and self.before[:2])

    def remember(self, reading: Reading) -> None:
        """Remember the number of a reading, if it holds one."""
        if not is_number(reading.value):
            return
        time, timestamp, identifier = reading.position
        number = Number(time, reading.value, identifier, timestamp)
        if self.newest and self.newest.time == time:
            self.newest = max(self.newest, number, key=lambda one: (one.id, one.timestamp))
        else:
            self.before, self.newest = self.newest, number

    def is_past(self, time: int) -> bool:
        """Whether the number before the newest is of a later time: none up to that time is compared with any more."""
        return self.before is not None and self.before.time > time


class ChangeSearch(LevelSearch):
    """Back to a number whose change says all, with all numbers of its time and of the time before."""

    def __init__(self, old: Sequence[Episode]) -> None:
        super().__init__(old)
        self._numbers: list[Reading] = []
        """Newest first, of at most three times."""

    def add(self, reading: Reading) -> Known | None:
        """Add the next older reading."""
        times = sorted({one.position[0] for one in self._numbers}, reverse=True)
        holds_number = is_number(reading.value)
        if len(times) == 2 and reading.position[0] < times[1]:  # noqa: PLR2004 - both are whole
            for candidate in self._numbers:
                if candidate.position[0] == times[0] and (known := self._known(candidate)):
                    return known
            if holds_number:
                self._numbers = [one for one in self._numbers if one.position[0] == times[1]]
        if holds_number:
            self._numbers.append(reading)
        return None

    def _known(self, candidate: Reading) -> Known | None:
        fold = ChangeFold()
        for reading in reversed(self._numbers):
            if reading.position <= candidate.position:
                fold.remember(reading)
        if candidate.check is None:
            return Known(candidate.position, fold)
        judgement = fold.judge(candidate)
        return None if judgement is None else self.known_after(candidate, judgement, fold)


KIND = Kind(KEYS, contradictions, compiled, describe, ChangeFold, ChangeSearch, msgspec.json.Decoder(ChangeFold).decode)
