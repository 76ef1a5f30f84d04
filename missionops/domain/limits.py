"""Limits: the rules of a config document, compiled into what judging needs."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from weakref import WeakKeyDictionary

from missionops.domain import rule, rule_check, rule_document
from missionops.domain.checks.limit import NAMES
from missionops.domain.parameter_set import ParameterValues, Value
from missionops.domain.rule import Rule
from missionops.domain.rule_document import OFF


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
        """Whether no value is an anomaly, as is nearly always so; False may also mean: judge one by one."""
        if not self:
            return True
        kind = values.__class__
        try:
            check = self._checks[kind]
        except KeyError:  # by position where it is a parameter set; a dict is judged one by one
            check = rule_check.made(kind, self) if issubclass(kind, ParameterValues) else lambda _: False
            self._checks[kind] = check
        return check(values)

    def judges(self, name: str, value: Value) -> bool:
        """Whether a value of a parameter is one that its rule judges, in some context at least."""
        return name in self and self[name].judges(value)


def compile_rules(document: Mapping[str, Any]) -> Rules:
    """The rules of a config document; InvalidRequest with the paths of its faults."""
    rule_document.refuse_faults(document)
    return compile_valid(document)


def compile_valid(document: Mapping[str, Any]) -> Rules:
    """The rules of a document that was validated before. A rule without a check is left out."""
    given: Mapping[str, Mapping[str, Any]] = document.get("parameters", {})
    off = frozenset(name for name, rule in given.items() if OFF in rule)
    compiled = {name: rule.compiled(one) for name, one in given.items() if one and name not in off}
    return Rules({name: one for name, one in compiled.items() if one.checks_something}, off)


def given(document: Mapping[str, Any]) -> dict[str, float]:
    """The bands of one parameter's rule, in the order in which they rise; none where it is switched off."""
    return {} if OFF in document else {name: document[name] for name in NAMES if name in document}
