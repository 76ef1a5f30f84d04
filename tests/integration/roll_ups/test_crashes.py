"""Roll-ups of the service itself: through kill -9 in the middle, late telemetry and a takeover."""

import asyncio
import json
import random
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests import plain_roll_ups
from tests.wait import until_async

START = datetime(2025, 3, 1, 22, tzinfo=UTC)
LIMITS = b'{"parameters":{"a":{"warnHigh":90,"critHigh":97}}}'
# Every hour is due as soon as something is added to it, so that it is rolled up while more is added.
ALL_DUE = """
CREATE OR REPLACE VIEW app.due_hour AS SELECT number, hour, marked_at, spacecraft_id FROM app.stale_hour
"""


@pytest.fixture
async def database(own_database):
    connection = await asyncpg.connect(own_database)
    await connection.execute(ALL_DUE)
    yield connection
    await connection.close()


def messages(count: int, seed: int) -> list[tuple[str, bytes]]:
    """Snapshots of four hours of two spacecraft, some messages late by hours, some twice."""
    chosen = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    found = []
    for number in range(count):
        spacecraft_id = f"SC-{number % 2}"
        begin = START + timedelta(seconds=number * 14_400 // count)
        body = [
            {
                "timestamp": (begin + timedelta(seconds=index / 4)).isoformat(), "id": f"m{number}-{index}",
                "parameters": {"a": chosen.randrange(100), "b": chosen.random(), "mode": chosen.choice("XYZ")},
            }
            for index in range(80)
        ]  # fmt: skip
        found.append((f"telemetry.{spacecraft_id}", json.dumps(body).encode()))
    found += found[: count // 10]
    for index in range(0, len(found), 5):  # a fifth of them come at any time
        other = chosen.randrange(len(found))
        found[index], found[other] = found[other], found[index]
    return found


async def publish(client: Any, found: list[tuple[str, bytes]]) -> None:
    for subject, body in found:
        reply = json.loads((await client.request(subject, body, timeout=5)).data)
        assert "error" not in reply, reply


async def until_handled(client: Any, database: Any) -> None:
    last = (await client.jetstream().stream_info("TELEMETRY")).state.last_seq

    async def is_handled() -> bool:
        return bool(await database.fetchval("SELECT sequence FROM app.checkpoint") >= last)

    await until_async(is_handled, "the checkpoint")


async def until_rolled_up(database: Any) -> None:
    async def is_done() -> bool:
        return not await database.fetchval("SELECT count(*) FROM app.stale_hour")

    await until_async(is_done, "the roll-ups")


async def test_kill_9_in_the_middle_and_late_telemetry(serve, nats_server, own_database, database, mission):
    served = await serve(nats_server.url, own_database)
    for name in ("SC-0", "SC-1"):
        await mission.client.request(f"missionops.config.set.{name}", LIMITS, timeout=5)
    waiting = messages(400, 13)
    while waiting:
        portion, waiting = waiting[:110], waiting[110:]
        await publish(mission.client, portion)
        rolled_up = "SELECT count(*) FROM app.roll_up_hour"

        async def has_begun(query: str = rolled_up) -> bool:
            return bool(await database.fetchval(query))

        await until_async(has_begun, "the first roll-ups")
        served.running.signal(signal.SIGKILL)
        await asyncio.to_thread(served.running.end)
        # What is said is right at any time, though of stale hours nothing is said.
        assert await plain_roll_ups.differences(own_database) == []
        served = await serve(nats_server.url, own_database)
    await served.until_ready()
    await until_handled(mission.client, database)
    await until_rolled_up(database)
    assert await plain_roll_ups.differences(own_database) == []
    counts = "SELECT (SELECT count(*) FROM app.roll_up_minute), (SELECT count(*) FROM app.roll_up_hour)"
    assert all(tuple(await database.fetchrow(counts))), counts
    assert await served.metric("missionops_roll_up_hours_total") > 0
    assert await served.metric("missionops_roll_up_waiting_hours") == 0


async def test_a_standby_goes_on_with_what_is_stale(serve, nats_server, own_database, database, mission):
    first = await serve(nats_server.url, own_database)
    second = await serve(nats_server.url, own_database)
    await publish(mission.client, messages(60, 7))
    first.running.signal(signal.SIGSTOP)
    try:

        async def is_owner() -> bool:
            return (await second.ingest())["role"] == "owner"

        await until_async(is_owner, "the takeover")
        await publish(mission.client, messages(80, 8))
        await until_handled(mission.client, database)
    finally:
        first.running.signal(signal.SIGCONT)
    await until_rolled_up(database)
    assert await plain_roll_ups.differences(own_database) == []
