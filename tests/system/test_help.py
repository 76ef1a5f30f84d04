"""Every command explains itself."""

import re

import pytest
from typer.testing import CliRunner

from missionops import cli
from tests.system.installed import Place

COMMANDS = (
    "demo", "up", "publish", "ingest-telemetry", "list-telemetry", "analyze-telemetry", "latest", "series", "states",
    "list-anomalies", "watch", "list-alarms", "show-alarm", "acknowledge", "comment", "shelve", "unshelve",
    "list-shelves", "alarm-statistics", "notify-test",
    "fleet", "list-spacecraft", "get-spacecraft", "status", "register",
    "get-config", "set-config", "check-config", "preview-config",
    "test-limits", "list-configs", "list-events", "record-event", "search-docs", "get-doc", "create-doc",
    "seed-demo-data", "seed-demo-docs", "simulate", "serve", "migrate", "health", "dead-letters", "tokens",
)  # fmt: skip
GROUPS = {"dead-letters": ("list", "show", "replay"), "tokens": ("create", "list", "revoke")}


def test_the_help_lists_the_commands_and_nothing_given_is_answered_by_it(shared_place: Place) -> None:
    helped = shared_place.run("--help")
    assert helped.code == 0
    assert tuple(listed(helped.out)) == COMMANDS
    assert shared_place.run().out.split() == helped.out.split()
    for group, commands in GROUPS.items():
        assert tuple(listed(shared_place.run(group, "--help").out)) == commands


def test_each_command_has_help_with_an_example() -> None:
    """In this process: to start one for each command takes half a minute."""
    for command in (
        *((name,) for name in COMMANDS if name not in GROUPS),
        *((group, name) for group, names in GROUPS.items() for name in names),
    ):
        done = CliRunner().invoke(cli.app, [*command, "--help"], prog_name="missionops")
        assert (done.exit_code, done.stderr) == (0, ""), command
        name = f"missionops {' '.join(command)}"
        usage, *rest = done.stdout.split(f"Usage: {name}")
        assert (usage.strip(), len(rest)) == ("", 1), command
        assert name in rest[0], f"{name} --help shows no example"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (
            "list-",
            {
                "list-alarms",
                "list-shelves",
                "list-telemetry",
                "list-anomalies",
                "list-spacecraft",
                "list-configs",
                "list-events",
            },
        ),
        ("dead-letters ", set(GROUPS["dead-letters"])),
        ("list-telemetry --spacecraft", {"--spacecraft-id"}),
        ("record-event SC-001 x --severity ", {"LOW", "MEDIUM", "HIGH", "CRITICAL"}),
        ("simulate C", {"Cube-001"}),
        ("simulate --fault beacon", {"beacon-loss"}),
    ],
)
def test_the_shell_completes(shared_place: Place, words: str, offered: set[str]) -> None:
    line = f"missionops {words}"
    asked = {"_MISSIONOPS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    assert set(shared_place.run(**asked).out.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_to_be_installed(shared_place: Place, shell: str) -> None:
    done = shared_place.run(_MISSIONOPS_COMPLETE=f"source_{shell}")
    assert (done.code, done.err) == (0, "")
    assert "_MISSIONOPS_COMPLETE" in done.out


def listed(helped: str) -> list[str]:
    """The names of the commands in a help."""
    return re.findall(r"^│ ([a-z][a-z-]+) ", helped, re.MULTILINE)


def test_the_version_is_one_line(shared_place: Place) -> None:
    done = shared_place.run("--version")
    assert done.code == 0
    name, version = done.out.split()
    assert name == "missionops"
    assert version[0].isdigit()


def test_an_unknown_command_is_refused(shared_place: Place) -> None:
    done = shared_place.run("launch")
    assert done.code == 2
    assert "launch" in done.err
    assert not done.out
