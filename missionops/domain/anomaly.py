"""Anomalies: what one check of a snapshot against its spacecraft's limits found."""

from operator import itemgetter

import msgspec

from missionops.domain import checks, severity, timestamp
from missionops.domain.limits import Rules
from missionops.domain.severity import Severity
from missionops.domain.snapshot import Snapshot
from missionops.domain.timestamp import Timestamp

_KINDS = [(kind, kind.suffix) for kind in checks.KINDS.values() if kind.suffix]
"""The kinds of checks that need one snapshot alone; of a rule's checks they are the first."""


class Limit(msgspec.Struct, frozen=True, gc=False):
    """The limit that was broken."""

    name: str
    value: int | float | str
    """For states the text of the value."""


class Anomaly(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One parameter of one snapshot outside its limits; in the order and with the names of the wire."""

    id: str
    spacecraft_id: str
    timestamp: Timestamp
    parameter: str
    value: float | str | bool
    severity: Severity
    description: str
    limit: Limit
    snapshot_id: str
    config_version: int
    detected_at: Timestamp

    @property
    def kind(self) -> str:
        """Which check it failed: SEVERE_LOW to WATCH_HIGH, or STATE."""
        return self.id.rpartition(":")[2]


def judge(snapshot: Snapshot, rules: Rules, config_version: int, received: int) -> list[Anomaly]:
    """Every parameter of `snapshot` that its rule finds anomalous, by name in code point order.

    `received` is the stream's time of the message (microseconds since 1970), so that judging it again says the same.
    """
    values = snapshot.parameters
    found = []
    for name in rules if len(rules) < len(values) else values:  # whichever is shorter
        value = values.get(name)
        if value is None or (rule := rules.get(name)) is None:
            continue
        in_context = rule.in_context(values) if rule.when else rule.own
        for (kind, suffix), check in zip(_KINDS, in_context.checks, strict=False):
            if check and (judgement := check.judge(value)) and judgement.level:
                found.append((name, value, kind.describe, suffix, judgement))
    return [
        Anomaly(
            id=f"{snapshot.id}:{name}:{suffix(judgement)}",
            spacecraft_id=snapshot.spacecraft_id,
            timestamp=snapshot.timestamp,
            parameter=name,
            value=value,
            severity=severity.AT_LEVEL[judgement.level],
            description=describe(name, judgement.limit, judgement.bound),
            limit=Limit(judgement.limit, judgement.bound),
            snapshot_id=snapshot.id,
            config_version=config_version,
            detected_at=timestamp.from_microseconds(received),
        )
        for name, value, describe, suffix, judgement in sorted(found, key=itemgetter(0))
    ]
