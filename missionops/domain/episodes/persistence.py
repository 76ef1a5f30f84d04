"""Persistence: how long a level has to last before an alarm is raised or ends by it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from missionops.domain import rule_key

MAX_SAMPLES = 1_000
MAX_SECONDS = 3_600


class Persistence(NamedTuple):
    """What a run of samples has to reach."""

    samples: int = 1
    microseconds: int = 0
    """How long before the last sample of the run its first one has to be, at least."""


class Persistences(NamedTuple):
    """What raises an alarm, and what ends it."""

    to_raise: Persistence = Persistence()
    to_clear: Persistence = Persistence()


_check = rule_key.object_of(
    {"samples": rule_key.whole_number(1, MAX_SAMPLES), "seconds": rule_key.number_from(0, MAX_SECONDS)}
)

KEYS: Mapping[str, rule_key.KeyCheck] = {"raise": _check, "clear": _check}

AT_ONCE = Persistences()
"""The first sample counts: nothing is given."""


def compiled(document: Mapping[str, Any]) -> Persistences:
    """From `raise` and `clear` of a rule, or of its `change`."""
    if "raise" not in document and "clear" not in document:
        return AT_ONCE
    given = (document.get(key, {}) for key in ("raise", "clear"))
    return Persistences(
        *(Persistence(one.get("samples", 1), rule_key.microseconds(one.get("seconds", 0))) for one in given)
    )
