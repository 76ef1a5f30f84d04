"""Limits: the rules of a config document, compiled into what judging needs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from operator import attrgetter, gt, itemgetter, lt
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET

from missionops.domain import checks, config_document, rule, rule_document
from missionops.domain.checks.limit import NAMES, LimitCheck
from missionops.domain.checks.state import StateCheck
from missionops.domain.clock import Clock
from missionops.domain.parameter_set import Value
from missionops.domain.rule import Rule, RuleInContext
from missionops.domain.rule_document import OFF
from missionops.domain.snapshot import ParameterValues

AreMet: TypeAlias = Callable[[Any], bool]

_WITH_MEMORY = tuple(place for place, kind in enumerate(rule.KINDS) if checks.KINDS[kind].suffix is None)
"""The kinds of checks that compare a snapshot with others; of these one snapshot alone makes no anomaly."""


class Rules(dict[str, Rule]):
    """The rules of one config document that check something, by parameter.

    For each class of parameter values that they meet, a check is made once and kept.
    """

    def __init__(
        self, rules: Mapping[str, Rule], off: AbstractSet[str] = frozenset(), clock: Clock | None = None
    ) -> None:
        super().__init__(rules)
        self.off = off
        """Parameters whose rule is switched off."""
        self.clock = clock or Clock()
        """What the document says of the spacecraft's clock."""
        self._checks: WeakKeyDictionary[type, AreMet] = WeakKeyDictionary()

    def check_of(self, kind: type[ParameterValues | dict[str, Value]]) -> AreMet:
        """Says of values of one class whether none is an anomaly; False may also mean: judge one by one."""
        if not self:
            return lambda _: True
        try:
            check = self._checks[kind]
        except KeyError:  # by position where it is a parameter set; a dict is judged one by one
            check = _check_of(kind, self) if issubclass(kind, ParameterValues) else lambda _: False
            self._checks[kind] = check
        return check

    @cached_property
    def with_memory(self) -> tuple[tuple[str, int], ...]:
        """The parameters, each with a kind of check (its place in KINDS), that every snapshot matters to."""
        return tuple((name, kind) for name, one in self.items() for kind in _WITH_MEMORY if one.has(kind))

    @property
    def checks(self) -> Iterator[tuple[str, int]]:
        """Every parameter with each kind of check (its place in KINDS) that it has."""
        return ((name, kind) for name, one in self.items() for kind in range(len(rule.KINDS)) if one.has(kind))

    def judges(self, name: str, value: Value) -> bool:
        """Whether a value of a parameter is one that its rule judges, in some context at least."""
        return name in self and self[name].judges(value)


def compile_rules(document: Mapping[str, Any]) -> Rules:
    """The rules of a config document, without its clock; InvalidRequest with the paths of its faults."""
    rule_document.refuse_faults(document)
    return _compiled(document, Clock())


def compile_valid(document: Mapping[str, Any]) -> Rules:
    """The rules of a document that was validated before, and its clock. A rule without a check is left out."""
    return _compiled(document, config_document.clock(document))


def _compiled(document: Mapping[str, Any], clock: Clock) -> Rules:
    given: Mapping[str, Mapping[str, Any]] = document.get("parameters", {})
    off = frozenset(name for name, rule in given.items() if OFF in rule)
    compiled = {name: rule.compiled(one) for name, one in given.items() if one and name not in off}
    checking = {name: one for name, one in compiled.items() if one.checks_something}
    return Rules(checking, off, clock)


def given(document: Mapping[str, Any]) -> dict[str, float]:
    """The bands of one parameter's rule, in the order in which they rise; none where it is switched off."""
    return {} if OFF in document else {name: document[name] for name in NAMES if name in document}


def _check_of(kind: type[ParameterValues], rules: Mapping[str, Rule]) -> AreMet:
    """The hot loop: a function that says whether values of this class meet all rules, as they nearly always do.

    Where it is in doubt it says False.
    """
    bands: list[tuple[int, LimitCheck]] = []
    states: dict[str, StateCheck] = {}
    contexts: dict[str, Rule] = {}
    for index, (name, attribute) in enumerate(kind.fields.items()):
        if (rule := rules.get(name)) is None:
            continue
        if rule.when:
            contexts[attribute] = rule
            continue
        if rule.own.limit:
            bands.append((index, rule.own.limit))
        if rule.own.state:
            states[attribute] = rule.own.state
    parts = [
        part
        for part in (bands and _within(bands), states and _nominal(states), contexts and _in_context(kind, contexts))
        if part
    ]
    if len(parts) == 1:
        return parts[0]

    def are_met(values: ParameterValues) -> bool:
        for part in parts:  # noqa: SIM110 - a generator costs as much as a part
            if not part(values):
                return False
        return True

    return are_met


def _getter(attributes: Mapping[str, object]) -> Callable[[Any], tuple[Any, ...]]:
    """Gives the values; the last one twice, as attrgetter of a single name gives no tuple."""
    names = [*attributes]
    getter: Callable[[Any], tuple[Any, ...]] = attrgetter(*names, names[-1])
    return getter


def _within(bands: Sequence[tuple[int, LimitCheck]]) -> AreMet:
    """Whether every number is within its bounds; bands are given by position."""
    aside: list[tuple[int, LimitCheck]] = []  # where something else than a number came once
    get, lows, highs = _columns(bands)

    def are_met(values: ParameterValues) -> bool:
        """The hot loop: no number may be below its low or above its high."""
        nonlocal get, lows, highs
        given = msgspec.structs.astuple(values)
        try:
            judged = get(given)
            if any(map(gt, judged, highs)) or any(map(lt, judged, lows)):
                return False
        except TypeError:  # a text, no value or none reported: none is judged, and the numbers beside it are
            aside[:] = [pair for pair in bands if pair in aside or not _is_number(given[pair[0]])]
            get, lows, highs = _columns([pair for pair in bands if pair not in aside])
            return are_met(values)
        for index, check in aside:
            if _is_number(value := given[index]) and not check.low <= value <= check.high:
                return False
        return True

    return are_met


def _is_number(value: object) -> bool:
    return value.__class__ is float or value.__class__ is int  # a boolean is an int to isinstance, and is never judged


def _columns(
    bands: Sequence[tuple[int, LimitCheck]],
) -> tuple[Callable[[Sequence[Any]], Sequence[Any]], list[float], list[float]]:
    """What gives the values at these places, and their bounds."""
    indexes = [index for index, _ in bands]
    lows, highs = [check.low for _, check in bands], [check.high for _, check in bands]
    if not indexes:
        return lambda _: (), lows, highs
    if len(indexes) == indexes[-1] + 1 - indexes[0]:  # those side by side are cut out, which is faster
        return itemgetter(slice(indexes[0], indexes[-1] + 1)), lows, highs
    return itemgetter(*indexes), lows, highs


def _nominal(states: Mapping[str, StateCheck]) -> AreMet:
    """Whether every state is nominal: a text costs one look into a set."""
    get = _getter(states)
    checks = [*states.values()]
    # The texts of which an anomaly is one, or else none: with `otherwise`, those that are listed as nominal.
    listed = [
        frozenset(state for state, level in check.states.items() if bool(level) is not bool(check.otherwise))
        for check in checks
    ]
    are_bad = [not check.otherwise for check in checks]
    absent = UNSET

    def are_met(values: ParameterValues) -> bool:
        for value, texts, is_bad, check in zip(get(values), listed, are_bad, checks):  # noqa: B905 - as in _within
            if value.__class__ is str:
                if (value in texts) is is_bad:
                    return False
            elif value is not absent and (found := check.judge(value)) and found.level:
                return False
        return True

    return are_met


class _Context(NamedTuple):
    """What holds in one context; its parameters are given by attribute."""

    conditions: tuple[tuple[str, Callable[[object], bool]], ...]
    low: float
    """From here to `high` a number is nominal."""
    high: float
    checks: tuple[LimitCheck | StateCheck, ...]


class _RuleByContext(NamedTuple):
    """A rule with `when`."""

    low: float
    """From here to `high` a number is nominal in every context."""
    high: float
    contexts: tuple[_Context, ...]
    """The first that holds; the last one always does."""

    def is_met(self, value: Any, values: ParameterValues) -> bool:
        """Whether a value is nominal beside the other values of its snapshot."""
        for conditions, low, high, others in self.contexts:
            for attribute, holds in conditions:
                if not holds(getattr(values, attribute)):
                    break
            else:
                if (value.__class__ is float or value.__class__ is int) and low <= value <= high:
                    return True
                return not any((found := check.judge(value)) and found.level for check in others)
        raise AssertionError("the last context has no condition")


def _in_context(kind: type[ParameterValues], contexts: Mapping[str, Rule]) -> AreMet:
    """Whether every value is nominal in the context that the others make."""
    get = _getter(contexts)
    rules: list[_RuleByContext] = []
    for given_rule in contexts.values():
        found = [
            _context(tuple((kind.fields[one.parameter], one.test.holds) for one in context), in_context)
            for context, in_context in given_rule.when
            if all(one.parameter in kind.fields for one in context)  # else it never holds
        ]
        found.append(_context((), given_rule.own))
        rules.append(_RuleByContext(max(one.low for one in found), min(one.high for one in found), tuple(found)))
    lows, highs = [rule.low for rule in rules], [rule.high for rule in rules]
    absent = UNSET

    def are_met(values: ParameterValues) -> bool:
        for low, value, high, one in zip(lows, get(values), highs, rules):  # noqa: B905 - as in _within
            if value is absent or value is None:
                continue
            if (value.__class__ is float or value.__class__ is int) and low <= value <= high:
                continue
            if not one.is_met(value, values):
                return False
        return True

    return are_met


def _context(conditions: tuple[tuple[str, Callable[[object], bool]], ...], rule: RuleInContext) -> _Context:
    low, high = (rule.limit.low, rule.limit.high) if rule.limit else (-math.inf, math.inf)
    if rule.state and rule.state.takes_numbers:
        low, high = math.inf, -math.inf  # every number is looked at
    return _Context(conditions, low, high, tuple(check for check in (rule.limit, rule.state) if check))
