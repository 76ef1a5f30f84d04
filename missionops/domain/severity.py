"""How bad an anomaly or an alarm is."""

from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"

    def and_above(self) -> tuple["Severity", ...]:
        """This severity and those that are worse."""
        order = tuple(Severity)
        return order[order.index(self) :]

    @property
    def level(self) -> int:
        """1 for LOW to 4 for CRITICAL; 0 is nominal."""
        return tuple(Severity).index(self) + 1


AT_LEVEL = dict(enumerate(Severity, 1))
"""The severity of each level from 1 to 4."""
