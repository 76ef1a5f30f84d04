"""A mission: its name, its parameters with their limits, its faults, and the model of its behaviour."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from missionops.domain.parameter_set import Value
from missionops.simulator.fault import Active, SimulatedFault
from missionops.simulator.noise import Noise

LIMITS = ("critLow", "warnLow", "warnHigh", "critHigh")
"""The limits that missions have."""


class Parameter(NamedTuple):
    """One parameter that is reported."""

    name: str
    unit: str
    meaning: str
    limits: tuple[float | None, float | None, float | None, float | None] = (None, None, None, None)
    """critLow, warnLow, warnHigh, critHigh."""

    @property
    def rule(self) -> dict[str, float]:
        """Its limits as a rule of a config."""
        return {name: limit for name, limit in zip(LIMITS, self.limits, strict=True) if limit is not None}


class Model(Protocol):
    """The state of a spacecraft; `at` is in seconds after J2000."""

    def advance(self, seconds: float, at: float, active: Active) -> None:
        """Advance by a short time, up to `at`."""

    def report(self, at: float, active: Active) -> Mapping[str, Value]:
        """The parameters that the spacecraft reports."""


class Profile(NamedTuple):
    """One mission."""

    spacecraft_id: str
    name: str
    mission_type: str
    overview: str
    parameters: tuple[Parameter, ...]
    faults: tuple[SimulatedFault, ...]
    model: Callable[[Noise], Model]

    @property
    def config(self) -> dict[str, Any]:
        """The config document with its limits."""
        return {
            "mission": {"name": self.name, "type": self.mission_type},
            "parameters": {parameter.name: parameter.rule for parameter in self.parameters if parameter.rule},
        }
