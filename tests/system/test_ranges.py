"""`series`, `states` and `latest` by the installed command: as a file, on a terminal, and live."""

import os
import pty
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.installed import COMMAND, Place, Up
from tests.wait import until


@pytest.fixture
def known(place: Place, up: Up) -> str:
    """A spacecraft with a minute of telemetry, that has just been."""
    first = datetime.now(UTC) - timedelta(minutes=2)
    times = [first + timedelta(seconds=one) for one in range(60)]
    lines = [f"{time.isoformat()},{one % 10},{'SAFE' if one > 30 else 'ON'}" for one, time in enumerate(times)]
    (place.work / "file.csv").write_text("\n".join(["time,temp,mode", *lines]))
    assert place.run("publish", "RANGE-1", "--file", "file.csv", "--server", up.nats).code == 0
    until(lambda: '"SAFE"' in place.run("latest", "RANGE-1", "--server", up.nats).out, "what was published")
    return "RANGE-1"


def test_series_states_and_latest_are_shown(place: Place, up: Up, known: str) -> None:
    server = ("--server", up.nats)
    shown = place.run("series", known, "temp", "--from", "-1h", *server)
    assert shown.code == 0
    assert "temp: 60 samples" in shown.out
    assert not any(ord(sign) in range(0x2801, 0x2900) for sign in shown.out), "no plot in a file"
    assert len(place.run("series", known, "temp", "--from", "-1h", "--csv", *server).out.splitlines()) == 61
    assert '"ON"' in place.run("states", known, "mode", "--from", "-1h", *server).out


def test_on_a_terminal_there_is_a_plot(place: Place, up: Up, known: str) -> None:
    ours, theirs = pty.openpty()
    environment = place.environment | {"COLUMNS": "80", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    command = [str(COMMAND), "series", known, "temp", "--from", "-1h", "--points", "9", "--server", up.nats]
    process = subprocess.Popen(command, stdout=theirs, cwd=place.work, env=environment)
    os.close(theirs)
    drawn = b""
    try:
        while portion := os.read(ours, 4096):
            drawn += portion
    except OSError:  # the terminal is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == 0
    assert any(ord(sign) in range(0x2801, 0x2900) for sign in drawn.decode())


def test_latest_follows_what_comes_and_ends_with_ctrl_c(place: Place, up: Up, known: str) -> None:
    watching = place.start("latest", known, "temp", "--watch", "--server", up.nats)
    until(lambda: "temp" in watching.out, "the first values")
    assert place.run("publish", known, "--param", "temp=1234", "--server", up.nats).code == 0
    until(lambda: "1234" in watching.out, "the new value")
    watching.signal(signal.SIGINT)
    done = watching.end()
    assert (done.code, "Traceback" in done.err) == (130, False)
