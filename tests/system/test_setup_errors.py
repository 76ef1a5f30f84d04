"""What cannot work is refused: one clear sentence that names what to change, a non-zero exit, and no traceback."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import installed
from tests.system.installed import Place, Up

FREE_PORTS = ("--nats-port", "0", "--http-port", "0")
NOBODY_THERE = "nats://127.0.0.1:1"


@pytest.fixture
def port() -> Iterator[str]:
    """A port where somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize("option", ["--nats-port", "--http-port"])
def test_a_port_in_use(place: Place, port: str, option: str) -> None:
    done = place.run("up", "--ephemeral", *FREE_PORTS, option, port)
    assert port in done.sentence
    assert "choose another port" in done.sentence
    assert (place.processes(), place.files()) == ({}, [])


def test_a_data_directory_in_use(place: Place) -> None:
    first = place.up("--data-dir", "data")
    done = place.run("up", "--data-dir", "data", *FREE_PORTS)
    assert f"data is in use by process {first.pid}" in done.sentence


def test_a_data_directory_of_another_version(place: Place) -> None:
    assert place.up("--data-dir", "data").stop().code == 0
    shutil.copytree(place.work / "data", place.work / "older")
    (place.work / "data" / "missionops.json").write_text('{"layout": 999}\n')
    (place.work / "older" / "postgres" / "PG_VERSION").write_text("17\n")
    assert "another version" in place.run("up", "--data-dir", "data", *FREE_PORTS).sentence
    assert "PostgreSQL 17" in place.run("up", "--data-dir", "older", *FREE_PORTS).sentence


def test_somebody_elses_directory_and_no_directory(place: Place) -> None:
    (place.work / "photos").mkdir()
    (place.work / "photos" / "cat.jpg").touch()
    (place.work / "file").touch()
    before = place.files()
    assert "is not empty and not a data directory" in place.run("up", "--data-dir", "photos", *FREE_PORTS).sentence
    assert "is not a directory" in place.run("up", "--data-dir", "file", *FREE_PORTS).sentence
    assert "is not a directory" in place.run("up", "--data-dir", "file/data", *FREE_PORTS).sentence
    assert place.files() == before


@pytest.mark.parametrize("name", ["closed", "closed/data"])
def test_a_directory_that_may_not_be_written(place: Place, name: str) -> None:
    (place.work / "closed").mkdir(mode=0o500)
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("nothing is closed to root")
        place.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--")
    done = place.run("up", "--data-dir", name, *FREE_PORTS)
    assert str(place.work / "closed") in done.sentence


def test_a_ready_file_that_cannot_be_written(place: Place) -> None:
    done = place.run("up", "--ephemeral", *FREE_PORTS, "--ready-file", "nowhere/ready.json")
    assert "nowhere/ready.json cannot be written" in place_of_the_complaint(done.err)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert (place.processes(), place.files()) == ({}, [])


def place_of_the_complaint(err: str) -> str:
    return next(line for line in err.splitlines() if line.startswith("Error:"))


@pytest.mark.parametrize("command", [("up", "--ephemeral"), ("serve",), ("migrate",)], ids=lambda command: command[0])
def test_bad_settings_are_all_named(place: Place, command: tuple[str, ...]) -> None:
    done = place.run(*command, MISSIONOPS_LEASE="abc", MISSIONOPS_LOG_FORMAT="xml")
    assert "MISSIONOPS_LEASE is 'abc'" in done.sentence
    assert "MISSIONOPS_LOG_FORMAT is 'xml'" in done.sentence


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_serve_open_to_other_machines(place: Place, host: str) -> None:
    nowhere = "postgresql://127.0.0.1:1/nothing"
    done = place.run("serve", MISSIONOPS_HTTP_HOST=host, MISSIONOPS_DATABASE_URL=nowhere)
    for way in ("set MISSIONOPS_HTTP_AUTH to tokens", "missionops tokens create", "proxy", "MISSIONOPS_HTTP_HOST"):
        assert way in done.sentence
    for auth in ("tokens", "proxy"):
        open_to_all = {"MISSIONOPS_HTTP_HOST": host, "MISSIONOPS_HTTP_AUTH": auth}
        waiting = place.start("serve", **open_to_all, MISSIONOPS_DATABASE_URL=nowhere)
        waiting.said("Cannot reach PostgreSQL")  # it goes on


def test_serve_waits_for_a_database_and_says_so_once_and_without_the_password(place: Place, up: Up) -> None:
    nobody_there = "postgresql://app:secret@127.0.0.1:1/nothing"
    waiting = place.start("serve", MISSIONOPS_NATS_URL=up.nats, MISSIONOPS_DATABASE_URL=nobody_there)
    waiting.said("Cannot reach PostgreSQL at 127.0.0.1:1: ")
    time.sleep(2)  # several attempts
    begun = time.monotonic()
    done = waiting.stop()
    assert time.monotonic() - begun < installed.busy(2)
    assert (done.code, done.err.count("Waiting for it"), "secret" in done.err) == (0, 1, False)
    assert "Traceback" not in done.err


def test_serve_begins_when_its_database_does(place: Place) -> None:
    first = place.up("--data-dir", "data")
    socket_file = first.sockets / ".s.PGSQL.5432"
    away = socket_file.with_name("away")
    socket_file.rename(away)  # as while a server has not begun to listen
    database, nats = first.database, first.nats
    waiting = place.start("serve", MISSIONOPS_NATS_URL=nats, MISSIONOPS_DATABASE_URL=database, MISSIONOPS_HTTP_PORT="0")
    waiting.said(f"Cannot reach PostgreSQL at {socket_file}: ")
    away.rename(socket_file)
    waiting.said("missionops serves")
    assert waiting.stop().code == 0


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("/missionops?", "/nothing?", 'database "nothing" does not exist'),
        ("//postgres@", "//stranger:secret@", "stranger"),
    ],
)
def test_a_database_that_refuses_us_is_no_reason_to_wait(
    place: Place, up: Up, right: str, wrong: str, sentence: str
) -> None:
    assert right in up.database
    database = up.database.replace(right, wrong)
    done = place.run("serve", MISSIONOPS_NATS_URL=up.nats, MISSIONOPS_DATABASE_URL=database)
    assert sentence in done.sentence
    assert "secret" not in done.err


def test_migrate_does_not_wait(place: Place) -> None:
    done = place.run("migrate", MISSIONOPS_DATABASE_URL="postgresql://app:secret@127.0.0.1:1/nothing")
    assert "Cannot reach PostgreSQL at 127.0.0.1:1: " in done.sentence
    assert "secret" not in done.err
    done = place.run("migrate", MISSIONOPS_DATABASE_URL="postgresql://app:sec/ret@127.0.0.1:1/nothing")
    assert "MISSIONOPS_DATABASE_URL is no address" in done.sentence
    assert "sec" not in done.err.replace("seconds", "")


def test_serve_waits_for_nats_and_says_so(place: Place, up: Up) -> None:
    waiting = place.start("serve", MISSIONOPS_NATS_URL=NOBODY_THERE, MISSIONOPS_DATABASE_URL=up.database)
    waiting.said("NATS: ")
    done = waiting.stop()
    assert done.code == 0
    assert "Traceback" not in done.err


def test_passwords_are_not_repeated(place: Place) -> None:
    done = place.run("serve", MISSIONOPS_DATABASE_URL="postgres+asyncpg://app:secret@127.0.0.1/app")
    assert "MISSIONOPS_DATABASE_URL" in done.sentence
    assert "secret" not in done.sentence


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_addresses_that_are_none(place: Place, command: str) -> None:
    done = place.run(command, MISSIONOPS_NATS_URL="127.0.0.1:port", MISSIONOPS_DATABASE_URL="mysql://127.0.0.1/app")
    assert "MISSIONOPS_NATS_URL" in done.sentence
    assert "MISSIONOPS_DATABASE_URL" in done.sentence


@pytest.mark.parametrize(
    "command",
    [("publish", "SC-1", "--param", "t=1"), ("watch",), ("get-config", "SC-1"), ("set-config", "SC-1", "--file", "c")],
    ids=lambda command: command[0],
)
def test_a_command_without_a_server(place: Place, command: tuple[str, ...]) -> None:
    Path(place.work / "c").write_text("{}")
    done = place.run(*command, "--server", NOBODY_THERE)
    assert "Cannot reach NATS at nats://127.0.0.1:1" in done.sentence
    assert not done.out


def test_a_config_that_does_not_fit(place: Place, up: Up) -> None:
    rules = '{"parameters": {"temp": {"warnHigh": 70, "critHigh": 45}}}'
    done = place.run("set-config", "REFUSED", "--file", "-", "--server", up.nats, stdin=rules)
    assert done.code == 1
    assert "parameters.temp" in done.err
    assert not done.out
    assert "set-config REFUSED" in place.run("get-config", "REFUSED", "--server", up.nats).sentence
