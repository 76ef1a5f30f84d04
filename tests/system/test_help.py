"""Every command explains itself."""

import pytest
from installed import Place

COMMANDS = ("demo", "up", "publish", "watch", "get-config", "set-config", "serve", "migrate")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(shared_place: Place, command: str) -> None:
    done = shared_place.run(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"missionops {command}" in done.out
    assert "--help" in done.out


def test_the_help_lists_the_commands_and_nothing_given_is_answered_by_it(shared_place: Place) -> None:
    helped = shared_place.run("--help")
    assert helped.code == 0
    for command in COMMANDS:
        assert f" {command} " in helped.out
    assert shared_place.run().out.split() == helped.out.split()


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
