"""The rule of one parameter, compiled."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from missionops.domain import checks, rule_document, when
from missionops.domain.checks.kind import Kind
from missionops.domain.checks.limit import LimitCheck
from missionops.domain.checks.state import StateCheck
from missionops.domain.episodes.persistence import Persistence
from missionops.domain.parameter_set import Value

KINDS = tuple(checks.KINDS)
"""The names of the kinds of checks, in the order of a rule's checks."""
PLACES = {name: place for place, name in enumerate(KINDS)}
"""The place of each kind of check in that order."""


def kind_at(place: int) -> Kind:
    """The kind of check at a place."""
    return checks.KINDS[KINDS[place]]


class RuleInContext(NamedTuple):
    """What one parameter is checked for in one context: a check of each kind, None where there is none."""

    checks: tuple[Any, ...]
    acknowledge: bool
    """Whether an alarm that returned waits for an operator."""

    @property
    def limit(self) -> LimitCheck | None:
        """The bands."""
        found: LimitCheck | None = self.checks[0]
        return found

    @property
    def state(self) -> StateCheck | None:
        """The states."""
        found: StateCheck | None = self.checks[1]
        return found


class Rule(NamedTuple):
    """The rule of one parameter."""

    own: RuleInContext
    when: tuple[tuple[when.Context, RuleInContext], ...]
    """The first whose context holds takes the place of `own`."""
    masked_by: str | None

    def in_context(self, values: Mapping[str, Value]) -> RuleInContext:
        """What holds with the values of one snapshot."""
        for context, rule in self.when:
            if when.holds(context, values):
                return rule
        return self.own

    def judges(self, value: Value) -> bool:
        """Whether some check of it, in some context at least, is about such a value."""
        return any(check.takes(value) for one in self._contexts for check in one.checks if check)

    @property
    def _contexts(self) -> list[RuleInContext]:
        return [self.own, *(one for _, one in self.when)]

    @property
    def checks_something(self) -> bool:
        """Whether it has any check, in some context at least."""
        return any(self.has(kind) for kind in range(len(KINDS)))

    def has(self, kind: int) -> bool:
        """Whether it has a check of a kind (its place in KINDS), in some context at least."""
        return any(one.checks[kind] is not None for one in self._contexts)

    def has_persistence(self, kind: int) -> bool:
        """Whether several samples may have to lie outside before its check of a kind raises an alarm."""
        checks = [one.checks[kind] for one in self._contexts]
        return any(check and check.persistences.to_raise != Persistence() for check in checks)


def compiled(given: Mapping[str, Any]) -> Rule:
    """A valid rule."""
    contexts = tuple(
        (when.compiled(one["if"]), _in_context(rule_document.merge(given, one))) for one in given.get("when", ())
    )
    return Rule(_in_context(given), contexts, given.get("maskedBy"))


def _in_context(given: Mapping[str, Any]) -> RuleInContext:
    return RuleInContext(tuple(kind.compiled(given) for kind in checks.KINDS.values()), given.get("acknowledge", True))
