"""What README and docs say of operations is what there is."""

import inspect
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from missionops import cli
from missionops.embedded.nats import NatsServer
from missionops.operations import intake
from missionops.operations.registry import OPERATIONS

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "operations.md").read_text()
ROW = re.compile(
    r"^\| `([a-zA-Z.]+)` \| `([^`]+)`(?: \(stream\))? \| `([A-Z]+ [^`]+)` \| `([a-z -]+)` \|$", re.MULTILINE
)


OTHERWISE = {"health": ["GET /health/ready"], "alarms.statisticsOf": ["GET /alarms/statistics"]}
"""Over HTTP another route, or another operation's, answers these."""


def test_each_operation_has_its_row():
    rows = {name: (subject, route) for name, subject, route, _ in ROW.findall(TABLE)}
    expected = {
        one.name: (one.subject.replace("*", "<id>"), [f"{route.method} {route.path}" for route in one.routes])
        for one in OPERATIONS
    }
    expected |= {
        one.name: ("telemetry.<id>", [f"{route.method} {route.path}" for route in one.routes])
        for one in intake.OPERATIONS
    }
    assert set(rows) == set(expected)
    for name, (subject, routes) in expected.items():
        shown = [route.replace("{spacecraftId}", "{id}") for route in routes] or OTHERWISE[name]
        assert rows[name] == (subject, *shown)


@pytest.mark.parametrize("command", sorted({command for *_, command in ROW.findall(TABLE)}))
def test_each_command_in_it_is_one(command: str):
    shown = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert (shown.exit_code, f"missionops {command}" in shown.output) == (0, True), shown.output


def test_what_it_says_of_syncing_is_true() -> None:
    """README, What is promised: nats.conf syncs each message, the embedded server once a second."""
    syncs = re.findall(r"^ *sync_interval: (.*)", (ROOT / "missionops/deploy/nats.conf").read_text(), re.MULTILINE)
    embedded = inspect.signature(NatsServer).parameters["sync_interval"].default
    assert (syncs, embedded) == (["always"], "1s")
