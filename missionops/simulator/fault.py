"""Faults that can be injected by name: `battery-cell-short@t+300`, for one spacecraft `Cube-001/beacon-loss@t+60`."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from missionops.errors import InvalidRequest

_SYNTAX = re.compile(r"(?:([A-Za-z0-9_-]+)/)?([a-z0-9-]+)(?:@t\+([0-9]{1,9}))?")

Active = Mapping[str, float]
"""The active faults, and for how many seconds each has been active."""


class SimulatedFault(NamedTuple):
    """A fault that a mission can have."""

    name: str
    symptom: str
    cause: str
    action: str
    parameters: tuple[str, ...]
    """The parameters that leave their limits."""


class Injection(NamedTuple):
    """A fault and when it begins."""

    spacecraft_id: str | None
    """None: every spacecraft that can have it."""
    name: str
    seconds: float
    """Seconds from the start to its beginning."""


def parse(text: str) -> Injection:
    """The fault that `[SPACECRAFT/]NAME[@t+SECONDS]` names; without a time it begins at once."""
    found = _SYNTAX.fullmatch(text)
    if not found:
        raise InvalidRequest(f"{text!r} is no fault such as battery-cell-short@t+300: NAME@t+SECONDS.")
    return Injection(found[1], found[2], float(found[3] or 0))


def ramp(active: Active, name: str, seconds: float = 0.0) -> float:
    """The progress of a fault: 0 where it is not active, rising to 1 within `seconds`."""
    since = active.get(name)
    if since is None:
        return 0.0
    return min(since / seconds, 1.0) if seconds else 1.0
