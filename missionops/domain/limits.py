"""Limits: the rules of a config document, compiled."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from missionops.domain import checks, config_document, rule, rule_document
from missionops.domain.checks.limit import NAMES
from missionops.domain.clock import Clock
from missionops.domain.parameter_set import Value
from missionops.domain.rule import Rule
from missionops.domain.rule_document import OFF

_WITH_MEMORY = tuple(place for place, kind in enumerate(rule.KINDS) if checks.KINDS[kind].suffix is None)
"""The kinds of checks that compare a snapshot with others; of these one snapshot alone makes no anomaly."""


class Rules(dict[str, Rule]):
    """The rules of one config document that check something, by parameter."""

    def __init__(
        self, rules: Mapping[str, Rule], off: AbstractSet[str] = frozenset(), clock: Clock | None = None
    ) -> None:
        super().__init__(rules)
        self.off = off
        """Parameters whose rule is switched off."""
        self.clock = clock or Clock()
        """What the document says of the spacecraft's clock."""
        self.fast_checks: WeakKeyDictionary[type, Callable[[Any], bool]] = WeakKeyDictionary()
        """By class of parameter values: what `anomaly.fast_check` has made for it."""

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
