"""Anomalies: what one check of a snapshot against its spacecraft's limits found."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from missionops.domain import number, timestamp
from missionops.domain.limits import Rule, Rules
from missionops.domain.snapshot import Snapshot
from missionops.domain.timestamp import Timestamp


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


class Limit(msgspec.Struct, frozen=True, gc=False):
    """The limit that was broken."""

    name: str
    value: float


class Anomaly(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One parameter of one snapshot outside its limits; in the order and with the names of the wire."""

    id: str
    spacecraft_id: str
    timestamp: Timestamp
    parameter: str
    value: float
    severity: Severity
    description: str
    limit: Limit
    snapshot_id: str
    config_version: int
    detected_at: Timestamp

    @property
    def kind(self) -> str:
        """Which check it failed: CRIT_LOW, WARN_LOW, CRIT_HIGH or WARN_HIGH."""
        return self.id.rpartition(":")[2]


def judge(snapshot: Snapshot, rules: Rules, config_version: int, received: int) -> list[Anomaly]:
    """Every parameter of `snapshot` outside its limits, by name in code point order; at a limit is nominal.

    `received` is the stream's time of the message (microseconds since 1970), so that judging it again says the same.
    """
    return [
        _anomaly(snapshot, name, value, rule, config_version, received)
        for name, value, rule in sorted(_outside(snapshot, rules))
    ]


def _outside(snapshot: Snapshot, rules: Rules) -> list[tuple[str, float, Rule]]:
    """The numbers beyond `low` or `high` of their rule; walks whichever side is shorter."""
    values: Mapping[str, Any] = snapshot.parameters
    found = []
    for name in rules if len(rules) < len(values) else values:
        value = values.get(name)
        # The exact classes: a boolean is an int to isinstance, and is never judged.
        if value.__class__ is not float and value.__class__ is not int:
            continue
        rule = rules.get(name)
        if rule is not None and not rule.low <= value <= rule.high:
            found.append((name, value, rule))
    return found


def _anomaly(  # noqa: PLR0917 - one value for each thing that an anomaly is made from
    snapshot: Snapshot, parameter: str, value: float, rule: Rule, config_version: int, received: int
) -> Anomaly:
    kind, name, severity, side, limit = _broken(value, rule)
    return Anomaly(
        id=f"{snapshot.id}:{parameter}:{kind}",
        spacecraft_id=snapshot.spacecraft_id,
        timestamp=snapshot.timestamp,
        parameter=parameter,
        value=value,
        severity=severity,
        description=f"Parameter {parameter} {side} {name} {number.text(limit)}",
        limit=Limit(name, limit),
        snapshot_id=snapshot.id,
        config_version=config_version,
        detected_at=timestamp.from_microseconds(received),
    )


def _broken(value: float, rule: Rule) -> tuple[str, str, Severity, str, float]:
    """The first limit that `value` breaks, in the contract's order."""
    if rule.crit_low is not None and value < rule.crit_low:
        return "CRIT_LOW", "critLow", Severity.HIGH, "below", rule.crit_low
    if rule.warn_low is not None and value < rule.warn_low:
        return "WARN_LOW", "warnLow", Severity.MEDIUM, "below", rule.warn_low
    if rule.crit_high is not None and value > rule.crit_high:
        return "CRIT_HIGH", "critHigh", Severity.HIGH, "above", rule.crit_high
    if rule.warn_high is not None and value > rule.warn_high:
        return "WARN_HIGH", "warnHigh", Severity.MEDIUM, "above", rule.warn_high
    raise AssertionError("judged only beyond a limit")
