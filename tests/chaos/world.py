"""Everything that a run consists of: servers, services, the network between them, and our own way in."""

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

from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import PORT, PostgresServer
from missionops.embedded.process import Process
from missionops.store import migrate
from tests.chaos.proxy import Proxy, Streams
from tests.chaos.service import Service

DATABASE = "missionops"
_OUTLIVE = ("sh", "-c", "trap '' INT; exec tail -f /dev/null")
"""Heeds its keeper's SIGKILL alone: by then the servers have had theirs."""
INSTALLED = (str(Path(sys.executable).with_name("missionops")), "serve")
AWAY = (
    OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    nats.errors.Error,
)  # fmt: skip
"""What our own tools say while a server is away."""
LEASE = 1.0
WINDOW = 1.0
_HURRIED = {
    "MISSIONOPS_LEASE": str(LEASE),
    "MISSIONOPS_DUPLICATE_WINDOW": str(WINDOW),  # what the streams drop by themselves proves nothing about us
    "MISSIONOPS_HTTP_PORT": "0",
    "MISSIONOPS_BATCH_PARAMETERS": "2000",  # small batches overlap more often
    "MISSIONOPS_TELEMETRY_MAX_BYTES": str(2 << 30),
}
# When a row was committed, by PostgreSQL's own word.
_POSTGRES = {"track_commit_timestamp": "on"}


class World:
    """Servers that run; services as many as were asked for."""

    def __init__(self, directory: Path, postgres: PostgresServer, database: str) -> None:
        self.directory = directory
        self.postgres = postgres
        self.nats = NatsServer(directory / "nats")
        self.database = database
        self.services: list[Service] = []
        self.ground = Proxy(self._connect_nats)
        """The network of everybody who talks with the service."""
        self.nats_lock, self.postgres_lock = asyncio.Lock(), asyncio.Lock()
        """One trouble at a time for each."""
        self._exits = AsyncExitStack()
        self._began = time.monotonic()
        self.eye: Client
        """Our own way to look at the streams, past all networks."""

    @property
    def dsn(self) -> str:
        return self.postgres.dsn(self.database)

    def say(self, text: str) -> None:
        """For whoever reads the output of a run that failed."""
        sys.stdout.write(f"{time.monotonic() - self._began:7.2f}  {text}\n")
        sys.stdout.flush()

    async def add_service(
        self, command: Sequence[str] = INSTALLED, environment: Mapping[str, str] | None = None
    ) -> Service:
        """A service that is not started yet."""
        to_nats, to_database = Proxy(self._connect_nats), Proxy(self._connect_postgres)
        for proxy in (to_nats, to_database):
            await proxy.start()
            self._exits.push_async_callback(proxy.stop)
        name = f"service-{len(self.services)}"
        servers = {
            "MISSIONOPS_NATS_URL": f"nats://127.0.0.1:{to_nats.port}",
            "MISSIONOPS_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{to_database.port}/{self.database}",
        }
        given = {**_HURRIED, **servers, **(environment or {})}
        service = Service(name, command, given, to_nats, to_database, self.directory / f"{name}.log")
        self._exits.push_async_callback(service.kill)
        self.services.append(service)
        return service

    async def client(self, port: int | None = None) -> Client:
        """A NATS client that waits for a server that is away; straight to the server unless a proxy's port is given."""

        async def ignore(_: Exception) -> None:
            """The server is away: that is why we are here."""

        client = await nats.connect(
            f"nats://127.0.0.1:{port or self.nats.port}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            connect_timeout=2,
            ping_interval=1,  # a connection that is dead has to be noticed
            error_cb=ignore,
        )
        self._exits.push_async_callback(client.close)
        return client

    async def fetch(self, query: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Ask the database, straight and on a connection of the moment."""
        async with self.connection() as connection:
            return await connection.fetch(query, *arguments)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection that is ended, and so rolled back, without asking."""
        connection = await asyncpg.connect(self.dsn, timeout=5, server_settings={"timezone": "UTC"})
        try:
            yield connection
        finally:
            connection.terminate()

    async def instances(self) -> int:
        """How many run and answer, by service discovery: there every instance speaks for itself."""
        subscription = await self.eye.subscribe(inbox := self.eye.new_inbox())
        await self.eye.publish("$SRV.PING.missionops", b"", inbox)
        found: set[bytes] = set()
        with suppress(nats.errors.TimeoutError):
            while True:
                found.add((await subscription.next_msg(0.3)).data)
        await subscription.unsubscribe()
        return len(found)

    async def until(self, is_so: Callable[[], Awaitable[Any]], seconds: float) -> bool:
        """Wait for something to be so, though servers may be away meanwhile; False if it did not come."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if await is_so():
                    return True
            except AWAY:
                pass
            await asyncio.sleep(0.02)
        return False

    async def _connect_nats(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.nats.port)

    async def _connect_postgres(self) -> Streams:
        return await asyncio.open_unix_connection(str(_sockets(self.dsn) / f".s.PGSQL.{PORT}"))


@asynccontextmanager
async def postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of our own, with its data on disk."""
    async with _place() as place:
        server = PostgresServer(place / "postgres", settings=_POSTGRES)
        try:
            await server.start()
            async with _removed(_sockets(server.dsn())):
                yield server
        finally:
            await server.stop()


@asynccontextmanager
async def world(server: PostgresServer, database: str = DATABASE) -> AsyncIterator[World]:
    """A world with a database and a nats-server of its own, and no service yet."""
    async with _place() as place:
        found = World(place, server, database)
        await server.create_database(database)
        await migrate.apply(found.dsn)
        async with found._exits as exits:
            exits.push_async_callback(found.nats.stop)
            await found.nats.start()
            await found.ground.start()
            exits.push_async_callback(found.ground.stop)
            found.eye = await found.client()
            yield found


@asynccontextmanager
async def _place() -> AsyncIterator[Path]:
    """A directory for the time of a block."""
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        async with _removed(Path(name)):
            yield Path(name)


@asynccontextmanager
async def _removed(directory: Path) -> AsyncIterator[None]:
    """Have a directory removed should we be killed within the block; a server that does it may not run just then."""
    caretaker = Process(_OUTLIVE, Path(os.devnull), remove=[directory])
    try:
        yield
    finally:
        await caretaker.kill()


def _sockets(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])
