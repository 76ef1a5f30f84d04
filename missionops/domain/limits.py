"""Limits: the rules of a config document, validated and compiled into what judging needs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice, pairwise
from operator import gt, itemgetter, lt
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from missionops.domain import number
from missionops.domain.parameter_set import ParameterValues, Value
from missionops.errors import Detail, InvalidRequest

NAMES = ("critLow", "warnLow", "warnHigh", "critHigh")
"""The limits of a rule, in the order in which their values must rise."""

OFF = "off"
"""The key of a rule that checks nothing for now; its value is a text that says why."""

MAX_NAME = 256
MAX_TEXT = 4_096
MAX_PARAMETERS = 10_000
MAX_FAULTS = 100
"""How many faults of one document are reported: the response has to fit into a message."""


class Rule(NamedTuple):
    """The limits of one parameter; None where there is none. Below `low` or above `high` at least one is violated."""

    low: float
    high: float
    crit_low: float | None
    warn_low: float | None
    warn_high: float | None
    crit_high: float | None


class Rules(dict[str, Rule]):
    """The rules of one config document that check something, by parameter.

    For each class of parameter values that they meet, a check is made once and kept.
    """

    def __init__(self, rules: Mapping[str, Rule], off: AbstractSet[str] = frozenset()) -> None:
        super().__init__(rules)
        self.off = off
        """Parameters whose rule is switched off."""
        self._checks: WeakKeyDictionary[type, Callable[[Any], bool]] = WeakKeyDictionary()

    def are_met(self, values: ParameterValues | dict[str, Value]) -> bool:
        """Whether no number is outside its limits, as is nearly always so; False may also mean: judge one by one."""
        if not self:
            return True
        kind = values.__class__
        try:
            check = self._checks[kind]
        except KeyError:
            check = self._checks[kind] = self._make_check(kind)
        return check(values)

    def _make_check(self, kind: type) -> Callable[[Any], bool]:
        """The check for one class of values: by position where it is a parameter set; a dict is judged one by one."""
        if not issubclass(kind, ParameterValues):
            return lambda _: False
        ruled = [(index, self[name]) for index, name in enumerate(kind.fields) if name in self]
        aside: list[tuple[int, Rule]] = []  # where something else than a number came once
        get, lows, highs = _columns(ruled)

        def are_met(values: ParameterValues) -> bool:
            """The hot loop: no number may be below its low or above its high."""
            nonlocal get, lows, highs
            given = msgspec.structs.astuple(values)
            try:
                judged = get(given)
                if any(map(gt, judged, highs)) or any(map(lt, judged, lows)):
                    return False
            except TypeError:  # a text, no value or none reported: none is judged, and the numbers beside it are
                aside[:] = [pair for pair in ruled if pair in aside or not _is_number(given[pair[0]])]
                get, lows, highs = _columns([pair for pair in ruled if pair not in aside])
                return are_met(values)
            for index, rule in aside:
                if _is_number(value := given[index]) and not rule.low <= value <= rule.high:
                    return False
            return True

        return are_met


def _is_number(value: object) -> bool:
    return value.__class__ is float or value.__class__ is int  # a boolean is an int to isinstance, and is never judged


def _columns(
    ruled: Sequence[tuple[int, Rule]],
) -> tuple[Callable[[Sequence[Any]], Sequence[Any]], list[float], list[float]]:
    """What gives the values at these places, and their bounds."""
    indexes = [index for index, _ in ruled]
    lows, highs = [rule.low for _, rule in ruled], [rule.high for _, rule in ruled]
    if not indexes:
        return lambda _: (), lows, highs
    if len(indexes) == indexes[-1] + 1 - indexes[0]:  # those side by side are cut out, which is faster
        return itemgetter(slice(indexes[0], indexes[-1] + 1)), lows, highs
    return itemgetter(*indexes), lows, highs


def compile_rules(document: Mapping[str, Any]) -> Rules:
    """The rules of a config document; InvalidRequest with the paths of its faults."""
    faults = list(islice(_faults(document), MAX_FAULTS))
    if faults:
        raise refusal(faults)
    return compile_valid(document)


def compile_valid(document: Mapping[str, Any]) -> Rules:
    """The rules of a document that was validated before. A rule without a limit checks nothing and is left out."""
    given: Mapping[str, Mapping[str, Any]] = document.get("parameters", {})
    off = frozenset(name for name, rule in given.items() if OFF in rule)
    return Rules({name: _rule(rule) for name, rule in given.items() if rule and name not in off}, off)


def given(rule: Mapping[str, Any]) -> dict[str, float]:
    """The limits of one parameter's rule, in the order in which they rise; none where it is switched off."""
    return {} if OFF in rule else {name: rule[name] for name in NAMES if name in rule}


def refusal(faults: Sequence[Detail]) -> InvalidRequest:
    """The refusal of a config document with these faults."""
    return InvalidRequest(f"Config refused: {faults[0].path}: {faults[0].message}", tuple(faults))


def _rule(limits: Mapping[str, float]) -> Rule:
    given = (limits.get(name) for name in NAMES)
    crit_low, warn_low, warn_high, crit_high = (None if limit is None else number.kept(limit) for limit in given)
    low = next((limit for limit in (warn_low, crit_low) if limit is not None), -math.inf)
    high = next((limit for limit in (warn_high, crit_high) if limit is not None), math.inf)
    return Rule(_fast(low), _fast(high), crit_low, warn_low, warn_high, crit_high)


def _fast(limit: float) -> float:
    """The same number as a float where that is exact: most values are floats, and compare with one in half the time."""
    return float(limit) if float(limit) == limit else limit


def _faults(document: Mapping[str, Any]) -> Iterator[Detail]:
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        yield Detail("parameters", "must be an object: parameter name → limits")
        return
    if len(parameters) > MAX_PARAMETERS:
        yield Detail("parameters", f"may hold at most {MAX_PARAMETERS} parameters")
        return
    for name, limits in parameters.items():
        yield from _rule_faults(f"parameters.{name[:MAX_NAME]}", name, limits)


def _rule_faults(path: str, name: str, limits: object) -> Iterator[Detail]:
    if not 1 <= len(name) <= MAX_NAME:
        yield Detail(path, f"a parameter's name has 1 to {MAX_NAME} characters")
    elif "\0" in name:
        yield Detail(path, "a parameter's name may not hold U+0000")
    elif not isinstance(limits, dict):
        yield Detail(path, f"must be an object with any of {', '.join(NAMES)}")
    else:
        faults = [*_key_faults(path, limits)]
        yield from faults or _order_faults(path, limits)


def _key_faults(path: str, limits: Mapping[str, Any]) -> Iterator[Detail]:
    for key, limit in limits.items():
        if key == OFF:
            if not isinstance(limit, str) or not 1 <= len(limit) <= MAX_TEXT:
                yield Detail(f"{path}.{key}", f"must be a text of 1 to {MAX_TEXT} characters that says why")
        elif key not in NAMES:
            yield Detail(f"{path}.{key[:MAX_NAME]}", f"is no limit; the limits are {', '.join(NAMES)}")
        elif isinstance(limit, bool) or not isinstance(limit, int | float):
            yield Detail(f"{path}.{key}", "must be a number")
        elif number.kept(limit) is None:
            yield Detail(f"{path}.{key}", "is beyond what a double can hold")


def _order_faults(path: str, limits: Mapping[str, float]) -> Iterator[Detail]:
    present = [(name, limits[name]) for name in NAMES if name in limits]
    for (lower, low), (upper, high) in pairwise(present):
        if low > high:
            yield Detail(f"{path}.{upper}", f"{upper} {high} is below {lower} {low}; {' ≤ '.join(NAMES)} must hold")
