"""Faults that can be injected by name: `battery-cell-short@t+300`, for one spacecraft `Cube-001/beacon-loss@t+60`."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from missionops.errors import InvalidRequest

_SYNTAX = re.compile(r"(?:([A-Za-z0-9_-]+)/)?([a-z0-9-]+)(?:@t\+([0-9]{1,9}))?")

Active = Mapping[str, float]
"""The faults there are now, and for how many seconds there have been."""


class SimulatedFault(NamedTuple):
    """Something that breaks."""

    name: str
    symptom: str
    cause: str
    action: str
    parameters: tuple[str, ...]
    """Which leave their limits."""


class Injection(NamedTuple):
    """A fault and when it begins."""

    spacecraft_id: str | None
    """None: each spacecraft that can have it."""
    name: str
    seconds: float
    """After the start."""


def parse(text: str) -> Injection:
    """What `[SPACECRAFT/]NAME[@t+SECONDS]` says; without a time it begins at once."""
    found = _SYNTAX.fullmatch(text)
    if not found:
        raise InvalidRequest(f"{text!r} is no fault such as battery-cell-short@t+300: NAME@t+SECONDS.")
    return Injection(found[1], found[2], float(found[3] or 0))


def ramp(active: Active, name: str, seconds: float = 0.0) -> float:
    """How far a fault has come: 0 where there is none, rising to 1 within `seconds`."""
    since = active.get(name)
    if since is None:
        return 0.0
    return min(since / seconds, 1.0) if seconds else 1.0
