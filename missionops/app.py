"""The composition root: opens everything in order, connects the parts, and closes everything in reverse order."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import nats.errors
from faststream import FastStream
from prometheus_client import CollectorRegistry

from missionops.broker import connection, streams
from missionops.broker.client import GuardedClient
from missionops.broker.dead_letters import DeadLetterStream
from missionops.errors import SetupError, Unavailable
from missionops.health import HealthReporter
from missionops.http import server as http
from missionops.http.application import Metrics
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.status import IngestStatus
from missionops.notifications import file as notify_file
from missionops.notifications.notifier import Notifier
from missionops.operations import range_reading
from missionops.operations.fleet import FleetStatus
from missionops.operations.operation import Context
from missionops.operations.request_metrics import RequestMetrics
from missionops.settings import Settings
from missionops.store import database, migrate, tokens
from missionops.store.parameter_sets import ParameterNames
from publishers import channels
from publishers.telemetry import TelemetryPublisher
from subscribers.alarms import AlarmRouter
from subscribers.discovery import DiscoveryRouter
from subscribers.requests import RequestRouter
from subscribers.telemetry.worker import PartitionWorker, TelemetryRouter

log = logging.getLogger(__name__)

_PAUSE = 0.5
"""Seconds between two attempts to reach a PostgreSQL that is away."""
_LATE = 60.0
"""Seconds for which late telemetry may wait to be worked in before alarms do not count as told."""
_NOTIFY_STOP_TIME = 3.0
_FLUSH_TIME = 2
"""Seconds for the server to answer that it knows what the service listens to."""
_MAY_WRITE = """
SELECT has_table_privilege('app.snapshot', 'INSERT') AND NOT current_setting('default_transaction_read_only')::boolean
"""
_COLLECTION_THRESHOLD = 50_000
"""New objects after which the garbage collector looks for cycles. The objects of a batch have none, and the collector
would scan them several times before they are freed: 4 % of the CPU."""


class Service:
    """The running service."""

    def __init__(self, http_url: str, ingest_status: IngestStatus, closed: asyncio.Future[str]) -> None:
        self.http_url = http_url
        self.ingest_status = ingest_status
        self._closed = closed

    async def until_ready(self) -> None:
        """Wait until telemetry is handled, by this instance or by another that it stands by for."""
        while not self.ingest_status.is_ready and not self._closed.done():  # noqa: ASYNC110 - a matter of milliseconds
            await asyncio.sleep(0.01)

    async def failed(self) -> str:
        """Wait until the service cannot go on, and return why, in one sentence."""
        return f"NATS has closed the connection for good ({await self._closed}): start the service again."


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The service for the time of a block; SetupError or Unavailable if it cannot start.

    It waits for a PostgreSQL and a NATS that are away, starting or recovering, and logs that it waits.
    """
    gc.set_threshold(_COLLECTION_THRESHOLD)
    http.check(settings)
    notify = notify_file.read(settings.notify_file) if settings.notify_file else None
    await _await_database(settings.database_url)
    registry = CollectorRegistry()
    status, metrics = IngestStatus(registry), RequestMetrics(registry)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database.opened(settings.database_url))
        client = GuardedClient()
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        limits = LimitsCache()
        telemetry = PartitionWorker(client, owner, settings, status, limits)
        alarms = AlarmRouter(client, Notifier(notify, pool, registry), settings.inbox_prefix) if notify else None
        reporter = HealthReporter(client, pool, status, registry, alarms.notifier.status if alarms else None)
        context = Context(
            pool,
            reporter.health,
            status,
            TelemetryPublisher(client),
            limits,
            DeadLetterStream(client),
            asyncio.Semaphore(range_reading.AT_ONCE),
            ParameterNames(),
            FleetStatus(),
        )
        requests = RequestRouter(client, context, metrics)
        closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def close(reason: str) -> None:
            if not closed.done():
                closed.set_result(reason)

        nats_broker = connection.make(client, settings, telemetry.reconnected, close)
        nats_broker.include_routers(requests, DiscoveryRouter(requests.statistics), TelemetryRouter(telemetry))
        if alarms:
            nats_broker.include_router(alarms)
        channels.declare(nats_broker)
        application = FastStream(nats_broker, logger=None, serializer=None, on_shutdown=[requests.drain])
        await connection.connect(nats_broker, closed)
        stack.push_async_callback(_stop, application)
        await streams.provision(client, settings)
        await streams.warn_of_window(client)
        if alarms:
            await stack.enter_async_context(_notifying(alarms, reporter, status))
        await application.start()
        with contextlib.suppress(nats.errors.Error):  # away again: it is told what we listen to when it is back
            await client.flush(_FLUSH_TIME)
        if settings.http_auth == "tokens":
            await _warn_without_tokens(pool)
        url = await stack.enter_async_context(http.served(settings, context, Metrics(registry, metrics)))
        try:
            yield Service(url, status, closed)
        finally:  # everything ends at the same time; a standby takes over while requests are still answered
            telemetry.request_stop()
            requests.start_draining()


@asynccontextmanager
async def _notifying(alarms: AlarmRouter, reporter: HealthReporter, status: IngestStatus) -> AsyncIterator[None]:
    """Tell people of alarms for the time of a block."""

    async def is_handling() -> bool:
        health = await reporter.health()
        return health.status == "ready" and status.role == "owner" and status.alarms.lag < _LATE

    await alarms.provide()  # before FastStream looks for the consumer: it would make one that begins with the stream
    tasks = [asyncio.create_task(alarms.notifier.run(is_handling)), asyncio.create_task(alarms.watch())]
    try:
        yield
    finally:
        alarms.notifier.stop()
        await asyncio.wait(tasks[:1], timeout=_NOTIFY_STOP_TIME)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _stop(application: FastStream) -> None:
    try:
        await application.stop()
    except* nats.errors.Error:  # NATS has closed the connection for good
        log.debug("NATS was away while the service stopped", exc_info=True)


async def _warn_without_tokens(pool: database.Database) -> None:
    """Log that nobody can use HTTP yet, where it needs a token and there is none."""
    with contextlib.suppress(Unavailable):  # the database went away again: it is not known
        async with pool.transaction() as connection:
            if not await tokens.is_any_valid(connection):
                log.warning(
                    "HTTP needs a token and none is valid, so every request will be refused: make one with "
                    "`missionops tokens create NAME --role admin`"
                )


async def _await_database(dsn: str) -> None:
    """Wait for PostgreSQL to answer, and log so once; SetupError if it refuses us or is not fit for us."""
    is_logged = False
    while True:
        try:
            async with database.connected(dsn) as connection:
                version = connection.get_server_version().major
                if version < database.OLDEST:
                    raise SetupError(f"PostgreSQL {version} is too old: missionops needs {database.OLDEST} or newer.")
                await migrate.check(connection)
                if not await connection.fetchval(_MAY_WRITE):
                    user = await connection.fetchval("SELECT current_user")
                    raise SetupError(
                        f"The user {user} of MISSIONOPS_DATABASE_URL may not write telemetry: give it the user of the "
                        "service, which is mission_app where deploy/postgres.sql made the roles."
                    )
        except Unavailable as error:
            reason = str(error)
        except database.AWAY as error:
            reason = f"PostgreSQL at {database.address(dsn)} ended the connection: {error}."
        else:
            return
        if not is_logged:
            log.warning("%s Waiting for it.", reason)
        is_logged = True
        await asyncio.sleep(_PAUSE)
