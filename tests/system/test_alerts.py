"""The alert rules for Prometheus: what they ask for is in /metrics, and each fires when it should and not before."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.system import deployed
from tests.system.installed import Up

FILE = deployed.FILES / "prometheus" / "alerts.yml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
}
OF_PROMETHEUS = {"job", "instance"}
"""Labels that a scrape adds."""


def parts(expression: Any) -> Iterator[Any]:
    """An expression and all within it."""
    yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (inner := getattr(expression, name, None)) is not None:
            yield from parts(inner)
    for argument in getattr(expression, "args", ()):
        yield from parts(argument)


@pytest.fixture(scope="module")
def samples(up: Up) -> Mapping[str, list[dict[str, str]]]:
    """The labels of each sample that a running service shows, by the metric's name."""
    with urllib.request.urlopen(f"{up.http}/metrics", timeout=10) as answer:  # noqa: S310 - http on loopback
        text = answer.read().decode()
    found: dict[str, list[dict[str, str]]] = {"up": [{}]}
    for line in text.splitlines():
        if match := re.match(r"([a-zA-Z_:]+)(?:\{(.*)\})? ", line):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            found.setdefault(match[1], []).append(labels)
    return found


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_asks_for_is_in_the_metrics(samples, name):
    found = list(parts(promql_parser.parse(RULES[name]["expr"])))
    selectors = [part for part in found if isinstance(part, promql_parser.VectorSelector)]
    assert selectors
    labels = OF_PROMETHEUS.union(*(sample for part in selectors for sample in samples[part.name]))
    for selector in selectors:
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels
            values = {sample.get(matcher.name) for sample in samples[selector.name]}
            if matcher.name not in OF_PROMETHEUS | {"status"}:  # a status that no request has had yet is not there
                assert matcher.value in values
    for part in found:
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            assert set(part.modifier.labels) <= labels
    assert set(re.findall(r"\$labels\.(\w+)", RULES[name]["annotations"]["summary"])) <= labels


def test_every_rule_says_what_to_do_and_how_grave_it_is():
    for rule in RULES.values():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert re.fullmatch(r"[^:]+: .+\.|[^;]+[;,] .+\.", rule["annotations"]["summary"]), rule["annotations"][
            "summary"
        ]


HEALTHY = {
    'up{job="missionops",instance="a"}': "1x300",
    'missionops_ready{job="missionops",instance="a"}': "1x300",
    'missionops_nats_up{job="missionops",instance="a"}': "1x300",
    'missionops_database_up{job="missionops",instance="a"}': "1x300",
    'missionops_role{job="missionops",instance="a",role="owner"}': "1x300",
    'missionops_role{job="missionops",instance="b",role="owner"}': "0x300",
    'missionops_lag_seconds{job="missionops",instance="a"}': "0.2x300",
    'missionops_lag_messages{job="missionops",instance="a"}': "0 10 5 0x290",
    'missionops_messages_lost_total{job="missionops",instance="a"}': "7x200 0x5 7x90",  # it was started again
    'missionops_dead_letters_total{job="missionops",instance="a",code="invalid"}': "3x300",
    'missionops_publish_failures_total{job="missionops",instance="a",stream="EVENTS"}': "0x300",
    'missionops_stream_bytes{job="missionops",instance="a",stream="EVENTS"}': "80x300",
    'missionops_stream_max_bytes{job="missionops",instance="a",stream="EVENTS"}': "100x300",
    'missionops_stream_dropped_total{job="missionops",instance="a",stream="EVENTS"}': "1x300",
    'missionops_interruptions_total{job="missionops",instance="a"}': "1x290 2x10",
    'missionops_notification_waiting_seconds{job="missionops",instance="a",target="ops"}': "0 3 130 0x290",
    'missionops_notification_behind{job="missionops",instance="a"}': "0 5 9 0x290",
    'missionops_requests_total{job="missionops",instance="a",operation="config.get",status="503"}': "1x290 2x10",
}
"""By minute, for five hours."""

FAULTS = {
    "MissionopsDown": ("up", "1x290 0x10"),
    "MissionopsMissing": ("up", "1x280 _x20"),
    "MissionopsNotReady": ("missionops_ready", "1x290 0x10"),
    "MissionopsNoOwner": ("missionops_role", "1x290 0x10"),
    "MissionopsNatsDown": ("missionops_nats_up", "1x290 0x10"),
    "MissionopsDatabaseDown": ("missionops_database_up", "1x290 0x10"),
    "MissionopsLag": ("missionops_lag_seconds", "0x290 61x10"),
    "MissionopsLagGrows": ("missionops_lag_messages", "0x270 0+100x30"),
    "MissionopsTelemetryLost": ("missionops_messages_lost_total", "7x290 8x10"),
    "MissionopsDeadLetters": ("missionops_dead_letters_total", "3x290 4x10"),
    "MissionopsPublishFailures": ("missionops_publish_failures_total", "0x290 1x10"),
    "MissionopsStreamNearlyFull": ("missionops_stream_bytes", "80x280 86x20"),
    "MissionopsStreamDropped": ("missionops_stream_dropped_total", "1x290 2x10"),
    "MissionopsNotificationsWait": ("missionops_notification_waiting_seconds", "0x290 121x10"),
    "MissionopsNotifierBehind": ("missionops_notification_behind", "0x290 1x10"),
    "MissionopsInterruptions": ("missionops_interruptions_total", "1x290 1+1x10"),
    "MissionopsRequestsFail": ("missionops_requests_total", "1x280 1+60x20"),
}
"""For each alert the metric, and how it goes on, that makes it fire."""


def scenario(name: str | None) -> dict[str, Any]:
    """What promtool checks: with this fault its alert fires alone, and without one none does."""
    metric, values = FAULTS[name] if name else ("", "")
    series = {sample: values if sample.startswith(f"{metric}{{") else usual for sample, usual in HEALTHY.items()}
    if name == "MissionopsLagGrows":
        series['missionops_lag_seconds{job="missionops",instance="a"}'] = "11x300"
    if name == "MissionopsNoOwner":
        series['missionops_role{job="missionops",instance="b",role="owner"}'] = "0x300"
    return {
        "name": name or "healthy",
        "interval": "1m",
        "input_series": [{"series": sample, "values": values} for sample, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertstate="firing",alertname="{alert}"}})',
                "eval_time": "300m",
                "exp_samples": [{"labels": "{}", "value": 1}] if alert == name else [],
            }
            for alert in RULES
        ],
    }


def test_each_rule_fires_when_it_should_and_no_other_does(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool, which comes with Prometheus, is not installed")
    tests = [scenario(name) for name in (None, *FAULTS)]
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_fault_here() -> None:
    assert FAULTS.keys() == RULES.keys()
