"""`watch`: what the streams keep, what comes live, and what a reconnect leaves out."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.installed import COMMAND, Place, Running, Up
from tests.wait import until


def publish(place: Place, up: Up, spacecraft_id: str, *values: int) -> None:
    for value in values:
        sent = place.run("publish", spacecraft_id, "--param", f"temp={value}", "--server", up.nats)
        assert sent.code == 0


def set_limits(place: Place, up: Up, spacecraft_id: str) -> str:
    """Limits for a spacecraft; returns the subject of its anomalies."""
    done = place.run(
        "set-config", spacecraft_id, "--file", "-", "--server", up.nats, stdin='{"parameters":{"temp":{"critHigh":70}}}'
    )
    assert done.code == 0
    return f"anomalies.{spacecraft_id}"


def test_since_shows_what_the_stream_keeps_and_then_what_comes(place: Place, up: Up) -> None:
    subject = set_limits(place, up, "WATCH-1")
    publish(place, up, "WATCH-1", 71, 72)
    listed = ("list-anomalies", "WATCH-1", "--json", "--server", up.nats)
    until(lambda: len(json.loads(place.run(*listed).out)) == 2, "the anomalies")
    assert len(place.run("watch", subject, "--since", "1h", "--count", "1", "--server", up.nats).out.splitlines()) == 1
    watching = place.start("watch", subject, "--since", "10m", "--count", "3", "--server", up.nats)
    until(lambda: len(watching.out.splitlines()) == 2, "what is kept")
    publish(place, up, "WATCH-1", 73)
    lines = watching.end().out.splitlines()
    assert ["71" in lines[0], "72" in lines[1], "73" in lines[2]] == [True] * 3
    for line in lines:
        assert "WATCH-1" in line
        assert "above critHigh 70" in line
        assert len(line) <= 80
        assert len(line.split()[1]) == len("00:00:00.000")
    as_json = place.run("watch", subject, "--since", "10m", "--json", "--count", "3", "--server", up.nats).out
    assert [json.loads(line)["value"] for line in as_json.splitlines()] == [71, 72, 73]
    future = place.start("watch", subject, "--since", "2199-01-01T00:00:00Z", "--count", "1", "--server", up.nats)
    future.said("Watching")
    publish(place, up, "WATCH-1", 74)
    assert "74" in future.end().out


def test_since_of_what_no_stream_keeps_is_refused(place: Place, up: Up) -> None:
    done = place.run("watch", "telemetry.*", "--since", "1h", "--server", up.nats)
    assert "missionops list-telemetry" in done.sentence


@contextmanager
def server(port: int) -> Iterator[None]:
    command: list[str | Path] = [COMMAND.with_name("nats-server"), "--addr", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port), "the server")
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_after_a_reconnect_it_is_said_what_is_missing_and_how_to_see_it(place: Place, port: int) -> None:
    url = f"nats://127.0.0.1:{port}"
    watching: list[Running] = []
    with server(port):
        for subject in ("anomalies.*", "telemetry.*"):
            watching.append(place.start("watch", subject, "--server", url))
            watching[-1].said("Watching")
    for each in watching:
        each.said("NATS is away")
    with server(port):
        anomalies, telemetry = (each.said("What was published in between is not shown") for each in watching)
        assert "`missionops watch anomalies.* --since " in anomalies
        assert "--since" not in telemetry
        for each in watching:
            each.interrupt()
            assert each.end().code == 130
