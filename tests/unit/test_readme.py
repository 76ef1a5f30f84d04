"""What the README says of operations is what there is."""

import inspect
import re
from pathlib import Path

import typer

from missionops import cli
from missionops.embedded.nats import NatsServer
from missionops.operations import intake
from missionops.operations.registry import OPERATIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ROW = re.compile(
    r"^\| `([a-zA-Z.]+)` \| `([^`]+)`(?: \(stream\))? \| `([A-Z]+ [^`]+)` \| `([a-z -]+)` \|$", re.MULTILINE
)


def test_each_operation_has_its_row():
    rows = {name: (subject, route) for name, subject, route, _ in ROW.findall(README)}
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
        shown = [route.replace("{spacecraftId}", "{id}") for route in routes] or ["GET /health/ready"]
        assert rows[name] == (subject, *shown)


def test_each_command_in_it_is_one():
    known = set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined] # a group has some
    assert {command.split()[0] for *_, command in ROW.findall(README)} <= known


def test_what_it_says_of_syncing_is_true() -> None:
    """README, What is promised: nats.conf syncs each message, the embedded server once a second."""
    syncs = re.findall(r"^ *sync_interval: (.*)", (ROOT / "missionops/deploy/nats.conf").read_text(), re.MULTILINE)
    embedded = inspect.signature(NatsServer).parameters["sync_interval"].default
    assert (syncs, embedded) == (["always"], "1s")
