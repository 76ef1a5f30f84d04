"""`missionops up`: it says when it is ready, ends in order when asked to, and keeps what it should."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.system import installed
from tests.system.installed import Place, Running, Up
from tests.wait import until, until_async

SECONDS_TO_STOP = 10
SECONDS_AFTER_KILL = 5


def test_it_is_healthy_once_its_ready_file_is_there(up: Up) -> None:
    assert set(up.addresses) == {"nats", "http", "database"}
    assert installed.get(f"{up.http}/health/live")[0] == 200
    status, body = installed.get(f"{up.http}/health/ready")
    assert status == 200
    assert (body["status"], body["nats"], body["database"]) == ("ready", "up", "up")


def test_it_says_where_everything_is_before_it_logs_anything(up: Up) -> None:
    assert not up.out
    banner, log = up.err.partition("{")[::2]
    assert "owner of partition" in log
    assert banner.startswith("missionops is up. Ctrl-C stops it.\n  Open ")
    for address in up.addresses.values():
        assert address in up.err


@pytest.mark.parametrize(
    ("ask", "code"),
    [(Running.interrupt, 130), (lambda up: up.signal(signal.SIGTERM), 0)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_ends_everything_and_an_ephemeral_one_leaves_nothing(
    place: Place, ask: Callable[[Running], None], code: int
) -> None:
    up = place.up("--ephemeral")
    publish(place, up, 3)
    outside = programs_outside(place)
    ask(up)
    done = up.end(installed.busy(SECONDS_TO_STOP))
    assert (done.code, place.processes(), place.files()) == (code, {}, [])
    assert not up.ready_file.exists()
    assert not up.sockets.exists()
    assert not [program for program in outside if program.exists()]
    assert "Traceback" not in done.err


def test_a_signal_during_the_start_ends_it_too(place: Place) -> None:
    up = place.start("up", "--ephemeral", "--nats-port", "0", "--http-port", "0")
    until(lambda: len(place.processes()) > 1, "the first server")
    up.signal(signal.SIGTERM)
    assert "Traceback" not in up.end(installed.busy(SECONDS_TO_STOP)).err
    assert (place.processes(), place.files()) == ({}, [])


async def test_data_are_kept_over_a_stop_and_over_kill_9(place: Place) -> None:
    data = place.work / "data"
    up = place.up("--data-dir", data)
    publish(place, up, 50)
    await until_stored(up, 50)
    assert up.stop().code == 0
    place.until_nothing_runs()

    up = place.up("--data-dir", data)
    assert await is_durable(up)
    assert await stored(up) == 50
    publish(place, up, 70)  # 20 of them new; some are in the stream and not in the database when it is killed
    up.signal(signal.SIGKILL)
    place.until_nothing_runs(SECONDS_AFTER_KILL)
    assert up.end().code == -signal.SIGKILL
    assert not up.sockets.exists()

    up = place.up("--data-dir", data)
    await until_stored(up, 70)
    assert up.stop().code == 0
    assert data.is_dir()


async def test_an_ephemeral_one_spares_itself_what_keeps_data_over_a_crash_of_the_machine(up: Up) -> None:
    assert not await is_durable(up)


def test_kill_9_leaves_nothing_of_an_ephemeral_one(place: Place) -> None:
    up = place.up("--ephemeral")
    up.signal(signal.SIGKILL)
    place.until_nothing_runs(SECONDS_AFTER_KILL)
    until(lambda: not place.files() and not up.sockets.exists(), "the removal of its files")


def test_the_next_one_need_not_wait_for_the_killed_one(place: Place) -> None:
    data = place.work / "data"
    killed = place.up("--data-dir", data)
    killed.signal(signal.SIGKILL)
    killed.end()  # its servers may still be ending
    assert place.up("--data-dir", data).stop().code == 0


def test_the_default_directory_is_in_the_working_directory(place: Place) -> None:
    assert place.up().stop().code == 0
    assert [entry.name for entry in place.work.iterdir()] == [".missionops"]


def test_a_server_that_dies_is_named_and_ends_it(place: Place) -> None:
    up = place.up("--ephemeral")
    [server] = [pid for pid, line in place.processes().items() if "/nats-server --config" in line.partition(" -- ")[0]]
    os.kill(server, signal.SIGKILL)
    done = up.end()
    assert done.code == 1
    assert "nats-server ended with code 137" in done.err
    assert "Traceback" not in done.err
    assert (place.processes(), place.files()) == ({}, [])


def publish(place: Place, up: Up, count: int) -> None:
    """Snapshots 0 to `count`, always the same, all acknowledged."""
    lines = "".join(
        f'{{"spacecraftId":"KEPT","timestamp":"2025-01-01T00:00:{n % 60:02}Z","id":"s{n}","parameters":{{"n":{n}}}}}\n'
        for n in range(count)
    )
    done = place.run("publish", "--file", "-", "--server", up.nats, stdin=lines)
    assert done.code == 0, done.err


async def stored(up: Up) -> int:
    connection = await asyncpg.connect(up.database)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM app.snapshot"))
    finally:
        await connection.close()


async def is_durable(up: Up) -> bool:
    connection = await asyncpg.connect(up.database)
    try:
        return await connection.fetchval("SHOW fsync") == "on"
    finally:
        await connection.close()


async def until_stored(up: Up, count: int) -> None:
    async def are_stored() -> bool:
        found = await stored(up)
        assert found <= count
        return found == count

    await until_async(are_stored, f"{count} snapshots")


def programs_outside(place: Place) -> list[Path]:
    """Programs that were copied out of the installation to be run."""
    links = [Path(f"/proc/{pid}/exe") for pid in place.processes()] if Path("/proc/self").exists() else []
    programs = [link.readlink() for link in links]
    return [program for program in programs if "missionops-" in str(program) and not program.is_relative_to(sys.prefix)]


def test_how_one_comes_to_another_nats_does_not_matter_to_its_own(place: Place) -> None:
    elsewhere = {"MISSIONOPS_NATS_TOKEN": "of-another", "MISSIONOPS_NATS_INBOX_PREFIX": "_INBOX.another"}
    up = place.up("--ephemeral", **elsewhere, MISSIONOPS_NATS_TLS_FIRST="true")
    assert installed.get(f"{up.http}/health/ready")[0] == 200
    assert "of-another" not in up.err


async def test_postgres_can_be_read_over_tcp_with_a_password_and_by_nobody_else(place: Place) -> None:
    data = place.work / "data"
    up = place.up("--data-dir", data, "--postgres-port", "0")
    publish(place, up, 3)
    await until_stored(up, 3)
    reader, database = up.addresses["reader"], up.database
    assert reader in up.err
    connection = await asyncpg.connect(reader)
    try:
        assert await connection.fetchval("SELECT count(*) FROM app.snapshot") == 3
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM app.snapshot")
    finally:
        await connection.close()
    address = urlsplit(reader)
    place_on_tcp = f"{address.hostname}:{address.port}{address.path}"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://{address.username}:wrong@{place_on_tcp}")
    for user in ("postgres", "mission_app"):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(f"postgresql://{user}:{address.password}@{place_on_tcp}")
    assert up.stop().code == 0
    place.until_nothing_runs()

    again = place.up("--data-dir", data, "--postgres-port", str(address.port))
    assert again.addresses["reader"] == reader
    assert again.database == database.replace("port=5432", f"port={address.port}")
    occupied = place.run(
        "up", "--ephemeral", "--nats-port", "0", "--http-port", "0", "--postgres-port", str(address.port)
    )
    assert f"Port {address.port} is in use" in occupied.sentence
    assert again.stop().code == 0


async def test_the_address_of_the_database_is_the_same_after_each_start(place: Place) -> None:
    addresses = []
    for _ in range(2):
        up = place.up()
        addresses.append(up.database)
        assert await stored(up) == 0
        assert up.stop().code == 0
        place.until_nothing_runs()
    assert addresses[0] == addresses[1]


async def test_the_demo_stays_up_and_is_replayed_once(place: Place) -> None:
    up = place.up("--demo")
    assert "The service found exactly what the mission's own fault detection found." in up.out
    assert f"open {up.http}" in up.err  # again, as the first lines have gone by
    assert await stored(up) == 36_950
    assert up.stop().code == 0
    place.until_nothing_runs()

    up = place.up("--demo")
    assert "The 36,950 snapshots of OPS-SAT-1 are stored already: nothing is replayed." in up.err
    assert await stored(up) == 36_950
    assert up.stop().code == 0
