"""LIMIT: numbers outside bands."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from missionops.domain import number, rule_key
from missionops.domain.checks.kind import Kind
from missionops.domain.episodes import persistence
from missionops.domain.episodes.episode import Reading
from missionops.domain.episodes.judgement import NOMINAL, Judgement
from missionops.domain.episodes.level_fold import LevelFold, LevelSearch
from missionops.domain.episodes.persistence import Persistences
from missionops.domain.parameter_set import Value, is_number
from missionops.errors import Detail

LOWS = ("severeLow", "critLow", "warnLow", "watchLow")
HIGHS = ("watchHigh", "warnHigh", "critHigh", "severeHigh")
NAMES = LOWS + HIGHS
"""The limits of a rule, in the order in which their values must rise."""

KEYS: Mapping[str, rule_key.KeyCheck] = {
    **dict.fromkeys(NAMES, rule_key.limit),
    "deadband": rule_key.number_from(0, rule_key.LARGEST),
}

_LEVELS = {name: level for names in (LOWS[::-1], HIGHS) for level, name in enumerate(names, 1)}


class Band(NamedTuple):
    """One limit."""

    level: int
    name: str
    limit: float


class LimitCheck(NamedTuple):
    """The bands of one parameter."""

    low: float
    """Below it at least one limit is broken; -inf where there is none."""
    high: float
    lows: tuple[Band, ...]
    """The worst first, as highs."""
    highs: tuple[Band, ...]
    deadband: float
    persistences: Persistences

    @staticmethod
    def takes(value: Value) -> bool:
        """Whether it is about such a value."""
        return is_number(value)

    def judge(self, value: Value) -> Judgement | None:
        """What it says of a value; None if that is no number. At a limit is nominal."""
        # The exact classes: a boolean is an int to isinstance, and is never judged.
        if value.__class__ is not float and value.__class__ is not int:
            return None
        if self.low <= value <= self.high:
            return NOMINAL
        for level, name, limit in self.lows:
            if value < limit:
                return Judgement(level, name, limit, min(limit - value, rule_key.LARGEST))
        for level, name, limit in self.highs:
            if value > limit:
                return Judgement(level, name, limit, min(value - limit, rule_key.LARGEST))
        raise AssertionError("judged only beyond a limit")

    def held_level(self, value: Value, severity: int) -> int:
        """The highest level up to that of an open alarm whose limits the number is not inside of by the deadband."""
        if not self.deadband:
            return 0
        return max(
            [level for level, _, limit in self.lows if level <= severity and not value >= limit + self.deadband]  # type: ignore[operator]
            + [level for level, _, limit in self.highs if level <= severity and not value <= limit - self.deadband],  # type: ignore[operator]
            default=0,
        )


def contradictions(path: str, rule: Mapping[str, Any]) -> rule_key.Faults:
    """What in a rule of valid keys cannot be meant."""
    faults = [*rule_key.order(path, rule, NAMES)]
    yield from faults
    low = next((rule[name] for name in reversed(LOWS) if name in rule), None)
    high = next((rule[name] for name in HIGHS if name in rule), None)
    deadband = rule.get("deadband", 0)
    if not faults and low is not None and high is not None and not low + deadband <= high - deadband:
        yield Detail(f"{path}.deadband", f"leaves no value that is inside both {low} and {high} by {deadband}")


def compiled(rule: Mapping[str, Any]) -> LimitCheck | None:
    """The check of a valid rule; None if it has no band."""
    lows, highs = (
        tuple(Band(_LEVELS[name], name, number.kept(rule[name])) for name in names if name in rule)  # type: ignore[arg-type] # valid
        for names in (LOWS, HIGHS[::-1])
    )
    if not lows and not highs:
        return None
    return LimitCheck(
        _fast(lows[-1].limit) if lows else -math.inf,
        _fast(highs[-1].limit) if highs else math.inf,
        lows,
        highs,
        rule.get("deadband", 0),
        persistence.compiled(rule),
    )


def _fast(limit: float) -> float:
    """The same number as a float where that is exact: most values are floats, and compare with one in half the time."""
    return float(limit) if float(limit) == limit else limit


def suffix(judgement: Judgement) -> str:
    """What ends the id of an anomaly: SEVERE_LOW to WATCH_HIGH."""
    return judgement.limit.replace("L", "_L").replace("H", "_H").upper()


def describe(parameter: str, limit: str, bound: float | str) -> str:
    """What happened, in a sentence."""
    side = "below" if limit in LOWS else "above"
    return f"Parameter {parameter} {side} {limit} {number.text(float(bound))}"


class LimitFold(LevelFold):
    """The fold of numbers under bands: while an episode is open, the deadband holds their level."""

    @staticmethod
    def held_level(reading: Reading, severity: int) -> int:
        """The level as which a number counts, too, while an episode of that severity is open."""
        check: LimitCheck = reading.check
        return check.held_level(reading.value, severity)


class LimitSearch(LevelSearch):
    """Where the fold is known, going back."""

    fold = LimitFold


KIND = Kind(
    KEYS,
    contradictions,
    compiled,
    describe,
    LimitFold,
    LimitSearch,
    msgspec.json.Decoder(LimitFold).decode,
    suffix,
)
