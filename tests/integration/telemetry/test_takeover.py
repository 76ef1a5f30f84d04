"""An owner that is asked to stop: what is under way is finished and answered, and a standby takes over at once."""

import asyncio
import json
import signal

import asyncpg
import httpx

from missionops import app
from tests.wait import PATIENCE, until_async

LONG = {"MISSIONOPS_LEASE": "30"}
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
SOON = 15.0  # seconds; well within the lease


async def owner(served) -> bool:
    found = await served.ingest()
    return bool(found["role"] == "owner")


async def until_owner(served) -> None:
    await until_async(lambda: owner(served), "the takeover", SOON)


async def test_a_standby_takes_over_from_one_that_is_stopped(serve, nats_server, own_database, mission):
    """Long before the lease is over, and it says before that it stands by."""
    first = await serve(nats_server.url, own_database, **LONG)
    second = await serve(nats_server.url, own_database, **LONG)
    assert (await first.ingest())["role"] == "owner"
    standing_by = await second.until_ready()
    assert (standing_by["ingest"]["role"], standing_by["ingest"]["lag"]) == ("standby", None)
    assert await second.metric('missionops_role{role="standby"}') == 1
    assert await second.metric("missionops_lease_seconds") == 0
    assert await first.metric("missionops_lease_seconds") > 0
    assert [line["level"] for line in second.log if "stands by" in line["message"]] == ["info"]

    await mission.configure()
    publishing = asyncio.create_task(mission.publish(200))
    await mission.until_there("ANOMALIES", 20)
    first.running.signal(signal.SIGTERM)
    await until_owner(second)
    done = await asyncio.to_thread(first.running.end)
    assert (done.code, "Traceback" in done.err) == (0, False)
    await publishing
    await mission.audit()
    assert (await second.ingest())["epoch"] == 2


async def test_a_standby_keeps_one_connection(serve, nats_server, own_database):
    await serve(nats_server.url, own_database)
    second = await serve(nats_server.url, own_database)
    await second.until_ready()
    connection = await asyncpg.connect(own_database)
    own = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_start > $1"
    began = await connection.fetchval("SELECT clock_timestamp()")
    for _ in range(20):
        assert await connection.fetchval(own, began) == 0
        await asyncio.sleep(0.1)
    await connection.close()


async def test_requests_under_way_are_answered(serve, nats_server, own_database, mission):
    """A config that waits for a lock, over NATS and over HTTP, and a snapshot that waits to be stored."""
    served = await serve(nats_server.url, own_database, **LONG)
    await mission.configure("SC-001", "SC-002", "SC-003")
    holder, other = await asyncpg.connect(own_database), await asyncpg.connect(own_database)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("SELECT FROM app.spacecraft FOR UPDATE")
    await holder.execute("LOCK TABLE app.snapshot IN SHARE MODE")
    snapshot = {"spacecraftId": "SC-003", "timestamp": "2025-01-01T00:00:00Z", "parameters": {"n": 1}}
    async with httpx.AsyncClient(base_url=served.url, timeout=10) as http:
        over_nats = asyncio.create_task(mission.client.request("missionops.config.set.SC-001", b"{}", timeout=10))
        over_http = asyncio.create_task(http.put("/spacecraft/SC-002/config", json={}))
        taken = asyncio.create_task(http.post("/telemetry", json=snapshot))

        async def all_wait() -> bool:
            return int(await other.fetchval(WAITING)) >= 3

        await until_async(all_wait, "both configs and the batch, which wait for the lock")
        served.running.signal(signal.SIGTERM)
        await asyncio.sleep(0.2)  # it has begun to stop; it may not be seen from here
        assert not over_http.done()
        await transaction.rollback()
        assert json.loads((await over_nats).data)["version"] == 2
        assert (await over_http).json()["version"] == 2
        assert (await taken).status_code == 201
    assert (await asyncio.to_thread(served.running.end)).code == 0
    assert await other.fetchval("SELECT count(*) FROM app.snapshot") == 1
    assert await other.fetchval("SELECT owner FROM app.checkpoint") is None
    assert len(await mission.stream("ANOMALIES")) == 1
    await holder.close()
    await other.close()


async def test_what_a_former_owner_is_given_is_asked_for_again(settings, client, database):
    """Its request waits at the server from before; nothing else is published that would show the gap."""
    async with app.running(settings) as service:
        await service.until_ready()
    former = await client.subscribe(client.new_inbox())
    request = json.dumps({"batch": 3, "expires": 60_000_000_000}).encode()
    await client.publish("$JS.API.CONSUMER.MSG.NEXT.TELEMETRY.missionops-0", request, former.subject)
    async with app.running(settings) as service:
        await service.until_ready()
        for second in range(3):
            body = {"timestamp": f"2025-01-01T00:00:0{second}Z", "parameters": {}}
            await client.publish("telemetry.SC-001", json.dumps(body).encode())
        for _ in range(3):
            await former.next_msg(PATIENCE)
        await until_async(lambda: service.ingest_status.stored >= 3, "the snapshots")
    assert await database.fetchval("SELECT count(*) FROM app.snapshot") == 3
