"""The notify file: what it may say, and each fault refused with its path, without an address."""

import re
import sys
from datetime import time
from pathlib import Path

import pytest

from missionops.domain.notification.quiet_hours import QuietHours
from missionops.domain.notification.route import Match, NotifyRoute
from missionops.errors import SetupError
from missionops.notifications import file as notify_file
from missionops.notifications import target

README = (Path(__file__).parents[3] / "README.md").read_text()
TARGETS = '[targets]\nops = "json://u:secret@127.0.0.1:9/secret"\n'


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "notify.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_all_that_it_may_say(written):
    found = notify_file.read(
        written("""
        [targets]
        ops = "json://127.0.0.1:9/"
        mail = "mailto://127.0.0.1:2525/?from=missionops@example.org&to=a@example.org"
        [[routes]]
        name = "night"
        match = { spacecraft = "SC-*", subsystem = ["EPS", "TCS"], check = "LIMIT", minSeverity = "HIGH" }
        to = ["ops", "mail", "ops"]
        after = 300
        repeat = 900
        group = 0
        quiet = { from = "22:00", to = "06:00", below = "CRITICAL", zone = "UTC" }
        [[routes]]
        to = "ops"
        [heartbeat]
        to = "mail"
        every = 60
        """)
    )
    assert list(found.targets) == ["ops", "mail"]
    first, second = found.routes
    quiet = first.quiet
    assert isinstance(quiet, QuietHours)
    assert (quiet.begin, quiet.end, quiet.below) == (time(22), time(6), 4)
    match = Match(("SC-*",), ("EPS", "TCS"), ("LIMIT",), 3)
    assert first._replace(quiet=None) == NotifyRoute("night", match, ("ops", "mail"), 300, 900, 0)
    assert second._replace(key="") == NotifyRoute("", Match(), ("ops",), 0, 0, 10)
    assert found.heartbeat == notify_file.Heartbeat(("mail",), 60)
    assert [one.target for one in found.deliveries] == ["ops", "mail", "ops"]


def test_a_route_without_a_name_stays_the_same_wherever_it_stands(written):
    one, other = '[[routes]]\nto = "ops"\nafter = 5\n', '[[routes]]\nto = "ops"\nmatch = {minSeverity = "HIGH"}\n'
    first = notify_file.read(written(TARGETS + one + other)).routes
    again = notify_file.read(written(TARGETS + other + one.replace("after", "group = 3\nafter"))).routes
    assert {route.key for route in first} == {route.key for route in again}


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ("", "targets", "it is missing"),
        (TARGETS + "more = [1]\n", "targets.more", "its address must be a text"),
        (TARGETS + '"a b" = "json://h"\n', "targets.a b", "a target's name has letters, digits, - and _, at most 64"),
        (TARGETS + 'bad = "nosuchservice://secret"\n', "targets.bad", "Apprise cannot use its address, see"),
        (TARGETS + 'bad = "slack://secret"\n', "targets.bad", "Apprise cannot use its address, see"),
        (TARGETS + 'bad = ""\n', "targets.bad", "Apprise cannot use its address, see"),
        (TARGETS + "[route]\n", "route", "there is no such key"),
        (TARGETS + '[[routes]]\nto = "boss"\n', "routes.0.to", "there is no target 'boss'"),
        (TARGETS + "[[routes]]\nto = []\n", "routes.0.to", "it names no target"),
        (TARGETS + "[[routes]]\n", "routes.0.to", "it is missing"),
        (TARGETS + '[[routes]]\nto = "ops"\nrepeatt = 1\n', "routes.0.repeatt", "there is no such key"),
        (TARGETS + '[[routes]]\nto = "ops"\nafter = -1\n', "routes.0.after", "expected float >= 0"),
        (TARGETS + '[[routes]]\nto = "ops"\nafter = "x"\n', "routes.0.after", "expected float, got str"),
        (TARGETS + '[[routes]]\nto = "ops"\nname = "a b"\n', "routes.0.name", "a route's name has"),
        (TARGETS + '[[routes]]\nto = "ops"\nmatch = {severity = "LOW"}\n', "routes.0.match.severity", "there is"),
        (TARGETS + '[[routes]]\nto = "ops"\nmatch = {minSeverity = "FATAL"}\n', "routes.0.match.minSeverity", "inv"),
        (TARGETS + '[[routes]]\nto = "ops"\nmatch = {check = "DELTA"}\n', "routes.0.match.check", "'DELTA' is"),
        (TARGETS + '[[routes]]\nto = "ops"\nquiet = {from = "22:00"}\n', "routes.0.quiet.to", "it is missing"),
        (TARGETS + '[[routes]]\nto = "ops"\nquiet = {from = "22", to = "06:00"}\n', "routes.0.quiet.from", "it must"),
        (TARGETS + '[[routes]]\nto = "ops"\nquiet = {from = "06:00", to = "06:00"}\n', "routes.0.quiet", "it begins"),
        (
            TARGETS + '[[routes]]\nto = "ops"\nquiet = {from = "22:00", to = "06:00", zone = "Mars"}\n',
            "routes.0.quiet.zone", "'Mars' is no time zone",
        ),
        (TARGETS + 2 * '[[routes]]\nto = "ops"\n', "routes.0", "another route is the same"),
        (TARGETS + '[heartbeat]\nto = "x"\n', "heartbeat.to", "there is no target 'x'"),
        (TARGETS + '[heartbeat]\nto = "ops"\nevery = 0\n', "heartbeat.every", "expected float >= 1"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_with_its_path(written, content, where, what):
    path = written(content)
    with pytest.raises(SetupError) as refusal:
        notify_file.read(path)
    sentence = str(refusal.value)
    assert sentence.startswith(f"The notify file {path} cannot be used: {where}: {what}"), sentence
    assert sentence.endswith(".")
    assert "secret" not in sentence.replace(str(path), "")


@pytest.mark.parametrize("content", ["[targets", b"\xff", '[targets]\nops = "secret\n'])
def test_what_is_no_toml_is_refused(written, content):
    with pytest.raises(SetupError, match=r"^The notify file \S+ is not TOML: .+\.$") as refusal:
        notify_file.read(written(content))
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("value", ["[" * 2_000 + "]" * 2_000, "9" * 5_000])
def test_what_no_reader_of_toml_can_hold_is_refused_in_a_sentence(written, value):
    with pytest.raises(SetupError, match="a number in it is too long, or something is nested too deeply"):
        notify_file.read(written(f"[targets]\nops = {value}\n"))


def test_a_mark_at_the_beginning_is_passed_over(written):
    assert notify_file.read(written('\ufeff[targets]\nops = "json://localhost/x"\n')).targets.keys() == {"ops"}


def test_a_file_that_is_gone_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"cannot be read .No such file or directory.: see MISSIONOPS_NOTIFY_FILE"):
        notify_file.read(tmp_path / "nowhere.toml")


def test_without_apprise_it_says_what_to_install(written, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setattr(target, "_found", None)
    with pytest.raises(
        SetupError, match=r"Apprise, which sends notifications, is not installed: install missionops\[notify\]\."
    ):
        notify_file.read(written(TARGETS))


def test_the_example_in_the_readme_is_one(written):
    [example] = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    found = notify_file.read(written(example))
    assert found.heartbeat
    assert any(route.after for route in found.routes)
    assert any(isinstance(route.quiet, QuietHours) for route in found.routes)
