"""A second implementation of the check against limits, written from the contract without looking at the product."""

import operator
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

_CHECKS = (
    ("critLow", operator.lt, "CRIT_LOW", "HIGH", "below"),
    ("warnLow", operator.lt, "WARN_LOW", "MEDIUM", "below"),
    ("critHigh", operator.gt, "CRIT_HIGH", "HIGH", "above"),
    ("warnHigh", operator.gt, "WARN_HIGH", "MEDIUM", "above"),
)
Rules: TypeAlias = Mapping[str, Mapping[str, Any]]


def judge(snapshot: Mapping[str, Any], rules: Rules, version: int, detected_at: str) -> Iterator[dict[str, Any]]:
    """The anomalies of a snapshot, `{spacecraftId, timestamp, id, parameters}`, in the order of parameter names."""
    for name in sorted(snapshot["parameters"].keys() & rules.keys()):
        value, limits = snapshot["parameters"][name], rules[name]
        if value is None or isinstance(value, (bool, str)):
            continue
        for limit, breaks, suffix, severity, side in _CHECKS:
            if limit in limits and breaks(value, limits[limit]):
                yield {
                    "id": f"{snapshot['id']}:{name}:{suffix}",
                    "spacecraftId": snapshot["spacecraftId"],
                    "timestamp": snapshot["timestamp"],
                    "parameter": name,
                    "value": value,
                    "severity": severity,
                    "description": f"Parameter {name} {side} {limit} {limits[limit]}",
                    "limit": {"name": limit, "value": limits[limit]},
                    "snapshotId": snapshot["id"],
                    "configVersion": version,
                    "detectedAt": detected_at,
                }
                break
