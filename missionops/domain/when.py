"""`when`: rules that hold in a context, which other values of the same snapshot make."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from missionops.domain import number, rule_key
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.parameter_set import Value
from missionops.errors import Detail

MAX_WHEN = 16
"""How many contexts one rule tells apart."""


class Equals(NamedTuple):
    """An equal text, boolean or number."""

    value: bool | int | float | str

    def holds(self, value: object) -> bool:
        """Whether a value is of the same type and equal."""
        return value == self.value and (self.value.__class__ is str or _type(value) is _type(self.value))


class Between(NamedTuple):
    """A number below one limit and above another, where they are given."""

    below: float | None
    above: float | None

    def holds(self, value: object) -> bool:
        """Whether a value is a number between the limits."""
        return (
            _type(value) is float
            and (self.below is None or value < self.below)  # type: ignore[operator] # a number
            and (self.above is None or value > self.above)  # type: ignore[operator]
        )


class Condition(NamedTuple):
    """What one parameter has to be."""

    parameter: str
    test: Equals | Between


Context = tuple[Condition, ...]
"""All of them have to hold."""


def _type(value: object) -> type | None:
    """str, bool, or float for any number; None for what is no value."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return str if isinstance(value, str) else None


def holds(context: Context, values: Mapping[str, Value]) -> bool:
    """Whether a context is that of a snapshot's values."""
    return all(condition.test.holds(values.get(condition.parameter)) for condition in context)


def compiled(given: Mapping[str, Any]) -> Context:
    """A valid `if`."""
    conditions = []
    for parameter, value in given.items():
        test: Equals | Between
        if isinstance(value, dict):
            below, above = (None if value.get(key) is None else number.kept(value[key]) for key in ("below", "above"))
            test = Between(below, above)
        else:
            test = Equals(value if isinstance(value, str | bool) else number.kept(value))  # type: ignore[arg-type] # valid
        conditions.append(Condition(parameter, test))
    return tuple(conditions)


_range_keys = rule_key.object_of({"below": rule_key.limit, "above": rule_key.limit})


def faults(path: str, given: object) -> rule_key.Faults:
    """What is wrong with an `if`."""
    if not isinstance(given, dict) or not given:
        yield Detail(path, "must be an object that is not empty: a parameter's name → a value, or below and above")
        return
    for parameter, value in given.items():
        place = f"{path}.{parameter[:MAX_NAME]}"
        yield from rule_key.parameter(place, parameter)
        if isinstance(value, dict):
            found = [*_range_keys(place, value)]
            yield from found
            if not found and not value:
                yield Detail(place, "must hold below, above or both")
            elif not found and len(value) > 1 and not value["above"] < value["below"]:
                yield Detail(place, "can never hold: above has to be less than below")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from rule_key.limit(place, value)
        elif not isinstance(value, str | bool):
            yield Detail(place, "must be a text, a boolean, a number, or an object with any of below, above")
