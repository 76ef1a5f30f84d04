"""The same messages give the same anomalies, byte for byte, however they are cut, interrupted and handed over."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from missionops import app
from subscribers.telemetry import worker as subscriber
from tests.wait import until_async

TIME = "2025-01-01T00:00:00Z"
FLEET = ("SC-001", "SC-002", "SC-003")
LIMITS = {
    "SC-001": {"a": {"warnHigh": 5, "critHigh": 8}},
    "SC-002": {"a": {"critLow": 2, "warnLow": 4}, "b": {"warnHigh": 0.5}},
    "SC-003": {},
}

VALUES = st.integers(0, 10) | st.sampled_from([0.25, 7.5, "text", True])
SNAPSHOTS = st.fixed_dictionaries(
    {
        "timestamp": st.sampled_from([TIME, "2025-01-01T00:00:01Z"]),
        "parameters": st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
    },
    optional={"id": st.sampled_from(["1", "2", "3", "4", "5", "cursed"])},  # repeats, and what the database refuses
)
BODIES = SNAPSHOTS | st.lists(SNAPSHOTS, max_size=6) | st.just("no snapshot")
MESSAGES = st.lists(st.tuples(st.sampled_from(FLEET), BODIES), min_size=10, max_size=25)
# How many messages each life of a service handles before it ends, in order or not.
LIVES = st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=2)


@given(messages=MESSAGES, weight=st.integers(1, 400), lives=LIVES, workers=st.integers(1, 3))
@profile(
    max_examples=5, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
async def test_the_same_messages_give_the_same_anomalies(
    *, settings, client, postgres_dsn, template, monkeypatch, messages, weight, lives, workers
):
    """Read once by one service in batches as they come, and again by others into another database."""
    async with AsyncExitStack() as exits:
        await forget_streams(client)
        calm = await exits.enter_async_context(database(postgres_dsn, template))
        async with app.running(settings.model_copy(update={"database_url": calm})) as service:
            await service.until_ready()
            await configure(client)
            for name, body in messages:
                await client.jetstream().publish(f"telemetry.{name}", json.dumps(body).encode())
            await until_handled(client, calm)
        expected = await told(client)

        await client.jetstream().delete_stream("ANOMALIES")
        await client.jetstream().delete_stream("DEADLETTERS")
        stormy = await exits.enter_async_context(database(postgres_dsn, template))
        await copy_configs(calm, stormy)
        stormy_settings = settings.model_copy(
            update={"database_url": stormy, "batch_parameters": weight, "lease": 1.0, "duplicate_window": 0.1}
        )
        for count, in_order in lives:
            monkeypatch.setattr(subscriber, "_STOP_TIME", 10.0 if in_order else 0.0)
            async with app.running(stormy_settings):
                await until_handled(client, stormy, min(count, len(messages)))
        monkeypatch.setattr(subscriber, "_STOP_TIME", 10.0)
        async with AsyncExitStack() as services:
            for _ in range(workers):
                await services.enter_async_context(app.running(stormy_settings))
            await until_handled(client, stormy)
        assert await told(client) == expected
        assert await kept(stormy) == await kept(calm)


@asynccontextmanager
async def database(server: str, template: str) -> AsyncIterator[str]:
    """A migrated database that refuses what is cursed."""
    name = f"test_{uuid.uuid4().hex}"
    before, _, query = server.partition("?")
    dsn = f"{before.rpartition('/')[0]}/{name}?{query}"
    await execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        await execute(dsn, "ALTER TABLE app.snapshot ADD CHECK (id <> 'cursed')")
        yield dsn
    finally:
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(dsn: str, query: str, *arguments: object) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(query, *arguments)
    await connection.close()


async def fetch(dsn: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(query)
    await connection.close()
    return [tuple(row) for row in rows]


async def forget_streams(client) -> None:
    for stream in await client.jetstream().streams_info():
        await client.jetstream().delete_stream(stream.config.name)


async def configure(client) -> None:
    for name, parameters in LIMITS.items():
        request = json.dumps({"parameters": parameters}).encode()
        assert json.loads((await client.request(f"missionops.config.set.{name}", request, timeout=5)).data)["version"]


async def copy_configs(source: str, target: str) -> None:
    """The same versions of the same configs, without waiting for anybody to set them."""
    for name, document in await fetch(source, "SELECT spacecraft_id, document FROM app.config"):
        await execute(target, "INSERT INTO app.spacecraft (spacecraft_id, config_version) VALUES ($1, 1)", name)
        await execute(target, "INSERT INTO app.config VALUES ($1, 1, $2, 'manual', 'test')", name, document)


async def until_handled(client, dsn: str, count: int | None = None) -> None:
    """Wait until so many messages, or all, are handled."""
    wanted = (await client.jetstream().stream_info("TELEMETRY")).state.last_seq if count is None else count
    connection = await asyncpg.connect(dsn)
    at_least = "SELECT sequence >= $1 FROM app.checkpoint"
    await until_async(lambda: connection.fetchval(at_least, wanted), f"the first {wanted} messages")

    async def is_published() -> bool:
        if await connection.fetchval("SELECT published_sequence >= sequence FROM app.checkpoint"):
            return True
        count = await connection.fetchval("SELECT count(*) FROM app.anomaly")
        return len(await stream(client, "ANOMALIES")) >= int(count)

    if count is None:
        await until_async(is_published, "the anomalies")
    await connection.close()


async def stream(client, name: str) -> list[tuple[str, bytes]]:
    state = (await client.jetstream().stream_info(name)).state
    found = [await client.jetstream().get_msg(name, number) for number in range(1, state.last_seq + 1)]
    return [(message.subject, message.data or b"") for message in found]


async def told(client) -> list[list[tuple[str, bytes]]]:
    """Anomalies and dead letters, those of each spacecraft in their order."""
    return [sorted(await stream(client, name), key=lambda message: message[0]) for name in ("ANOMALIES", "DEADLETTERS")]


async def kept(dsn: str) -> list[list[tuple[object, ...]]]:
    """What is in the tables, but for the count of streams.

    Of parameters it is the values: their order, and whether 42.0 is written as 42, is a matter of how they are stored.
    """
    telemetry = """
    SELECT spacecraft_id, "timestamp", id, received_at, config_version, parameters FROM app.telemetry ORDER BY 1, 2, 3
    """
    anomalies = "SELECT spacecraft_id, body, stream_sequence, number_in_message FROM app.anomaly ORDER BY 3, 4"
    snapshots = [(*row[:-1], json.loads(str(row[-1]))) for row in await fetch(dsn, telemetry)]
    return [snapshots, await fetch(dsn, anomalies)]
