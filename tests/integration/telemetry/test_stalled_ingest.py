"""Nothing failed, and nothing moves: readiness is red within seconds all the same, and says what waits."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from missionops import app
from missionops.settings import Settings
from subscribers.telemetry import session
from tests.wait import until_async

N = 5
LONG = {"MISSIONOPS_LEASE": "60"}  # PostgreSQL itself ends no transaction before that

# That of the batch: the worker of alarms waits, too.
WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query NOT LIKE '%misdated_snapshot%'
"""


@asynccontextmanager
async def locked(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The table of telemetry in somebody's hands; the connection is another one."""
    holder, other = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE app.snapshot IN ACCESS EXCLUSIVE MODE")
    try:
        yield other
    finally:
        await transaction.rollback()
        await holder.close()
        await other.close()


@pytest.fixture
async def served(serve, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database, **LONG)
    await mission.configure()
    await mission.publish(N)
    await mission.audit()
    return served


async def test_a_lock_in_the_database(served, mission, own_database):
    async with served.watched():
        async with locked(own_database):
            await mission.publish(N)
            red = await served.until_red("Nothing moves")
            assert (red["nats"], red["database"], red["ingest"]["role"]) == ("up", "up", "owner")
            assert red["ingest"]["lag"] == N
            assert red["ingest"]["lagSeconds"] > 5
            assert await served.metric("missionops_lag_seconds") > 5
            assert await served.metric("missionops_lag_messages") == N
        await served.until_ready()
    await mission.audit()
    assert await served.metric("missionops_interruptions_total") == 0  # nothing failed


async def test_a_paused_consumer(served, mission):
    pause = "$JS.API.CONSUMER.PAUSE.TELEMETRY.missionops-0"
    async with served.watched():
        until = json.dumps({"pause_until": "2100-01-01T00:00:00Z"}).encode()
        assert json.loads((await mission.client.request(pause, until)).data)["paused"]
        await mission.publish(N)
        await served.until_red("Nothing moves")
        await mission.client.request(pause, b"{}")
        await served.until_ready()
    await mission.audit()


async def test_a_stopped_backend(served, mission, own_database):
    async with served.watched():
        async with locked(own_database) as other:
            await mission.publish(1)
            backend = await backend_that_waits(other)
            os.kill(backend, signal.SIGSTOP)
        await mission.publish(N)
        await served.until_red("Nothing moves")
        os.kill(backend, signal.SIGCONT)
        await served.until_ready()
    await mission.audit()


async def test_a_backend_that_never_answers_again_is_given_up(nats_server, own_database, mission, monkeypatch):
    monkeypatch.setattr(session, "_LONGEST", 1.0)
    settings = Settings(nats_url=nats_server.url, database_url=own_database, http_port=0, lease=60)
    async with app.running(settings) as service:
        await service.until_ready()
        await mission.configure()
        async with locked(own_database) as other:
            await mission.publish(1)
            backend = await backend_that_waits(other)
            os.kill(backend, signal.SIGSTOP)
        try:
            await until_async(
                lambda: "was not finished" in str(service.ingest_status.trouble), "the end of the batch", 20
            )
            assert not service.ingest_status.is_ready
        finally:
            os.kill(backend, signal.SIGCONT)  # until then it holds its locks
        await mission.publish(N)
        await mission.audit()
        await service.until_ready()


async def backend_that_waits(connection) -> int:
    return int(await until_async(lambda: connection.fetchval(WAITING), "a backend that waits for the lock"))
