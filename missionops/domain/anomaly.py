"""Anomalies: what one check of a snapshot against its spacecraft's limits found.

Nearly all snapshots have none. Therefore `fast_check` comes first, which only says so, and `judge` where it does not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, gt, itemgetter, lt
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET

from missionops.domain import checks, severity, timestamp
from missionops.domain.checks.limit import LimitCheck
from missionops.domain.checks.state import StateCheck
from missionops.domain.limits import Rules
from missionops.domain.parameter_set import Value
from missionops.domain.rule import Rule, RuleInContext
from missionops.domain.severity import Severity
from missionops.domain.snapshot import ParameterValues, Snapshot
from missionops.domain.timestamp import Timestamp

_KINDS = [(kind, kind.suffix) for kind in checks.KINDS.values() if kind.suffix]
"""The kinds of checks that need one snapshot alone; of a rule's checks they are the first."""


AreMet: TypeAlias = Callable[[Any], bool]
"""Whether values of parameters meet all rules."""


class Limit(msgspec.Struct, frozen=True, gc=False):
    """The limit that was broken."""

    name: str
    value: int | float | str
    """For states the text of the value."""


class Anomaly(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One parameter of one snapshot outside its limits; in the order and with the names of the wire."""

    id: str
    spacecraft_id: str
    timestamp: Timestamp
    parameter: str
    value: float | str | bool
    severity: Severity
    description: str
    limit: Limit
    snapshot_id: str
    config_version: int
    detected_at: Timestamp

    @property
    def kind(self) -> str:
        """Which check it failed: SEVERE_LOW to WATCH_HIGH, or STATE."""
        return self.id.rpartition(":")[2]


def fast_check(rules: Rules, values_class: type[ParameterValues | dict[str, Value]]) -> AreMet:
    """The hot loop: says of values of one class whether none is an anomaly, as nearly always.

    Where it says False there may be one: `judge` finds out. It is made once for a class, and kept with the rules.
    """
    if not rules:
        return lambda _: True
    try:
        check = rules.fast_checks[values_class]
    except KeyError:  # by position where it is a parameter set; a dict is judged one by one
        check = _made_fast_check(values_class, rules) if issubclass(values_class, ParameterValues) else lambda _: False
        rules.fast_checks[values_class] = check
    return check


def judge(snapshot: Snapshot, rules: Rules, config_version: int, received: int) -> list[Anomaly]:
    """Every parameter of `snapshot` that its rule finds anomalous, by name in code point order.

    `received` is the stream's time of the message (microseconds since 1970), so that judging it again says the same.
    """
    values = snapshot.parameters
    found = []
    for name in rules if len(rules) < len(values) else values:  # whichever is shorter
        value = values.get(name)
        if value is None or (rule := rules.get(name)) is None:
            continue
        in_context = rule.in_context(values) if rule.when else rule.own
        for (kind, suffix), check in zip(_KINDS, in_context.checks, strict=False):
            if check and (judgement := check.judge(value)) and judgement.level:
                found.append((name, value, kind.describe, suffix, judgement))
    return [
        Anomaly(
            id=f"{snapshot.id}:{name}:{suffix(judgement)}",
            spacecraft_id=snapshot.spacecraft_id,
            timestamp=snapshot.timestamp,
            parameter=name,
            value=value,
            severity=severity.AT_LEVEL[judgement.level],
            description=describe(name, judgement.limit, judgement.bound),
            limit=Limit(judgement.limit, judgement.bound),
            snapshot_id=snapshot.id,
            config_version=config_version,
            detected_at=timestamp.from_microseconds(received),
        )
        for name, value, describe, suffix, judgement in sorted(found, key=itemgetter(0))
    ]


def _made_fast_check(values_class: type[ParameterValues], rules: Mapping[str, Rule]) -> AreMet:
    bands: list[tuple[int, LimitCheck]] = []
    states: dict[str, StateCheck] = {}
    contexts: dict[str, Rule] = {}
    for index, (name, attribute) in enumerate(values_class.fields.items()):
        if (rule := rules.get(name)) is None:
            continue
        if rule.when:
            contexts[attribute] = rule
            continue
        if rule.own.limit:
            bands.append((index, rule.own.limit))
        if rule.own.state:
            states[attribute] = rule.own.state
    in_context = contexts and _in_context(values_class, contexts)
    parts = [part for part in (bands and _within(bands), states and _nominal(states), in_context) if part]
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


def _in_context(values_class: type[ParameterValues], contexts: Mapping[str, Rule]) -> AreMet:
    """Whether every value is nominal in the context that the others make."""
    get = _getter(contexts)
    rules: list[_RuleByContext] = []
    for given_rule in contexts.values():
        found = [
            _context(tuple((values_class.fields[one.parameter], one.test.holds) for one in context), in_context)
            for context, in_context in given_rule.when
            if all(one.parameter in values_class.fields for one in context)  # else it never holds
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
