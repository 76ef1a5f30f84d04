"""Both embedded servers together, as `missionops up`, the demo and the tests need them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from missionops.embedded import access
from missionops.embedded.directory import DataDirectory
from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import LOOPBACK, NO_SETTINGS, PostgresServer, TcpReader, free_port

DATABASE = "missionops"


@dataclass(frozen=True)
class Servers:
    """Both servers, ready for clients."""

    nats: NatsServer
    postgres: PostgresServer
    service_password: str
    """The password of the NATS user `access.SERVICE`."""
    reader_database_url: str | None = None
    """The database on the loopback interface, read-only and with a password; None where it has only its socket."""

    @property
    def nats_url(self) -> str:
        """Where NATS clients connect."""
        return self.nats.url

    @property
    def database_url(self) -> str:
        """The database with all rights, for people; the same after each start where that is possible."""
        return self.postgres.lasting_dsn(DATABASE) or self.postgres.dsn(DATABASE)

    @property
    def migrator_database_url(self) -> str:
        """The database with the rights of the migrator, which owns the schema."""
        return self.postgres.dsn(DATABASE, access.MIGRATOR)

    @property
    def service_database_url(self) -> str:
        """The database with the rights of the service."""
        return self.postgres.dsn(DATABASE, access.APP)

    async def died(self) -> str:
        """Waits until one of them ends and returns a sentence about it. Cancel this before you stop them."""
        return await first_of(self.nats.died(), self.postgres.died())


async def first_of(*waits: Coroutine[Any, Any, str]) -> str:
    """What the first of these returns; the others are cancelled."""
    waiting = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for wait in waiting:
            wait.cancel()


@asynccontextmanager
async def running(
    directory: DataDirectory,
    *,
    nats_port: int = 0,
    postgres_port: int | None = None,
    sync_interval: str = "1s",
    durable: bool = True,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> AsyncIterator[Servers]:
    """Starts both on the directory, and stops them at the end: NATS first, so that no more telemetry arrives.

    With a `postgres_port`, 0 for a free one, PostgreSQL also listens on the loopback interface for the reader.
    """
    lock, remove = (directory.lock,), directory.remove
    password = secrets.token_urlsafe()
    nats = NatsServer(
        directory.nats,
        port=nats_port,
        sync_interval=sync_interval,
        users=access.nats_users(password),
        pass_fds=lock,
        remove=remove,
    )
    reader = None if postgres_port is None else TcpReader(access.READER, DATABASE, postgres_port or free_port())
    reader_password = await asyncio.to_thread(directory.secret, "reader-password") if reader else None
    postgres = PostgresServer(
        directory.postgres,
        durable=durable,
        settings=settings,
        reader=reader,
        socket_link=directory.path / "socket",
        pass_fds=lock,
        remove=remove,
    )
    async with AsyncExitStack() as stop:
        stop.push_async_callback(postgres.stop)
        stop.push_async_callback(nats.stop)
        passwords = {"reader": reader_password} if reader_password else access.NO_PASSWORDS
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(nats.start())
                await postgres.start()
                await postgres.create_database(DATABASE)
                await access.create_roles(postgres.dsn(DATABASE), passwords)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        reader_url = reader and f"postgresql://{reader.user}:{reader_password}@{LOOPBACK}:{reader.port}/{DATABASE}"
        yield Servers(nats, postgres, password, reader_url)
