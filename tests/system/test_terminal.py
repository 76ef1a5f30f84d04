"""The terminal and the process: streams that are closed or full, locales, words for people, ways to say the same."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system import installed
from tests.system.installed import COMMAND, Place, Up
from tests.wait import until

NAMES = {"parameters": {"Temp_Empfänger_°C": {"critHigh": 60}, "温度": {"critHigh": 60}}}


class Shell:
    """Lines for a shell, in which `M` is the command."""

    def __init__(self, place: Place, up: Up) -> None:
        self._place = place
        self._environment = place.environment | {"MISSIONOPS_NATS_URL": up.nats}

    def run(self, line: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["/bin/bash", "-c", f'set -o pipefail; M() {{ {shlex.quote(str(COMMAND))} "$@"; }}; {line}'],
            cwd=self._place.work, env=self._environment | environment, capture_output=True, timeout=100, check=False,
        )  # fmt: skip


@pytest.fixture
def shell(place: Place, up: Up) -> Shell:
    return Shell(place, up)


@pytest.fixture
def known(place: Place, up: Up) -> str:
    """A spacecraft with a config."""
    (place.work / "limits.json").write_text(json.dumps(NAMES))
    assert place.run("set-config", "TERM-1", "--file", "limits.json", "--server", up.nats).code == 0
    return "TERM-1"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("M status TERM-1 >&-", "Standard output cannot be written: it is closed"),
        ("M status TERM-1 --json >&-", "Standard output cannot be written: it is closed"),
        ("M --help >&-", "Standard output cannot be written: it is closed"),
        ("M status TERM-1 >/dev/full", "Standard output cannot be written: No space left on device"),
        ("M get-config TERM-1 --json >/dev/full", "Standard output cannot be written: No space left on device"),
        ("M set-config TERM-1 --file - <&-", "Standard input cannot be read: it is closed"),
        ("M publish TERM-1 --file - <&-", "Standard input cannot be read: it is closed"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_one_sentence(shell: Shell, known: str, line: str, reason: str) -> None:
    done = shell.run(line)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [f"Error: {reason}."]


@pytest.mark.parametrize("line", ["M --help", "M status --help", "M status TERM-1", "M get-config TERM-1 --json"])
def test_a_reader_that_leaves_is_no_fault(shell: Shell, known: str, line: str) -> None:
    done = shell.run(f"{line} | true")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_demo_whose_reader_leaves_ends_quietly_and_accuses_nobody(shell: Shell) -> None:
    done = shell.run("M demo | head -3")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 3


def test_json_is_utf_8_in_every_locale(shell: Shell, known: str) -> None:
    for encoding in ("cp1252", "ascii", "utf-8"):
        done = shell.run("M get-config TERM-1 --json", PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout.decode())["config"] == NAMES
    again = shell.run("M get-config TERM-1 --json | M set-config TERM-1 --file - --json", PYTHONIOENCODING="cp1252")
    assert again.returncode == 0
    assert "Temp_Empfänger_°C" in again.stdout.decode()


@pytest.mark.parametrize("columns", ["0", "5", "none"])
def test_a_width_that_holds_nothing_hides_nothing(shell: Shell, known: str, columns: str) -> None:
    for line, shown in ((f"M status {known}", known.encode()), ("M status --help", b"Usage: missionops status")):
        done = shell.run(line, COLUMNS=columns)
        assert done.returncode == 0
        assert shown in done.stdout


def test_a_config_with_a_byte_order_mark_or_in_utf_16_is_taken(place: Place, up: Up) -> None:
    for name, encoding in (("TERM-3", "utf-8-sig"), ("TERM-4", "utf-16")):
        (place.work / "limits.json").write_bytes(json.dumps(NAMES).encode(encoding) + b"")
        assert place.run("set-config", name, "--file", "limits.json", "--server", up.nats).code == 0
        found = json.loads(place.run("get-config", name, "--json", "--server", up.nats).out)
        assert found["config"] == NAMES


def test_a_spacecraft_nobody_knows_is_said(place: Place, up: Up) -> None:
    for command in (("status", "nope"), ("analyze-telemetry", "--spacecraft-id", "nope")):
        done = place.run(*command, "--server", up.nats)
        assert (done.code, done.out) == (1, "")
        assert "No spacecraft nope is known" in done.sentence
    lists = ("list-telemetry", "list-anomalies", "list-alarms", "list-events", "latest", "series temp", "states mode")
    for words in map(str.split, lists):
        done = place.run(words[0], "nope", *words[1:], "--server", up.nats)
        assert done.code == 0
        assert "No spacecraft nope is known" in done.err


def test_an_analysis_that_finds_nothing_says_why(place: Place, up: Up) -> None:
    def run(*arguments: str, stdin: str = "") -> Any:
        return place.run(*arguments, "--server", up.nats, stdin=stdin)

    assert run("register", "TERM-5").code == 0
    assert "No telemetry of TERM-5 is stored" in run("analyze-telemetry", "TERM-5").err
    assert run("publish", "TERM-5", "--param", "temp=1", "--param", "mode=71.5").code == 0
    until(lambda: run("list-telemetry", "TERM-5").out, "the snapshot")
    assert "TERM-5 has no limits" in run("analyze-telemetry", "TERM-5").err
    assert run("set-config", "TERM-5", "--file", "-", stdin='{"parameters":{"Temp":{"critHigh":9}}}').code == 0
    assert "nothing was checked" in run("analyze-telemetry", "TERM-5").err
    assert run("set-config", "TERM-5", "--file", "-", stdin='{"parameters":{"temp":{"critHigh":9}}}').code == 0
    done = run("analyze-telemetry", "TERM-5")
    assert (done.code, done.err.strip()) == (0, "Nothing of TERM-5 is outside its limits.")


def test_a_text_is_in_quotes_and_a_long_number_in_one_piece(place: Place, up: Up) -> None:
    (place.work / "limits.json").write_text('{"parameters":{"counter":{"critHigh":9}}}')
    assert place.run("set-config", "TERM-6", "--file", "limits.json", "--server", up.nats).code == 0
    values = ("--param", "counter=12345678901234567890", "--param", "temp=71.5", "--param", "text=x71.5")
    assert place.run("publish", "TERM-6", *values, "--server", up.nats).code == 0
    listed = until(lambda: place.run("list-telemetry", "TERM-6", "--server", up.nats).out, "the snapshot")
    assert 'text="x71.5"' in listed
    assert "temp=71.5 " in f"{listed} "
    found = until(lambda: place.run("list-anomalies", "TERM-6", "--server", up.nats).out, "the anomaly")
    assert "12345678901234567890" in found


def test_details_of_an_event_are_not_cut_in_a_file(place: Place, up: Up) -> None:
    metadata = json.dumps({f"measurement{index}": index for index in range(40)})
    assert place.run("record-event", "TERM-7", "x", "--metadata", metadata, "--server", up.nats).code == 0
    listed = place.run("list-events", "TERM-7", "--server", up.nats).out
    assert re.findall(r'"(measurement[0-9]+)"', listed) == [f"measurement{index}" for index in range(40)]


ABOUT_ONE = [
    ("status",), ("get-spacecraft",), ("get-config",), ("register",), ("set-config", "--file", "x"),
    ("list-telemetry",), ("analyze-telemetry",), ("list-anomalies",), ("list-events",), ("record-event", "text"),
    ("ingest-telemetry", "--file", "x"), ("publish", "--param", "a=1"), ("dead-letters", "list"),
    ("search-docs", "--query", "x"), ("create-doc", "--title", "x", "--file", "x"),
]  # fmt: skip


@pytest.mark.parametrize("command", ABOUT_ONE, ids="-".join)
def test_a_spacecraft_is_an_argument_or_an_option_everywhere(place: Place, command: tuple[str, ...]) -> None:
    (place.work / "x").write_text("{}")
    words = 2 if command[0] == "dead-letters" else 1
    nowhere = ("--server", "nats://127.0.0.1:1")
    said = {
        place.run(*command[:words], *about, *command[words:], *nowhere).sentence
        for about in (("SC-1",), ("--spacecraft-id", "SC-1"))
    }
    assert len(said) == 1
    assert "Cannot reach NATS at nats://127.0.0.1:1" in said.pop()


def test_ranges_take_days_spans_and_words(place: Place, up: Up) -> None:
    def found(*arguments: str) -> list[int]:
        listed = place.run("list-telemetry", "RANGE-2", "--json", "--server", up.nats, *arguments)
        return [each["parameters"]["n"] for each in json.loads(listed.out)]

    now = datetime.now(UTC).isoformat()
    times = ("2020-11-24T23:59:59Z", "2020-11-25T10:00:00Z", "2020-11-25T23:59:59.5Z", "2020-11-26T00:00:00Z", now)
    lines = "\n".join(json.dumps({"timestamp": time, "parameters": {"n": n}}) for n, time in enumerate(times))
    assert place.run("publish", "RANGE-2", "--file", "-", "--server", up.nats, stdin=lines).code == 0
    until(lambda: len(found()) == 5, "the snapshots")
    assert found("--from", "2020-11-25", "--to", "2020-11-25") == [2, 1]
    assert found("--from", "2020-330", "--to", "2020-330T12:00:00Z") == [1]
    assert found("--from", "-1h", "--to", "now") == found("--from", "yesterday", "--to", "today") == [4]
    assert found("--to", "-2h") == [3, 2, 1, 0]
    wrong = place.run("list-telemetry", "RANGE-2", "--from", "soon")
    assert wrong.code == 2
    assert "-1h, now, today or yesterday" in " ".join(wrong.err.replace("│", "").split())


def test_an_unescaped_plus_in_a_url_is_explained(up: Up) -> None:
    status, answer = installed.get(f"{up.http}/telemetry?spacecraftId=X&from=2025-01-01T00:00:00+02:00")
    assert status == 400
    assert "%2B" in answer["error"]["message"]


def test_words_for_people(place: Place, up: Up) -> None:
    for limit in ("5000", "abc"):
        status, answer = installed.get(f"{up.http}/telemetry?spacecraftId=X&limit={limit}")
        assert status == 400
        assert "`" not in answer["error"]["message"]
        assert "a whole number" in answer["error"]["message"]
    assert "<bool>" not in place.run("up", "--help").out
    assert "<bool>" not in place.run("dead-letters", "list", "--help").out
    said = place.run("migrate", MISSIONOPS_DATABASE_URL="mysql://127.0.0.1").sentence
    assert "Value error" not in said
    assert "MISSIONOPS_DATABASE_URL" in said
    assert "'' is no NATS URL" in place.run("watch", "--server", "").sentence
    said = place.run("migrate", MISSIONOPS_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x").sentence
    assert "PostgreSQL at 127.0.0.1:1" in said
    assert "secret" not in said


def test_what_contradicts_itself_is_refused(place: Place) -> None:
    done = place.run("up", "--ephemeral", "--data-dir", "D")
    assert "--data-dir" in done.sentence
    assert not place.files()


@pytest.mark.parametrize("command", [("watch",), ("simulate", "--rate", "5")], ids=lambda command: command[0])
def test_ctrl_c_ends_with_130(place: Place, up: Up, command: tuple[str, ...]) -> None:
    running = place.start(*command, "--server", up.nats)
    running.said("Ctrl-C ends")
    running.signal(signal.SIGINT)
    done = running.end(installed.busy(10))
    assert done.code == 130
    assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="wait4")
def test_the_help_is_fast(place: Place) -> None:
    used = []
    for _ in range(3):
        running = place.start("--help")
        _, _, usage = os.wait4(running.pid, 0)
        running.process.returncode = 0  # it was waited for here
        used.append(usage.ru_utime)
    assert min(used) < installed.busy(0.6)
