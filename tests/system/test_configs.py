"""A config that checks less than its author thinks says so: when it is set, in the status, in every analysis."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.installed import COMMAND, Done, Place, Up
from tests.wait import until

SIX = {"parameters": {f"p{number}": {"critHigh": number} for number in range(6)}}
WITHOUT_WRAPPER = {"bus_v": {"critLow": 6.0}, "wheel_rpm": {"critHigh": 5000}}
MISSPELLED = {"parameters": {"Bus_V": {"critLow": 6.0}, "wheel_rpm": {"critHigh": 5000}}}


class Commands:
    """Commands about one spacecraft."""

    def __init__(self, place: Place, up: Up, spacecraft_id: str) -> None:
        self._place, self._up, self._id = place, up, spacecraft_id

    def run(self, command: str, *arguments: str | Path, stdin: str = "") -> Done:
        return self._place.run(command, self._id, *arguments, "--server", self._up.nats, stdin=stdin)

    def set(self, document: Any, *arguments: str) -> Done:
        return self.run("set-config", "--file", "-", *arguments, stdin=json.dumps(document))

    def json(self, command: str, *arguments: str) -> Any:
        return json.loads(self.run(command, *arguments, "--json").out)

    def report(self, *parameters: str) -> None:
        known = len(self.json("list-telemetry"))
        assert self.run("publish", *(word for pair in parameters for word in ("--param", pair))).code == 0
        until(lambda: len(self.json("list-telemetry")) > known, "the snapshot")


@pytest.fixture
def commands(request: pytest.FixtureRequest, place: Place, up: Up) -> Commands:
    return Commands(place, up, f"CONFIG-{re.sub('[^a-z]+', '-', request.node.name).strip('-')}")


@pytest.mark.parametrize("document", [{}, WITHOUT_WRAPPER, {"mission": "x"}], ids=["empty", "unwrapped", "notes"])
def test_a_config_without_limits_wants_a_yes(commands: Commands, document: Any) -> None:
    assert "config version 1 in force: 6 limits (before: 0)" in commands.set(SIX).out
    refused = commands.set(document)
    assert (refused.code, refused.out) == (1, "")
    assert "without limits (now: 6)" in refused.err
    assert "add --yes" in refused.err
    assert commands.json("get-config")["version"] == 1
    done = commands.set(document, "--yes")
    assert done.code == 0
    assert "config version 2 in force: 0 limits (before: 6)" in done.out
    assert all(f"gone     p{number}: critHigh {number}" in done.out for number in range(6))
    for warned in (refused.err, done.err):
        assert ("Warning: bus_v looks like a rule" in warned) == (document == WITHOUT_WRAPPER)


def test_on_a_terminal_it_asks(place: Place, up: Up) -> None:
    commands = Commands(place, up, "CONFIG-TTY")
    assert commands.set(SIX).code == 0
    (place.work / "empty.json").write_text("{}")
    for answer, code, version in (("n", 1, 1), ("y", 0, 2)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        line: list[str | Path] = [COMMAND, "set-config", "CONFIG-TTY", "--file", "empty.json", "--server", up.nats]
        done = subprocess.run(
            line, stdin=theirs, capture_output=True, cwd=place.work, env=place.environment, timeout=60, check=False
        )
        os.close(ours)
        os.close(theirs)
        assert done.returncode == code
        assert b"Put it in force? [y/N]" in done.stderr
        assert b"Traceback" not in done.stderr
        assert commands.json("get-config")["version"] == version


def test_what_get_config_prints_can_be_put_back(commands: Commands, up: Up) -> None:
    assert commands.set(SIX, "--reason", "Six of them").code == 0
    replaced = commands.set({"parameters": {"p1": {"critHigh": 10}, "new": {"warnLow": 0}}})
    assert "config version 2 in force: 2 limits (before: 6)" in replaced.out
    lines = [line.strip() for line in replaced.out.splitlines()]
    assert "new      new: warnLow 0" in lines
    assert "changed  p1: critHigh 10 (before: 1)" in lines
    assert sum(line.startswith("gone") for line in lines) == 5
    printed = commands.run("get-config", "--version", "1", "--json").out
    assert "in force: 6 limits (before: 2)" in commands.run("set-config", "--file", "-", stdin=printed).out
    assert commands.json("get-config")["config"] == SIX
    assert "in force: 2 limits (before: 6)" in commands.run("set-config", "--version", "2").out
    assert "version 3" in commands.set(SIX, "--if-version", "3").err
    versions = commands.json("list-configs")
    assert [(item["version"], item["reason"]) for item in versions] == [
        (4, None),
        (3, None),
        (2, None),
        (1, "Six of them"),
    ]
    assert "Six of them" in commands.run("list-configs").out


def test_a_misspelled_rule_is_loud_everywhere(commands: Commands) -> None:
    assert commands.set(MISSPELLED).err == ""  # nothing was stored that could show it
    assert commands.run("status").out.count("SILENT") == 1
    commands.report("bus_v=7.5", "other=1", "wheel_rpm=6100rpm")
    done = commands.set(MISSPELLED)
    assert "Warning: parameters.Bus_V was never seen" in done.err
    assert "did you mean bus_v?" in done.err
    assert (
        "Warning: parameters.wheel_rpm only texts were seen in this spacecraft's telemetry, the last \"6100" in done.err
    )
    assert "PARTIAL some limits check nothing" in commands.run("status").out
    assert commands.json("status")["monitoring"] == "PARTIAL"
    checked = commands.json("check-config")
    assert [(rule["parameter"], rule["met"], rule["why"]) for rule in checked["rules"]] == [
        ("Bus_V", 0, "never seen"),
        ("wheel_rpm", 0, "text"),
    ]
    assert checked["unruled"] == ["bus_v", "other"]
    shown = commands.run("check-config").out
    assert '"6100rpm"' in shown
    assert "2 of 2 rules check nothing." in shown
    assert "Reported without a rule: bus_v, other" in shown
    analysis = commands.run("analyze-telemetry").err
    assert "that was checked is outside its limits" in analysis
    assert "Not checked: Bus_V (never seen), wheel_rpm (text)" in analysis
    assert commands.set({"parameters": {"Bus_V": {"critLow": 6}}}).code == 0
    assert "NOT_CONFIGURED" in commands.run("status").out
    assert commands.set({"parameters": {"bus_v": {"critLow": 6}}}).err == ""
    assert commands.json("status")["monitoring"] == "ACTIVE"
    assert "Every rule works." in commands.run("check-config").out


def test_a_spacecraft_without_a_config_says_so(commands: Commands) -> None:
    for command in ("check-config", "list-configs", "get-config"):
        assert "Config not found: `missionops set-config" in commands.run(command).sentence
    assert "Config version 7 not found" in commands.run("get-config", "--version", "7").sentence


def test_a_file_with_two_rules_of_one_name_is_refused(commands: Commands, place: Place) -> None:
    (place.work / "twice.json").write_text('{"parameters": {"temp": {"critHigh": 70}, "temp": {"warnHigh": 45}}}')
    for command in ("set-config", "preview-config"):
        refused = commands.run(command, "--file", "twice.json").sentence
        assert "has the name 'temp' twice in one object: only the last of them would count" in refused


def test_limits_are_tried_before_they_count(commands: Commands, place: Place) -> None:
    assert commands.set({"parameters": {"temp": {"warnHigh": 45}}}).code == 0
    for value in (20, 46, 47, 20, 71, 20):
        commands.report(f"temp={value}")
    (place.work / "draft.json").write_text(json.dumps({"parameters": {"temp": {"warnHigh": 70}}}))
    done = commands.run("preview-config", "--file", "draft.json", "--from", "-1h")
    assert (done.code, "preview: 100 %" in done.err) == (0, True)
    assert "In all: 1 lost." in done.out
    assert commands.json("preview-config", "--file", "draft.json")["parameters"][0]["then"]["alarms"] == 1
    refused = commands.run("set-config", "--file", "draft.json", "--preview", "1h")
    assert (refused.code, "add --yes" in refused.err) == (1, True)
    assert "changed  temp: warnHigh 70 (before: 45)" in refused.out
    assert commands.json("get-config")["version"] == 1
    done = commands.run("set-config", "--file", "draft.json", "--preview", "1h", "--yes")
    assert (done.code, "config version 2 in force" in done.out) == (0, True)
