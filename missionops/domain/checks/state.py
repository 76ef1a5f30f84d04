"""STATE: texts, booleans and numbers that stand for a state which is listed as bad, or is not listed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from missionops.domain import number, rule_key
from missionops.domain.checks import limit
from missionops.domain.checks.kind import Kind
from missionops.domain.episodes import persistence
from missionops.domain.episodes.judgement import NOMINAL, Judgement
from missionops.domain.episodes.level_fold import LevelFold, LevelSearch
from missionops.domain.episodes.persistence import Persistences
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.parameter_set import Value
from missionops.domain.severity import Severity
from missionops.errors import Detail

MAX_STATES = 1_000


def _states(path: str, value: object) -> rule_key.Faults:
    if not isinstance(value, dict):
        yield Detail(path, "must be an object: a value as text → a severity, or null for nominal")
    elif not 1 <= len(value) <= MAX_STATES:
        yield Detail(path, f"must hold 1 to {MAX_STATES} states")
    else:
        for state, severity in value.items():
            yield from rule_key.severity_or_null(f"{path}.{state[:MAX_NAME]}", severity)


KEYS: Mapping[str, rule_key.KeyCheck] = {"states": _states, "otherwise": rule_key.severity_or_null}


class StateCheck(NamedTuple):
    """The states of one parameter."""

    states: Mapping[str, int]
    """The level of each listed state, by its text; 0 is nominal."""
    otherwise: int
    """The level of any other."""
    takes_numbers: bool
    """Whether numbers are states: the rule has no band that judges them."""
    persistences: Persistences

    def takes(self, value: Value) -> bool:
        """Whether it is about such a value."""
        return self.judge(value) is not None

    def judge(self, value: Value) -> Judgement | None:
        """What it says of a value; None if that is no state."""
        if isinstance(value, str):
            state = value
        elif isinstance(value, bool):
            state = "true" if value else "false"
        elif value is None or not self.takes_numbers:
            return None
        else:
            state = str(value) if isinstance(value, int) else number.text(value)
        level = self.states.get(state)
        if level is None:
            return Judgement(self.otherwise, "otherwise", state) if self.otherwise else NOMINAL
        return Judgement(level, "states", state) if level else NOMINAL


def contradictions(path: str, rule: Mapping[str, Any]) -> rule_key.Faults:
    """What in a rule of valid keys cannot be meant."""
    if "otherwise" in rule and "states" not in rule:
        yield Detail(f"{path}.otherwise", "needs states: it is about the values that are not among them")


def compiled(rule: Mapping[str, Any]) -> StateCheck | None:
    """The check of a valid rule; None if it has no states."""
    if "states" not in rule:
        return None
    return StateCheck(
        MappingProxyType({state: _level(severity) for state, severity in rule["states"].items()}),
        _level(rule.get("otherwise")),
        not any(name in rule for name in limit.NAMES),
        persistence.compiled(rule),
    )


def _level(severity: str | None) -> int:
    return Severity(severity).level if severity else 0


def suffix(_judgement: Judgement) -> str:
    """What ends the id of an anomaly."""
    return "STATE"


def describe(parameter: str, _limit: str, bound: float | str) -> str:
    """What happened, in a sentence."""
    return f"Parameter {parameter} is {bound}"


KIND = Kind(
    KEYS,
    contradictions,
    compiled,
    describe,
    LevelFold,
    LevelSearch,
    msgspec.json.Decoder(LevelFold).decode,
    suffix,
)
