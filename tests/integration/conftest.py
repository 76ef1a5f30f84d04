"""Servers that a test may stop, starve and spoil, and the service as the process that it is."""

import asyncio
import contextlib
import io
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg
import httpx
import nats
import psutil
import pytest
from nats.aio.client import Client

from missionops import cli
from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import PostgresServer
from missionops.store import migrate
from tests.data_directories import PARENT
from tests.system import installed
from tests.system.installed import Place, Running
from tests.wait import until_async

AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, nats.errors.Error)


class Served:
    """`missionops serve`, a process of its own."""

    def __init__(self, running: Running) -> None:
        self.running = running
        found = re.search(r"HTTP on (http://[0-9.]+:[0-9]+)", running.err)
        assert found, running.err
        self.url = found[1]
        self._http = httpx.AsyncClient(base_url=self.url, timeout=5)

    async def health(self) -> dict[str, Any]:
        """What /health/ready answers; its status says the same."""
        answer = await self._http.get("/health/ready")
        body: dict[str, Any] = answer.json()
        assert answer.status_code == (200 if body["status"] == "ready" else 503)
        return body

    async def ingest(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.health())["ingest"]
        return found

    async def until_ready(self) -> dict[str, Any]:
        what = f"readiness; the log ends {self.running.err[-2000:]}"
        return await until_async(self._is_ready, what, ignore=AWAY)

    async def until_red(self, reason: str = "") -> dict[str, Any]:
        """Wait until it says that it does not work, and why."""

        async def is_red() -> dict[str, Any] | None:
            found = await self.health()
            return found if found["status"] == "not ready" and reason in str(found["ingest"]["trouble"]) else None

        return await until_async(is_red, f"a red readiness with {reason!r}", ignore=AWAY)

    async def _is_ready(self) -> dict[str, Any] | None:
        found = await self.health()
        return found if found["status"] == "ready" else None

    async def metric(self, name: str) -> float:
        """A metric without labels, or one sample with them as they are printed."""
        text = (await self._http.get("/metrics")).text
        samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return next(float(value) for sample, _, value in samples if sample == name)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its lines, decoded."""
        return [json.loads(line) for line in self.running.err.splitlines() if line.startswith("{")]

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """It answers /health/live all the time, and does not use up the CPU while it has nothing to do."""
        process = psutil.Process(self.running.pid)
        began, used = time.monotonic(), sum(process.cpu_times()[:2])
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
        seconds, used = time.monotonic() - began, sum(process.cpu_times()[:2]) - used
        await asyncio.wait([watch])
        assert watch.cancelled(), watch.exception()
        assert used < 0.5 * seconds + 0.5, f"{used:.1f} s of CPU time in {seconds:.1f} s"

    async def _watch(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=installed.busy(2)) as http:
            while True:
                assert (await http.get("/health/live")).status_code == 200
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        await self._http.aclose()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """A place for servers: short, since a socket's path is limited, and open to the account that runs PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="out-", dir="/tmp") as place:
        os.chmod(place, 0o755)  # noqa: PTH101, S103 - see above
        yield Path(place)


@pytest.fixture(scope="module")
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL that the tests of a module may stop and kill, and start again."""
    with tempfile.TemporaryDirectory(prefix="out-", dir=PARENT) as place:
        os.chmod(place, 0o755)  # noqa: PTH101, S103 - as above
        server = PostgresServer(Path(place) / "postgres")
        try:
            await server.start()
            yield server
        finally:
            await server.stop()


@pytest.fixture
async def own_database(postgres_server: PostgresServer) -> str:
    """A migrated database on that server; it lives as long as the server."""
    name = f"test_{time.monotonic_ns()}"
    await postgres_server.create_database(name)
    await migrate.apply(postgres_server.dsn(name))
    return postgres_server.dsn(name)


@pytest.fixture
def place() -> Iterator[Place]:
    with installed.place() as found:
        yield found


@pytest.fixture
async def serve(place: Place) -> AsyncIterator[Serve]:
    """Starts the installed command on given servers; it is ended with the test."""
    started: list[Served] = []

    async def start(nats_url: str, database_url: str, **environment: str) -> Served:
        given = {
            "MISSIONOPS_NATS_URL": nats_url, "MISSIONOPS_DATABASE_URL": database_url, "MISSIONOPS_HTTP_PORT": "0",
            "MISSIONOPS_LEASE": "1", "MISSIONOPS_DUPLICATE_WINDOW": "0.5",
            "MISSIONOPS_TELEMETRY_MAX_BYTES": str(64 << 20),
        }  # fmt: skip
        running = place.start("serve", **{**given, **environment})
        await asyncio.to_thread(running.said, "missionops serves")
        started.append(Served(running))
        return started[-1]

    yield start
    for served in started:
        await served.close()


@pytest.fixture
def run(service, nats_url):
    """Runs a command in this process; its code, what it printed, and what it said beside."""

    def ran(words: tuple[str, ...]) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        line = ["missionops", *words, "--server", nats_url]
        with patch("sys.argv", line), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as ended:
                return int(ended.code or 0), out.getvalue(), err.getvalue()
        return 0, out.getvalue(), err.getvalue()

    async def run(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(ran, words)

    return run


class Mission:
    """Snapshots that are all anomalous, what the stream acknowledged of them, and what became of those."""

    LIMITS = b'{"parameters":{"n":{"critHigh":0}}}'

    def __init__(self, client: Client, database_url: str) -> None:
        self.client = client
        self.acknowledged: list[str] = []
        self._database_url = database_url
        self._count = 0

    async def configure(self, *names: str) -> None:
        for name in names or ("SC-001",):
            await self.client.request(f"missionops.config.set.{name}", self.LIMITS, timeout=5)

    async def publish(self, count: int, spacecraft_id: str = "SC-001", padding: int = 0) -> None:
        """Publish, each until the stream has acknowledged it; it is sent again where it did not, as publishers do."""
        for _ in range(count):
            self._count += 1
            name = f"s{self._count:05}"
            # Random, so that no disk and no database makes it smaller.
            parameters = {"n": self._count, "padding": secrets.token_hex(padding // 2)}
            body = {"timestamp": "2025-01-01T00:00:00Z", "id": name, "parameters": parameters}

            async def sent(body: bytes = json.dumps(body).encode()) -> bool:
                reply = await self.client.request(f"telemetry.{spacecraft_id}", body, timeout=1)
                return "error" not in json.loads(reply.data)

            await until_async(sent, "the acknowledgement of the stream", ignore=AWAY)
            self.acknowledged.append(name)

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        connection = await asyncpg.connect(self._database_url, timeout=5)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            connection.terminate()

    async def execute(self, query: str) -> None:
        connection = await asyncpg.connect(self._database_url, timeout=5)
        try:
            await connection.execute(query)
        finally:
            connection.terminate()

    async def until_stored(self) -> None:
        async def is_stored() -> bool:
            (count,) = (await self.fetch("SELECT count(*) FROM app.snapshot"))[0]
            return bool(count >= len(self.acknowledged))

        await until_async(is_stored, f"{len(self.acknowledged)} stored snapshots", ignore=AWAY)

    async def told(self) -> list[str]:
        """The ids of the snapshots of all anomalies in the stream, in its order."""
        return [json.loads(body)["snapshotId"] for body in await self.stream("ANOMALIES")]

    async def stream(self, name: str) -> list[bytes]:
        """The bodies in a stream, in its order."""
        jetstream = self.client.jetstream()
        state = (await jetstream.stream_info(name)).state
        numbers = range(max(1, state.first_seq), state.last_seq + 1)
        return [(await jetstream.get_msg(name, number)).data or b"" for number in numbers]

    async def until_there(self, stream: str, count: int) -> None:
        """Wait until a stream, which may be gone for now, holds so many messages."""

        async def are_there() -> bool:
            return (await self.client.jetstream().stream_info(stream)).state.messages >= count

        await until_async(are_there, f"{count} messages in {stream}", ignore=AWAY)

    async def until_told(self, *names: str) -> None:
        """Wait until each of `names`, or each that was acknowledged, has its anomaly in the stream."""

        async def are_told() -> bool:
            return not set(names or self.acknowledged) - set(await self.told())

        await until_async(are_told, "anomalies", ignore=AWAY)

    async def audit(self) -> None:
        """Everything acknowledged is stored once and told once, in order, and nothing else is."""
        await self.until_stored()
        await self.until_told()
        stored = await self.fetch("SELECT id FROM app.snapshot ORDER BY id")
        assert [name for (name,) in stored] == self.acknowledged
        assert await self.told() == self.acknowledged
        assert await self.stream("DEADLETTERS") == []


@asynccontextmanager
async def mission_on(nats_url: str, database_url: str) -> AsyncIterator[Mission]:
    """A mission on these servers."""

    async def ignore(_: Exception) -> None:
        """The server is away: that is why we are here."""

    client = await nats.connect(
        nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, connect_timeout=2, error_cb=ignore
    )
    yield Mission(client, database_url)
    await client.close()


@pytest.fixture
def missions() -> Callable[[str, str], AbstractAsyncContextManager[Mission]]:
    """Missions on servers that a test starts itself."""
    return mission_on


@pytest.fixture
async def mission(nats_server: NatsServer, own_database: str) -> AsyncIterator[Mission]:
    """A mission on the servers of the test's own."""
    async with mission_on(nats_server.url, own_database) as found:
        yield found
