"""Commands that end before they speak to any server: each says why in one sentence, and nothing on standard output."""

import json
import sys
from typing import NamedTuple

import pytest
import typer
from typer.core import TyperGroup

from missionops import cli
from missionops.simulator import fleet


class Done(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str) -> Done:
    monkeypatch.setattr(sys, "argv", ["missionops", *line.split()])
    monkeypatch.setenv("COLUMNS", "160")
    code: object = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    return Done(code, *capsys.readouterr())


@pytest.mark.parametrize(
    "command",
    [
        "tokens create", "tokens list", "tokens revoke",
        "list-telemetry", "analyze-telemetry", "list-anomalies", "list-events", "search-docs", "get-doc",
        "ingest-telemetry", "seed-demo-data", "seed-demo-docs", "simulate", "fleet", "list-spacecraft",
        "get-spacecraft", "status", "register", "get-config", "set-config", "check-config", "list-configs",
        "record-event", "create-doc", "health", "publish", "watch",
        "dead-letters list", "dead-letters show", "dead-letters replay",
    ],
)  # fmt: skip
def test_each_help_has_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    done = run(capsys, monkeypatch, f"{command} --help")
    assert (done.code, done.err) == (0, "")
    assert done.out.count(f" missionops {command}") >= 2  # the usage and the example


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("simulate SC-9", "no profile 'SC-9'"),
        ("simulate --fault nonsense", "no fault 'nonsense'"),
        ("simulate Cube-001 --fault clock-jump", "no fault 'clock-jump' of Cube-001; there is beacon-loss"),
        ("seed-demo-data --fault x:y", "'x:y' is no fault such as battery-cell-short@t+300"),
        ("seed-demo-data 1 90", "1 minutes hold no snapshot"),
        ("seed-demo-data --end tomorrow", "--end is no RFC 3339"),
        ("seed-demo-data --end 1900-01-01T00:00:00Z", "--end must lie between"),
        ("seed-demo-data 10 60 --fault clock-jump@t+541", "begins after the last snapshot, 540 s after the first"),
        ("ingest-telemetry --spacecraft-id SC-001 --file nowhere.ndjson", "nowhere.ndjson cannot be read"),
        ("create-doc --title x --file nowhere.md", "nowhere.md cannot be read"),
        ("status SC-001 --server nats://127.0.0.1:1", "Cannot reach NATS at nats://127.0.0.1:1"),
        ("dead-letters list --server nats://127.0.0.1:1", "Cannot reach NATS at nats://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, reason: str
) -> None:
    done = run(capsys, monkeypatch, line)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert reason in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "status a.b",
        "list-telemetry",
        "list-telemetry --spacecraft-id _x",
        "list-telemetry --spacecraft-id _fleet",
        "get-config a.b",
        "list-telemetry --spacecraft-id SC-001 --limit 0",
        "list-anomalies --min-severity TERRIBLE",
        "list-events --type PARTY",
        "dead-letters replay",
        "dead-letters replay 1 --all",
        "dead-letters replay 1 --spacecraft-id SC-001",
        "dead-letters show 0",
        "search-docs --limit 51",
        "record-event SC-001 hello --metadata [1]",
        "record-event SC-001 hello --type PARTY",
        "seed-demo-data 0",
        "simulate --rate 0",
    ],
)
def test_wrong_usage_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    done = run(capsys, monkeypatch, line)
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("list-events --limit 0", "'--limit' / '-l': Give 1 or more."),
        ("list-events --limit many", "'--limit' / '-l': Give a whole number."),
        (
            "list-events --min-severity BAD",
            "'--min-severity': 'BAD' is not one of 'low', 'medium', 'high', 'critical'.",
        ),
        ("seed-demo-data --interval-seconds 1", "No such option: --interval-seconds"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_give(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    assert words in run(capsys, monkeypatch, line).err


def test_all_faults_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(capsys, monkeypatch, "simulate --list-faults")
    assert done.code == 0
    for profile in fleet.PROFILES:
        for fault in profile.faults:
            assert f" {profile.spacecraft_id} " in done.out
            assert f" {fault.name} " in done.out


def test_a_dry_run_needs_no_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    line = "seed-demo-data 5 60 --seed 3 --end 2025-01-01T12:00:00Z --dry-run --server nats://127.0.0.1:1"
    told, printed, again = (run(capsys, monkeypatch, each) for each in (line, f"{line} --json", f"{line} --json"))
    assert (told.code, printed.code) == (0, 0)
    assert "none of these 20 snapshots was sent" in told.err
    assert (printed.out, printed.err) == (again.out, "")
    snapshots = [json.loads(each) for each in printed.out.splitlines()]
    assert [each["spacecraftId"] for each in snapshots] == [profile.spacecraft_id for profile in fleet.PROFILES] * 5
    assert snapshots[0]["timestamp"] == "2025-01-01T11:56:00Z"
    assert snapshots[-1]["timestamp"] == "2025-01-01T12:00:00Z"


def test_each_summary_in_the_help_is_the_command_s_own() -> None:
    program = typer.main.get_command(cli.app)
    assert isinstance(program, TyperGroup)
    for name in program.commands:
        context = typer.Context(program)
        _, command, _ = program.resolve_command(context, [name])
        assert command is not None
        first = (command.help or "").partition("\n\n")[0].replace("\n", " ")
        assert program.commands[name].help == first, name
