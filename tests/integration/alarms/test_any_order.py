"""Promise 8: the alarms are those that the contract's words give, in whatever order and batches telemetry comes."""

import asyncio
import json
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import asyncpg
import pytest

from missionops.domain import timestamp
from tests.unit.domain.episodes import histories
from tests.unit.domain.episodes.reference import SECOND, Found, History, Set, Told, episodes
from tests.wait import until_async

SNAPSHOTS = """
SELECT "timestamp", id, parameters::text, received_at, coalesce(config_version, 0) FROM app.telemetry
WHERE spacecraft_id = $1
"""
CONFIGS = "SELECT version, document::text, updated_at FROM app.config WHERE spacecraft_id = $1"
ALARMS = """
SELECT parameter, "check", severity, start, "end", episode::text FROM app.alarm
WHERE spacecraft_id = $1 AND NOT is_retracted
"""


def microseconds(moment: datetime) -> int:
    return timestamp.to_microseconds(moment)


async def by_reference(connection: asyncpg.Connection, spacecraft_id: str) -> list[Found]:
    """The episodes of what is stored, by the contract's words."""
    documents: dict[int, Any] = {0: {}}
    sets = []
    for version, document, updated_at in await connection.fetch(CONFIGS, spacecraft_id):
        documents[version] = json.loads(document)
        if version > 1:
            sets.append(Set(version, microseconds(updated_at)))
    told = [
        Told(microseconds(moment), name, json.loads(parameters), microseconds(received_at), version)
        for moment, name, parameters, received_at, version in await connection.fetch(SNAPSHOTS, spacecraft_id)
    ]
    return episodes(History(told, documents, sets))


async def found(connection: asyncpg.Connection, spacecraft_id: str) -> list[Found]:
    """The alarms that are kept."""
    alarms = []
    for parameter, check, level, start, end, text in await connection.fetch(ALARMS, spacecraft_id):
        episode = json.loads(text)
        facts = episode["facts"]
        peak = facts["peak"] and (facts["peak"][0][1], facts["peak"][1])
        alarms.append(
            Found(
                parameter, check, level, microseconds(start), episode["rises"][0][1][0], end and microseconds(end),
                episode["reason"], facts["samples"], peak,
            )
        )  # fmt: skip
    return sorted(alarms, key=repr)


async def send(client, spacecraft_id: str, snapshots: Sequence[Told], base: int) -> None:
    for one in snapshots:
        moment = timestamp.from_microseconds(base + one.timestamp)
        body = {"timestamp": moment.isoformat(), "id": one.id + str(one.timestamp), "parameters": one.values}
        await client.publish(f"telemetry.{spacecraft_id}", json.dumps(body).encode())


async def set_config(client, spacecraft_id: str, document: Any) -> None:
    reply = await client.request(f"missionops.config.set.{spacecraft_id}", json.dumps(document).encode(), timeout=5)
    assert "version" in json.loads(reply.data), reply.data


async def until_settled(connection: asyncpg.Connection, stored: int) -> None:
    async def is_settled() -> bool:
        count = await connection.fetchval("SELECT count(*) FROM app.snapshot")
        marks = await connection.fetchval("SELECT count(*) FROM app.alarm_mark")
        return bool(count >= stored and not marks)

    await until_async(is_settled, f"{stored} snapshots and no marks")


def orders(random: Random, told: list[Told]) -> list[list[Told]]:
    """The same snapshots as they were made, reversed, shuffled, and with a few that come late."""
    late = list(told)
    for _ in range(min(3, len(late))):
        late.append(late.pop(random.randrange(len(late))))
    return [told, told[::-1], random.sample(told, len(told)), late]


@pytest.mark.parametrize("seed", range(4))
async def test_the_alarms_are_those_of_the_contract_in_any_order(service, client, database, seed):
    random = Random(seed)  # noqa: S311 - a seed has to give the same
    base, stored, names = microseconds(datetime.now(UTC)) - 40 * SECOND, 0, []
    for number in range(12):
        history = histories.history(random, 25)
        for place, told in enumerate(orders(random, list(history.told))):
            name = f"R{number}-{place}"
            names.append(name)
            await set_config(client, name, history.documents[1])
            cut = random.randrange(len(told) + 1)
            await send(client, name, told[:cut], base)
            for version in sorted(history.documents)[1:]:
                if random.random() < 0.7:
                    await until_settled(database, stored + cut)
                await set_config(client, name, history.documents[version])
            await send(client, name, told[cut:], base)
            stored += len({(one.timestamp, one.id) for one in told})
    await client.flush()
    await until_settled(database, stored)
    for name in names:
        assert await found(database, name) == await by_reference(database, name), name


async def test_the_alarms_survive_kills_in_any_order(serve, nats_server, own_database, mission):
    """And each of their transitions is told once, in order."""
    random = Random(7)  # noqa: S311 - a seed has to give the same
    base, names, stored = microseconds(datetime.now(UTC)) - 40 * SECOND, [f"R{number}" for number in range(20)], 0
    served = await serve(nats_server.url, own_database)
    waiting = {}
    for name in names:
        history = histories.history(random, 30)
        await set_config(mission.client, name, history.documents[1])
        waiting[name] = random.choice(orders(random, list(history.told)))
        stored += len(waiting[name])
    for _ in range(4):
        for name in names:
            sent, waiting[name] = waiting[name][:8], waiting[name][8:]
            await send(mission.client, name, sent, base)
        await mission.client.flush()
        served.running.signal(signal.SIGKILL)
        await asyncio.to_thread(served.running.end)
        served = await serve(nats_server.url, own_database)
    for name in names:
        await send(mission.client, name, waiting[name], base)
    connection = await asyncpg.connect(own_database, server_settings={"timezone": "UTC"})
    try:
        await until_settled(connection, stored)
        for name in names:
            assert await found(connection, name) == await by_reference(connection, name), name
        count = await connection.fetchval("SELECT count(*) FROM app.alarm_transition")
    finally:
        await connection.close()
    await mission.until_there("ALARMS", count)
    revisions: dict[str, list[int]] = {}
    for body in await mission.stream("ALARMS"):
        alarm = json.loads(body)["alarm"]
        revisions.setdefault(alarm["id"], []).append(alarm["revision"])
    assert all(of_alarm == list(range(1, len(of_alarm) + 1)) for of_alarm in revisions.values())
    assert sum(map(len, revisions.values())) == count
