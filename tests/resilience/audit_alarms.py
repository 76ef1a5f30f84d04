"""The audit of alarms: those of what is stored, by the contract's words for plain limits; each told once, in order."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.resilience.ledger import Ledger
from tests.resilience.publisher import SPACECRAFT
from tests.resilience.report import Report

_LEVELS = {"critLow": 3, "warnLow": 2, "critHigh": 3, "warnHigh": 2}
_AHEAD = timedelta(seconds=600)


class Alarm(NamedTuple):
    """The facts of an alarm that promise 8 is about."""

    parameter: str
    severity: int
    start: datetime
    raised_at: datetime
    end: datetime | None
    reason: str | None
    samples: int


class _Item(NamedTuple):
    """A snapshot, or a version that was set, in the order in which alarms are found."""

    time: datetime
    is_set: bool
    timestamp: datetime
    id: str
    version: int
    values: Mapping[str, Any]


def compare(ledger: Ledger, report: Report) -> None:
    """Report every difference between the alarms that are kept and those that the stored snapshots have."""
    snapshots = defaultdict(list)
    for row in ledger.telemetry:
        time = row["received_at"] if row["timestamp"] > row["received_at"] + _AHEAD else row["timestamp"]
        values = json.loads(row["parameters"])
        snapshots[row["spacecraft_id"]].append(
            _Item(time, False, row["timestamp"], row["id"], row["config_version"] or 0, values)  # noqa: FBT003 - in order
        )
    kept = defaultdict(list)
    for row in ledger.alarms:
        if not row["is_retracted"]:
            episode = json.loads(row["episode"])
            facts = row["start"], row["raised_at"], row["end"], episode["reason"], episode["facts"]["samples"]
            kept[row["spacecraft_id"]].append(Alarm(row["parameter"], row["severity"], *facts))
    for spacecraft in SPACECRAFT:  # a hostile one has ten thousand rules
        expected = sorted(_alarms(snapshots[spacecraft], ledger.configs[spacecraft]), key=repr)
        if expected != (found := sorted(kept[spacecraft], key=repr)):
            missing, more = {*expected} - {*found}, {*found} - {*expected}
            report.differ("alarms are not those of what is stored", (spacecraft, "missing", missing, "more", more))
    if ledger.marks:
        report.differ("alarms left to be found", ledger.marks)
    _check_told(ledger, report)


def _alarms(snapshots: Sequence[_Item], configs: Mapping[int, Any]) -> list[Alarm]:
    rules = {version: json.loads(row["document"]).get("parameters", {}) for version, row in configs.items()}
    rules[0] = {}
    items = list(snapshots)
    for version, row in configs.items():
        if version > 1:
            newest = [one.time for one in snapshots if one.version < version]
            time = max([row["updated_at"], *newest])
            items.append(_Item(time, True, time, "", version, {}))  # noqa: FBT003 - in order
    items.sort(key=lambda one: one[:4])
    parameters = {name for of_version in rules.values() for name in of_version}
    return [alarm for name in parameters for alarm in _of_parameter(name, items, rules)]


def _of_parameter(name: str, items: Sequence[_Item], rules: Mapping[int, Any]) -> list[Alarm]:
    found: list[Alarm] = []
    opened: Alarm | None = None
    for item in items:
        limits = rules[item.version].get(name, {})
        value = item.values.get(name)
        if not any(limit in limits for limit in _LEVELS):
            if opened and (item.is_set or value is not None):
                found.append(opened._replace(end=item.time, reason="unmonitored"))
                opened = None
            continue
        if value is None or isinstance(value, (bool, str)):
            continue
        broken = [
            level
            for limit, level in _LEVELS.items()
            if limit in limits and (value < limits[limit] if limit.endswith("Low") else value > limits[limit])
        ]
        if broken and opened:
            opened = opened._replace(severity=max(opened.severity, *broken), samples=opened.samples + 1)
        elif broken:
            opened = Alarm(name, max(broken), item.time, item.time, None, None, 1)
        elif opened:
            found.append(opened._replace(end=item.time))
            opened = None
    return [*found, *([opened] if opened else [])]


def _check_told(ledger: Ledger, report: Report) -> None:
    """ALARMS is the table of transitions, byte for byte; of each alarm in its order."""
    stored = {(row["alarm_id"], row["revision"]): bytes(row["message"].encode()) for row in ledger.transitions}
    told: dict[str, list[int]] = defaultdict(list)
    for message in ledger.alarm_stream.messages:
        if ledger.is_foreign(message):
            continue
        alarm = json.loads(message.body)["alarm"]
        told[alarm["id"]].append(alarm["revision"])
        if stored.get((alarm["id"], alarm["revision"])) != message.body:
            report.differ("told and not what happened", message)
    for row in ledger.alarms:
        if told[row["id"]] != list(range(1, row["revision"] + 1)):
            report.differ("not told once, in order", (row["id"], told[row["id"]], row["revision"]))
