"""Everything that a run consists of: servers, services, the network between them, and a direct way in for the test."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import nats
import nats.errors
from nats.aio.client import Client

from missionops.broker import client as nats_client
from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import PORT, PostgresServer
from missionops.embedded.process import Process
from missionops.store import migrate
from tests.resilience.proxy import Proxy, Streams
from tests.resilience.service import Service

DATABASE = "missionops"
INSTALLED = (str(Path(sys.executable).with_name("missionops")), "serve")
AWAY = (
    OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    nats.errors.Error,
)  # fmt: skip
"""What our own clients raise while a server is away."""
LEASE = 1.0
DUPLICATE_WINDOW = 1.0
SMALL_BATCHES = {"MISSIONOPS_BATCH_PARAMETERS": "2000"}
"""Small batches overlap more often."""
_SETTINGS = {
    "MISSIONOPS_LEASE": str(LEASE),
    # What the streams drop by themselves proves nothing about the service.
    "MISSIONOPS_DUPLICATE_WINDOW": str(DUPLICATE_WINDOW),
    "MISSIONOPS_HTTP_PORT": "0",
    "MISSIONOPS_TELEMETRY_MAX_BYTES": str(2 << 30),
}
# PostgreSQL itself says when a row was committed.
_POSTGRES = {"track_commit_timestamp": "on"}
# Ignores all but its supervisor's SIGKILL: by then the servers have been killed.
_LAST_PROCESS = ("sh", "-c", "trap '' INT; exec tail -f /dev/null")


class Environment:
    """Servers that run, and the services that were added."""

    def __init__(self, directory: Path, postgres: PostgresServer, database: str) -> None:
        self.directory = directory
        self.postgres = postgres
        self.nats = NatsServer(directory / "nats")
        self.database = database
        self.services: list[Service] = []
        self.network = Proxy(self._connect_nats)
        """Between NATS and everybody who talks with the service."""
        self.nats_lock, self.postgres_lock = asyncio.Lock(), asyncio.Lock()
        """One fault at a time for each server."""
        self.exits = AsyncExitStack()
        self._began = time.monotonic()
        self.observer: Client
        """A NATS client past all proxies, to look at the streams."""

    @property
    def dsn(self) -> str:
        """The database's address past all proxies."""
        return self.postgres.dsn(self.database)

    def log(self, text: str) -> None:
        """Say what happens, for the reader of a run that failed."""
        sys.stdout.write(f"{time.monotonic() - self._began:7.2f}  {text}\n")
        sys.stdout.flush()

    async def add_service(
        self, command: Sequence[str] = INSTALLED, environment: Mapping[str, str] | None = None
    ) -> Service:
        """A service that is not started yet."""
        to_nats, to_database = Proxy(self._connect_nats), Proxy(self._connect_postgres)
        for proxy in (to_nats, to_database):
            await proxy.start()
            self.exits.push_async_callback(proxy.stop)
        name = f"service-{len(self.services)}"
        servers = {
            "MISSIONOPS_NATS_URL": f"nats://127.0.0.1:{to_nats.port}",
            "MISSIONOPS_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{to_database.port}/{self.database}",
        }
        settings = {**_SETTINGS, **servers, **(environment or {})}
        service = Service(name, command, settings, to_nats, to_database, self.directory / f"{name}.log")
        self.exits.push_async_callback(service.kill)
        self.services.append(service)
        return service

    async def client(self, port: int | None = None) -> Client:
        """A NATS client that waits for a server that is away; past all proxies unless a proxy's port is given."""

        async def ignore(_: Exception) -> None:
            """The server is away: that is what is tested."""

        client = await nats.connect(
            f"nats://127.0.0.1:{port or self.nats.port}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            connect_timeout=2,
            ping_interval=1,  # so that it notices a dead connection
            error_cb=ignore,
        )
        nats_client.guard(client)  # the hostile publisher sends headers that end nats-py's own read loop
        self.exits.push_async_callback(_close, client)
        return client

    async def fetch(self, query: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Query the database, past all proxies, on a new connection."""
        async with self.connection() as connection:
            return await connection.fetch(query, *arguments)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection that is aborted at the end of the block, so that a transaction is rolled back."""
        connection = await asyncpg.connect(self.dsn, timeout=5, server_settings={"timezone": "UTC"})
        try:
            yield connection
        finally:
            connection.terminate()

    async def instances(self) -> int:
        """How many instances answer service discovery."""
        subscription = await self.observer.subscribe(inbox := self.observer.new_inbox())
        await self.observer.publish("$SRV.PING.missionops", b"", inbox)
        found: set[bytes] = set()
        with suppress(nats.errors.TimeoutError):
            while True:
                found.add((await subscription.next_msg(0.3)).data)
        await subscription.unsubscribe()
        return len(found)

    async def until(self, is_so: Callable[[], Awaitable[Any]], seconds: float) -> bool:
        """Wait for a condition, though servers may be away meanwhile; False if it did not come true in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if await is_so():
                    return True
            except AWAY:
                pass
            await asyncio.sleep(0.02)
        return False

    async def handled_sequence(self) -> int:
        """The last message of TELEMETRY that the service has decided."""
        return int((await self.fetch("SELECT sequence FROM app.checkpoint"))[0][0])

    async def last_sequence(self) -> int:
        """The last message of TELEMETRY."""
        return (await self.observer.jsm().stream_info("TELEMETRY")).state.last_seq

    async def _connect_nats(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.nats.port)

    async def _connect_postgres(self) -> Streams:
        return await asyncio.open_unix_connection(str(_sockets(self.dsn) / f".s.PGSQL.{PORT}"))


async def _close(client: Client) -> None:
    with suppress(*AWAY):  # it may be about to connect again just then
        await client.close()


@asynccontextmanager
async def postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of our own, with its data on disk."""
    async with _temporary_directory() as directory:
        server = PostgresServer(directory / "postgres", settings=_POSTGRES)
        try:
            await server.start()
            async with _removed(_sockets(server.dsn())):
                yield server
        finally:
            await server.stop()


@asynccontextmanager
async def environment(server: PostgresServer, database: str = DATABASE) -> AsyncIterator[Environment]:
    """An environment with a database and a nats-server of its own, and no service yet."""
    async with _temporary_directory() as directory:
        found = Environment(directory, server, database)
        await server.create_database(database)
        await migrate.apply(found.dsn)
        async with found.exits as exits:
            exits.push_async_callback(found.nats.stop)
            await found.nats.start()
            await found.network.start()
            exits.push_async_callback(found.network.stop)
            found.observer = await found.client()
            yield found


@asynccontextmanager
async def _temporary_directory() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="resilience-", ignore_cleanup_errors=True) as name:
        async with _removed(Path(name)):
            yield Path(name)


@asynccontextmanager
async def _removed(directory: Path) -> AsyncIterator[None]:
    """Have a directory removed if the test process is killed within the block, whether or not a server runs then."""
    remover = Process(_LAST_PROCESS, Path(os.devnull), remove=[directory])
    try:
        yield
    finally:
        await remover.kill()


def _sockets(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])
