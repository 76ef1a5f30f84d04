"""Keys of a rule: what their values may be, and the faults of those that are something else."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from missionops.domain import number, parameter_name
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.severity import Severity
from missionops.domain.timestamp import SECOND
from missionops.errors import Detail

MAX_TEXT = 4_096
LARGEST = sys.float_info.max
"""The largest number that a double holds: JSON has no infinity, which the distance of two doubles may be."""
MAX_SECONDS = 10_000_000_000
"""Longer than from the earliest time to the latest, so that no sum of it with a time overflows."""

SEVERITIES = frozenset(Severity)

Faults = Iterator[Detail]
KeyCheck = Callable[[str, Any], Faults]
"""The faults of the value at a path."""


def limit(path: str, value: object) -> Faults:
    """A number that is kept."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Detail(path, "must be a number")
    elif number.kept(value) is None:
        yield Detail(path, "is beyond what a double can hold")


def number_from(least: float, most: float, *, is_least_allowed: bool = True) -> KeyCheck:
    """A number from `least` to `most`; above `least` where that itself is not allowed."""
    bounds = f"from {least} to {most}" if is_least_allowed else f"above {least}, at most {most}"

    def check(path: str, value: object) -> Faults:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not least <= value <= most
            or (value == least and not is_least_allowed)
        ):
            yield Detail(path, f"must be a number {bounds}")

    return check


def whole_number(least: int, most: int) -> KeyCheck:
    """A whole number from `least` to `most`."""

    def check(path: str, value: object) -> Faults:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            yield Detail(path, f"must be a whole number from {least} to {most}")

    return check


def severity(path: str, value: object) -> Faults:
    """A severity."""
    if not isinstance(value, str) or value not in SEVERITIES:
        yield Detail(path, f"must be one of {', '.join(Severity)}")


def severity_or_null(path: str, value: object) -> Faults:
    """A severity, or null for nominal."""
    if value is not None and (not isinstance(value, str) or value not in SEVERITIES):
        yield Detail(path, f"must be one of {', '.join(Severity)}, or null for nominal")


def boolean(path: str, value: object) -> Faults:
    """True or false."""
    if not isinstance(value, bool):
        yield Detail(path, "must be true or false")


def text(path: str, value: object) -> Faults:
    """A text for people, which may be empty."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        yield Detail(path, f"must be a text of at most {MAX_TEXT} characters")


def parameter(path: str, value: object) -> Faults:
    """The name of a parameter."""
    if not isinstance(value, str) or parameter_name.fault(value):
        yield Detail(path, f"must be the name of a parameter, of 1 to {MAX_NAME} characters")


def object_of(checks: Mapping[str, KeyCheck], required: Collection[str] = ()) -> KeyCheck:
    """An object with these keys and no others."""

    def check(path: str, value: object) -> Faults:
        if not isinstance(value, dict):
            yield Detail(path, f"must be an object with any of {', '.join(checks)}")
            return
        for key, inner in value.items():
            if found := checks.get(key):
                yield from found(f"{path}.{key}", inner)
            else:
                yield Detail(f"{path}.{key[:MAX_NAME]}", f"is not known here; the keys are {', '.join(checks)}")
        for key in required:
            if key not in value:
                yield Detail(f"{path}.{key}", "is missing")

    return check


def order(path: str, values: Mapping[str, Any], names: Sequence[str]) -> Faults:
    """The numbers that are given under these names have to rise in the order of the names, or be equal."""
    given = [(name, values[name]) for name in names if name in values]
    for (lower, low), (upper, high) in pairwise(given):
        if low > high:
            yield Detail(f"{path}.{upper}", f"{upper} {high} is below {lower} {low}; {' ≤ '.join(names)} must hold")


def microseconds(seconds: float) -> int:
    """Seconds as a config gives them in the unit of times, which is whole."""
    return round(seconds * SECOND)
