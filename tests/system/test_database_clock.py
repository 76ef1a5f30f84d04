"""Owner and standby, whatever the database's clock says, and a standby that sees that nobody works."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import asyncpg
import nats
import pytest
from nats.aio.client import Client

from tests.system import installed
from tests.system.installed import Place, Running, Up
from tests.wait import until, until_async

LEASE = 2.0


class Pair:
    """`up` and a `serve` beside it."""

    def __init__(self, up: Up, database: "asyncpg.Connection[asyncpg.Record]", client: Client) -> None:
        self.up = up
        self.database = database
        self.client = client
        self.published = 0

    async def publish(self) -> str:
        """Publish a snapshot; returns its id."""
        self.published += 1
        body = {"timestamp": "2025-01-01T00:00:00Z", "id": f"n{self.published}", "parameters": {"a": 1}}
        await self.client.jetstream().publish("telemetry.SC-1", json.dumps(body).encode())
        return str(body["id"])

    async def until_stored(self, name: str) -> None:
        query = "SELECT count(*) FROM app.snapshot WHERE id = $1"
        await until_async(lambda: self.database.fetchval(query, name), f"{name} in the table")

    async def owner(self) -> str | None:
        """The instance that owns the partition; None between two owners."""
        found: str | None = await self.database.fetchval("SELECT owner FROM app.checkpoint")
        return found


@pytest.fixture
async def pair(place: Place) -> AsyncIterator[Pair]:
    up = place.up("--ephemeral", MISSIONOPS_LEASE=str(LEASE))
    database, client = await asyncpg.connect(up.database), await nats.connect(up.nats)
    yield Pair(up, database, client)
    await client.close()
    await database.close()


def serve(place: Place, up: Up) -> Running:
    servers = {"MISSIONOPS_NATS_URL": up.nats, "MISSIONOPS_DATABASE_URL": up.database}
    running = place.start("serve", **servers, MISSIONOPS_HTTP_PORT="0", MISSIONOPS_LEASE=str(LEASE))
    running.said("missionops serves")
    return running


def ready(running: Running) -> tuple[int, str, str | None]:
    """The status of /health/ready, the role and the trouble."""
    found = re.search(r"HTTP on (http://[0-9.]+:[0-9]+)", running.err)
    assert found, running.err
    status, body = installed.get(f"{found[1]}/health/ready")
    return status, body["ingest"]["role"], body["ingest"]["trouble"]


async def test_a_dead_owner_s_lease_that_ends_in_an_hour_is_over_all_the_same(place: Place, pair: Pair) -> None:
    """As after a step back of the database's clock by an hour."""
    await pair.until_stored(await pair.publish())
    pair.up.signal(signal.SIGSTOP)  # its servers go on
    await pair.database.execute("UPDATE app.checkpoint SET lease_until = clock_timestamp() + interval '1 hour'")
    name = await pair.publish()
    began = time.monotonic()
    second = serve(place, pair.up)
    until(lambda: ready(second)[1] == "owner", "the takeover")
    assert time.monotonic() - began < installed.busy(2 * LEASE + 5)  # and the time that a start takes
    await pair.until_stored(name)
    assert ready(second)[0] == 200


async def test_a_clock_that_steps_while_the_owner_lives_costs_a_takeover_at_most(place: Place, pair: Pair) -> None:
    second = serve(place, pair.up)
    assert ready(second)[1] == "standby"
    for step in (timedelta(hours=1), -timedelta(hours=1)):
        owners = [await pair.owner()]
        # What the owner has written looks, to a clock that has stepped, as if written then.
        await pair.database.execute("UPDATE app.checkpoint SET lease_until = lease_until + $1", step)
        deadline = time.monotonic() + 1.5 * LEASE
        while time.monotonic() < deadline:
            await pair.until_stored(await pair.publish())
            owners.append(await pair.owner())
            await asyncio.sleep(0.1)
        # Not by epochs: a new owner begins another session if the former one's open request was given a message.
        takeovers = sum(before != after for before, after in pairwise(filter(None, owners)))
        assert takeovers <= 1, (step, owners)
    assert sorted([role(pair.up), ready(second)[1]]) == ["owner", "standby"]
    stored = await pair.database.fetchval("SELECT count(*) FROM app.snapshot")
    assert stored == pair.published


async def test_a_standby_is_not_ready_while_nobody_moves_what_waits(place: Place, pair: Pair) -> None:
    second = serve(place, pair.up)
    assert ready(second)[:2] == (200, "standby")
    pause = "$JS.API.CONSUMER.PAUSE.TELEMETRY.missionops-0"
    await pair.client.request(pause, b'{"pause_until":"2100-01-01T00:00:00Z"}')
    name = await pair.publish()
    until(lambda: ready(second)[0] == 503, "a standby that is not ready")
    _, said, trouble = ready(second)
    assert said == "standby"
    assert "Nothing moves: 1 messages wait" in str(trouble)
    await pair.client.request(pause, b"{}")
    await pair.until_stored(name)
    until(lambda: ready(second)[0] == 200, "readiness")


def role(up: Up) -> str:
    return str(installed.get(f"{up.http}/health/ready")[1]["ingest"]["role"])
