"""Both embedded servers together, as `missionops up`, the demo and the tests need them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from missionops.embedded import access
from missionops.embedded.directory import DataDirectory
from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import NO_SETTINGS, PostgresServer

DATABASE = "missionops"


@dataclass(frozen=True)
class Servers:
    """Both servers, answering."""

    nats: NatsServer
    postgres: PostgresServer
    service_password: str
    """Of the user `access.SERVICE` of NATS."""

    @property
    def nats_url(self) -> str:
        """Where NATS clients connect."""
        return self.nats.url

    @property
    def database_url(self) -> str:
        """The database with the rights of a superuser, for people."""
        return self.postgres.dsn(DATABASE)

    @property
    def migrator_database_url(self) -> str:
        """The database with the rights of the migrator, which owns the schema."""
        return self.postgres.dsn(DATABASE, access.MIGRATOR)

    @property
    def service_database_url(self) -> str:
        """The database with the rights of the service."""
        return self.postgres.dsn(DATABASE, access.APP)

    async def died(self) -> str:
        """Waits until one of them ends; returns one sentence about it. Cancel it before you stop them."""
        watches = [asyncio.create_task(server.died()) for server in (self.nats, self.postgres)]
        try:
            done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for watch in watches:
                watch.cancel()


@asynccontextmanager
async def running(
    directory: DataDirectory,
    *,
    nats_port: int = 0,
    sync_interval: str = "1s",
    durable: bool = True,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> AsyncIterator[Servers]:
    """Starts both on the directory, and stops them at the end: NATS first, so that nothing more comes in."""
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
    postgres = PostgresServer(directory.postgres, durable=durable, settings=settings, pass_fds=lock, remove=remove)
    async with AsyncExitStack() as stop:
        stop.push_async_callback(postgres.stop)
        stop.push_async_callback(nats.stop)
        await _start(nats, postgres)
        yield Servers(nats, postgres, password)


async def _start(nats: NatsServer, postgres: PostgresServer) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(nats.start())
            await postgres.start()
            await postgres.create_database(DATABASE)
            await access.create_roles(postgres.dsn(DATABASE))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
