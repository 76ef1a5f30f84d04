"""The composition root: opens everything in order, wires it, and closes it in reverse."""

import asyncio
import gc
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import nats.errors
from faststream import FastStream
from nats.aio.client import Client

from missionops import broker, database, migrate, streams
from missionops.errors import Unfit
from missionops.health import Reporter
from missionops.operations.operation import Context
from missionops.progress import Progress
from missionops.settings import Settings
from publishers.intake import Intake
from subscribers import requests
from subscribers.http import server as http
from subscribers.telemetry import TelemetrySubscriber

log = logging.getLogger(__name__)

_MAY_WRITE = """
SELECT has_table_privilege('app.telemetry', 'INSERT') AND NOT current_setting('default_transaction_read_only')::boolean
"""
_STOP_TIME = 10.0
_FLUSH_TIME = 1
_COLLECTION_THRESHOLD = 50_000
"""New objects after which the collector looks for circles. What a batch is made of has none, and it would be looked at
several times before it goes: 4 % of the CPU."""


class Service:
    """The running service, as its owner sees it."""

    def __init__(self, http_url: str, progress: Progress, closed: asyncio.Future[str]) -> None:
        self.http_url = http_url
        self.progress = progress
        self._closed = closed

    async def until_ready(self) -> None:
        """Wait until telemetry is handled, by this instance or by another that it stands by for."""
        while not self.progress.is_ready and not self._closed.done():  # noqa: ASYNC110 - a matter of milliseconds
            await asyncio.sleep(0.01)

    async def failed(self) -> str:
        """Wait until the service cannot go on, and say why in one sentence."""
        return f"NATS has closed the connection for good ({await self._closed}): start the service again."


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The service for the time of a block; Unfit or Unavailable if it cannot start."""
    gc.set_threshold(_COLLECTION_THRESHOLD)
    http.check(settings)
    await _check_database(settings.database_url)
    progress = Progress()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database.opened(settings.database_url))
        subscriber = TelemetrySubscriber(_owner(), settings, progress)
        closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        nats_broker = broker.make(settings, subscriber.reconnected, _resolve(closed))
        client = await broker.connect(nats_broker, closed)
        application = FastStream(nats_broker, logger=None)
        await application.start()
        stack.push_async_callback(_stop, application, client)
        await streams.provision(client, settings)
        await stack.enter_async_context(_ingesting(subscriber, client))
        context = Context(pool, Reporter(client, pool, progress).health, progress, Intake(client))
        await stack.enter_async_context(requests.served(client, context))
        url = await stack.enter_async_context(http.served(settings, context))
        stack.callback(subscriber.stop)  # a standby need not wait for the requests that we still answer
        yield Service(url, progress, closed)


@asynccontextmanager
async def _ingesting(subscriber: TelemetrySubscriber, client: Client) -> AsyncIterator[None]:
    task = asyncio.create_task(subscriber.run(client), name="ingest")
    try:
        yield
    finally:
        subscriber.stop()
        await asyncio.wait([task], timeout=_STOP_TIME)
        if not task.done():
            log.warning("the batch in hand cannot be finished; it stays in the stream")
            task.cancel()
            await asyncio.wait([task], timeout=1)


def _resolve(future: asyncio.Future[str]) -> Callable[[str], None]:
    def resolve(reason: str) -> None:
        if not future.done():
            future.set_result(reason)

    return resolve


async def _stop(application: FastStream, client: Client) -> None:
    try:
        await client.flush(_FLUSH_TIME)  # stopping waits far longer for a server that is silent
        await application.stop()
    except (nats.errors.Error, TimeoutError):  # NATS is away or silent: there is nobody to take leave of
        with suppress(RuntimeError, OSError, nats.errors.Error):  # nor to send what is left in the buffer
            await client.close()


async def _check_database(dsn: str) -> None:
    async with database.connected(dsn) as connection:
        version = connection.get_server_version().major
        if version < database.OLDEST:
            raise Unfit(f"PostgreSQL {version} is too old: missionops needs {database.OLDEST} or newer.")
        await migrate.check(connection)
        if not await connection.fetchval(_MAY_WRITE):
            user = await connection.fetchval("SELECT current_user")
            raise Unfit(
                f"The user {user} of MISSIONOPS_DATABASE_URL may not write telemetry: give it the user of the service, "
                "which is mission_app where deploy/postgres.sql made the roles."
            )


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
