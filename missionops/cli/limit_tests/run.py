"""Runs one test: what its config finds in its series, and how that differs from what is expected."""

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from missionops.cli.limit_tests import series
from missionops.cli.limit_tests.document import LimitTest
from missionops.cli.limit_tests.series import Item
from missionops.domain import anomaly, config_document, history, limits, number, severity, snapshot, timestamp
from missionops.domain.clock import Clock
from missionops.domain.history import JudgedSnapshot
from missionops.domain.parameter_set import Value
from missionops.domain.snapshot import Snapshot
from missionops.domain.timestamp import SECOND

_SPACECRAFT = "TEST"


def run(test: LimitTest, path: str) -> list[str]:
    """How what is found differs from what is expected, a line for each difference; none if the test passes."""
    document: Mapping[str, Any] = test.config if isinstance(test.config, dict) else {}
    rules = limits.compile_rules(document)
    start = timestamp.to_microseconds(test.start)
    snapshots = list(_snapshots(test, start, config_document.clock(document), path))
    differences: list[str] = []
    if test.alarms is not None:
        found = [
            {
                "parameter": alarm.parameter,
                "check": alarm.check,
                "severity": str(severity.AT_LEVEL[alarm.episode.severity]),
                "start": _seconds(alarm.episode.start, start),
                "raisedAt": _seconds(alarm.episode.raised_at[0], start),
                "end": None if alarm.episode.end is None else _seconds(alarm.episode.end, start),
                "active": alarm.episode.end is None,
                "reason": alarm.episode.reason,
                "samples": alarm.episode.facts.samples,
            }
            for alarm in history.alarms(snapshots, {1: rules})
        ]
        differences += _differences("alarm", [_given(one) for one in test.alarms], found)
    if test.anomalies is not None:
        found = [
            {**msgspec.to_builtins(one), "at": _seconds(at, start), "kind": one.kind}
            for (_, at, identifier), values, _ in sorted(snapshots, key=itemgetter(0))
            for one in anomaly.judge(Snapshot((_SPACECRAFT, at, identifier), dict(values)), rules, 1, at)
        ]
        differences += _differences("anomaly", [_given(one) for one in test.anomalies], found)
    return differences


def _snapshots(test: LimitTest, start: int, clock: Clock, path: str) -> Iterator[JudgedSnapshot]:
    """The snapshots of the series, in which values of one time stand together, and those beside them."""
    columns: dict[str, Sequence[Item]] = {
        name: series.values(given, f"{path}.series.{name}") for name, given in test.series.items()
    }
    given: list[tuple[float, dict[str, Value], float | None, str | None]] = []
    for index in range(max(map(len, columns.values()), default=0)):
        values: dict[str, Value] = {}
        for name, column in columns.items():
            value = column[index] if index < len(column) else series.NOT_REPORTED
            if not isinstance(value, series.NotReported):
                values[name] = value
        if values:
            given.append((index * test.every, values, None, None))
    given += [(one.at, one.parameters, one.received, one.id) for one in test.snapshots]
    for at, parameters, received, identifier in given:
        time = start + round(at * SECOND)
        received_at = time if received is None else start + round(received * SECOND)
        own = identifier or snapshot.derived_id(time, snapshot.text(parameters))
        yield JudgedSnapshot((clock.time(time, received_at), time, own), parameters, 1)


def _seconds(time: int, start: int) -> float:
    seconds = (time - start) / SECOND
    return int(seconds) if seconds.is_integer() else seconds


def _given(expected: msgspec.Struct) -> dict[str, Any]:
    given: dict[str, Any] = msgspec.to_builtins(expected)
    return given


def _differences(what: str, expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is not as expected: first those that match wholly are set aside, then the most alike are compared."""
    left = list(found)
    unmatched = []
    for one in expected:
        same = next((other for other in left if all(other[key] == value for key, value in one.items())), None)
        if same is None:
            unmatched.append(one)
        else:
            left.remove(same)
    shown = {key for one in expected for key in one} | {"parameter", "severity"}
    for one in unmatched:
        alike = [other for other in left if other["parameter"] == one.get("parameter", other["parameter"])]
        if not alike:
            yield f"missing {what}: {_shown(one, one)}"
            continue
        nearest = max(alike, key=lambda other: sum(other[key] == value for key, value in one.items()))
        left.remove(nearest)
        different = [key for key, value in one.items() if nearest[key] != value]
        but = ", ".join(f"{key} is {_text(nearest[key])} instead of {_text(one[key])}" for key in different)
        yield f"{what} differs: {_shown(one, one)}: {but}"
    for other in left:
        yield f"{what} not expected: {_shown(other, shown)}"


def _shown(one: Mapping[str, Any], keys: Any) -> str:
    return ", ".join(f"{key} {_text(value)}" for key, value in one.items() if key in keys and value is not None)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return number.text(value) if isinstance(value, float) else msgspec.json.encode(value).decode()
