"""The outbox: what was recorded is published once, whatever stops the publisher, and wherever."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest
from nats.aio.client import Client

from missionops import app
from missionops.app import Service
from missionops.broker import streams
from missionops.domain.event import Event, EventType
from missionops.domain.severity import Severity
from missionops.errors import OwnershipLost
from missionops.store import database as databases
from missionops.store import outbox
from missionops.store.checkpoint import Lease
from publishers import events as publisher
from publishers import exactly_once
from publishers import outbox as outbox_publisher
from subscribers.telemetry import worker
from tests.wait import PATIENCE, until_async


@asynccontextmanager
async def started(settings) -> AsyncIterator[Service]:
    async with app.running(settings) as running:
        await running.until_ready()
        yield running


async def record(client: Client, name: str, spacecraft_id: str = "SC-001", **more: object) -> None:
    event = {"type": "INFO", "severity": "LOW", "message": "m", "id": name, **more}
    reply = await client.request(f"missionops.events.record.{spacecraft_id}", json.dumps(event).encode(), timeout=6)
    assert json.loads(reply.data)["id"] == name, reply.data


async def insert(database, *names: str) -> None:
    """Events of whoever died before anybody could be told."""
    async with database.transaction():
        for name in names:
            await database.execute(
                "INSERT INTO app.event VALUES ($1, 'SC-001', '2025-01-01Z', 'INFO', 'LOW', 'm', '{}')", name
            )
            await database.execute("INSERT INTO app.outbox (event_id) VALUES ($1)", name)


async def told(client: Client) -> list[str]:
    """The ids of the events in the stream, in its order."""
    jetstream = client.jetstream()
    state = (await jetstream.stream_info("EVENTS")).state
    messages = [await jetstream.get_msg("EVENTS", seq) for seq in range(max(1, state.first_seq), state.last_seq + 1)]
    return [json.loads(message.data or b"")["id"] for message in messages]


async def until_empty(database) -> None:
    await until_async(lambda: database.fetchval("SELECT count(*) = 0 FROM app.outbox"), "an empty outbox")


async def mark(database) -> int:
    return await database.fetchval("SELECT events_sequence FROM app.checkpoint")


async def test_events_go_out_in_order_and_the_outbox_is_empty_afterwards(service, client, database):
    names = [f"e{number}" for number in range(30)]
    for number, name in enumerate(names):
        await record(client, name, f"SC-{number % 3}")
    await until_empty(database)
    assert await told(client) == names
    assert await mark(database) == 30


async def test_an_event_is_told_at_once(service, client, monkeypatch):
    monkeypatch.setattr(outbox_publisher, "_POLL", 10 * PATIENCE)  # by polling alone it would not come in time
    subscription = await client.subscribe("events.*")
    for number in range(10):
        await record(client, f"e{number}")
        await subscription.next_msg(PATIENCE)


async def test_what_nobody_was_notified_of_is_published_too(service, client, database):
    await insert(database, "a", "b")
    await until_empty(database)
    assert await told(client) == ["a", "b"]


async def test_many_more_than_one_page_go_out_each_once(settings, client, database):
    names = [f"e{number:04}" for number in range(2_500)]
    await insert(database, *names)
    async with started(settings):
        await until_empty(database)
    assert await told(client) == names


async def test_a_number_that_is_committed_late_is_not_passed_over(service, client, database, database_url):
    slow = await asyncpg.connect(database_url)
    transaction = slow.transaction()
    await transaction.start()
    await insert(slow, "early")
    await record(client, "late")
    await until_empty(database)
    assert await told(client) == ["late"]
    await transaction.commit()
    await slow.close()
    await until_empty(database)
    assert await told(client) == ["late", "early"]


@pytest.mark.parametrize("moment", ["before publishing", "while publishing", "after publishing", "after removing"])
async def test_an_end_at_any_moment_loses_and_doubles_nothing(settings, client, database, monkeypatch, moment):
    """The publisher stops for good there, without a chance to tidy up; then the service is started again."""
    reached = asyncio.Event()

    async def stop(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    publish, remove = exactly_once.ExactlyOncePublisher.publish, outbox.remove

    async def publish_first(self, messages) -> None:
        messages = list(messages)
        is_ours = self._stream == "EVENTS"
        await publish(self, messages[: len(messages) // 2] if is_ours else messages)
        if is_ours:
            await stop()

    async def remove_then_stop(*arguments) -> None:
        await remove(*arguments)
        await stop()

    names = [f"e{number}" for number in range(10)]
    with monkeypatch.context() as patch:
        if moment == "before publishing":
            patch.setattr(outbox, "resume_after", stop)
        if moment == "while publishing":
            patch.setattr(exactly_once.ExactlyOncePublisher, "publish", publish_first)
        if moment == "after publishing":
            patch.setattr(outbox, "remove", stop)
        if moment == "after removing":
            patch.setattr(outbox, "remove", remove_then_stop)
        patch.setattr(worker, "_STOP_TIME", 0.1)
        async with started(settings):
            await insert(database, *names)
            await reached.wait()
        held = {"before publishing": 0, "while publishing": 5}.get(moment, 10)
        assert len(await told(client)) == held
    await forget_message_ids(client)
    async with started(settings):
        await insert(database, "next")
        await until_empty(database)
    assert await told(client) == [*names, "next"]
    assert await mark(database) == 11


@asynccontextmanager
async def process(settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process of its own, to be killed."""
    environment = {
        "MISSIONOPS_NATS_URL": settings.nats_url,
        "MISSIONOPS_DATABASE_URL": settings.database_url,
        "MISSIONOPS_HTTP_PORT": "0",
        "MISSIONOPS_LEASE": "1",
    }
    command = (sys.executable, "-m", "missionops", "serve")
    running = await asyncio.create_subprocess_exec(
        *command, env=os.environ | environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def test_kill_9_between_publishing_and_removing_doubles_nothing(settings, client, database):
    names = [f"e{number}" for number in range(10)]
    await insert(database, *names)
    async with database.transaction():
        await database.execute("LOCK TABLE app.outbox IN SHARE MODE")  # it can be read, and nothing removed
        async with process(settings) as service:
            await until_async(lambda: who_removes(database), "a removal that waits for the lock")
            assert await told(client) == names
            service.kill()
            await service.wait()
        # Its server process goes on waiting and would remove the rows yet, as if it had not been in between.
        await database.execute("SELECT pg_terminate_backend($1)", await who_removes(database))
    assert await database.fetchval("SELECT count(*) FROM app.outbox") == 10
    await forget_message_ids(client)
    async with process(settings):
        await insert(database, "next")
        await until_empty(database)
    assert await told(client) == [*names, "next"]


async def who_removes(database) -> int | None:
    """The server process that waits to remove rows."""
    await database.execute("SELECT pg_stat_clear_snapshot()")  # which a transaction keeps
    return await database.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%DELETE FROM app.outbox%' AND wait_event_type = 'Lock'"
    )


async def forget_message_ids(client: Client) -> None:
    """Only our own reading of the stream prevents a second copy then."""
    stream = (await client.jetstream().stream_info("EVENTS")).config
    stream.duplicate_window = 0.1
    await client.jetstream().update_stream(stream)
    await asyncio.sleep(0.5)


async def test_an_owner_that_was_replaced_reads_and_removes_nothing(service, client, database, database_url):

    epoch = await database.fetchval("SELECT epoch FROM app.checkpoint")
    former = Lease(0, epoch - 1)
    async with databases.connected(database_url) as connection:
        async with connection.transaction():
            await insert(connection, "e")
            assert [row async for row in outbox.waiting(connection, former, 10, 1_000)] == []
            assert [row.event.id async for row in outbox.waiting(connection, Lease(0, epoch), 10, 1_000)] == ["e"]
            with pytest.raises(OwnershipLost):
                await outbox.remove(connection, former, [1, 2, 3], 99)
        with pytest.raises(OwnershipLost):
            await outbox.resume_after(connection, former)
    await until_empty(database)
    assert await told(client) == ["e"]
    assert await mark(database) == 1


async def test_what_a_former_owner_published_meanwhile_is_not_published_again(settings, client, database, monkeypatch):
    """It read the outbox before it was replaced, and sends one message of it between two of our pages."""

    monkeypatch.setattr(publisher, "PAGE", 2)
    publish = exactly_once.ExactlyOncePublisher.publish
    awoken: list[str] = []

    async def publish_after_another(self, messages) -> None:
        messages = list(messages)
        if self._stream == "EVENTS" and not awoken:
            awoken.append("other")
            former = exactly_once.ExactlyOncePublisher(self._client, "EVENTS", self._is_owner)
            async with _waiting(settings) as rows:
                (event,) = [row.event for row in rows if row.event.id == "other"]
            await former.resume(0)
            await publish(former, publisher.messages([event], 900_000))
        await publish(self, messages)

    remove, marks = outbox.remove, []

    async def remove_and_note(connection, claim, numbers, sequence) -> None:
        marks.append(sequence)
        await remove(connection, claim, numbers, sequence)

    monkeypatch.setattr(outbox, "remove", remove_and_note)
    monkeypatch.setattr(exactly_once.ExactlyOncePublisher, "publish", publish_after_another)
    await insert(database, "a", "b", "c")
    await database.execute("INSERT INTO app.event VALUES ('other', 'SC-002', '2025-01-01Z', 'INFO', 'LOW', 'm', '{}')")
    await database.execute("INSERT INTO app.outbox (event_id) VALUES ('other')")
    async with started(settings):
        await until_empty(database)
        await record(client, "next")
        await until_empty(database)
    assert await told(client) == ["other", "a", "b", "c", "next"]
    assert marks == [0, 4, 5]  # before the other one until it was found in the outbox: we might have died as well


async def test_an_end_between_two_pages_of_what_a_former_owner_published_doubles_nothing(
    settings, client, database, monkeypatch
):
    """It had published b and c when it ended; the row of a, with a lower number, was committed after it had read."""
    monkeypatch.setattr(publisher, "PAGE", 2)
    await insert(database, "a", "b", "c")
    await streams.provision(client, settings)
    former = exactly_once.ExactlyOncePublisher(client, "EVENTS", lambda: asyncio.sleep(0, result=True))
    async with _waiting(settings) as rows:
        await former.resume(0)
        await former.publish(publisher.messages([row.event for row in rows if row.event.id != "a"], 900_000))

    remove, reached = outbox.remove, asyncio.Event()

    async def remove_then_stop(*arguments) -> None:
        await remove(*arguments)
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "remove", remove_then_stop)
        patch.setattr(worker, "_STOP_TIME", 0.1)
        async with started(settings):
            await reached.wait()
    assert await told(client) == ["b", "c", "a"]
    assert await database.fetchval("SELECT count(*) FROM app.outbox") == 1
    await forget_message_ids(client)
    async with started(settings):
        await until_empty(database)
        await record(client, "next")
        await until_empty(database)
    assert await told(client) == ["b", "c", "a", "next"]
    assert await mark(database) == 4


@asynccontextmanager
async def _waiting(settings):

    async with databases.connected(settings.database_url) as connection, connection.transaction():
        epoch = await connection.fetchval("SELECT epoch FROM app.checkpoint")
        yield [row async for row in outbox.waiting(connection, Lease(0, epoch), 100, 10_000)]


async def test_telemetry_goes_on_while_events_cannot_be_published(service, client, database):
    config = (await client.jetstream().stream_info("EVENTS")).config
    config.max_msg_size = 1
    await client.jetstream().update_stream(config)
    await insert(database, "e")
    body = b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":1}}'
    await client.request("telemetry.SC-001", body)
    await until_async(lambda: service.ingest_status.stored, "the snapshot")
    assert await database.fetchval("SELECT count(*) FROM app.outbox") == 1
    config.max_msg_size = -1
    await client.jetstream().update_stream(config)
    await until_empty(database)
    assert await told(client) == ["e"]


async def test_a_graceful_stop_publishes_what_is_there(settings, client, database):
    async with started(settings):
        names = [f"e{number}" for number in range(50)]
        await asyncio.gather(*(record(client, name) for name in names))
    assert sorted(await told(client)) == sorted(names)
    assert await database.fetchval("SELECT count(*) FROM app.outbox") == 0


async def test_an_event_that_nats_would_refuse_goes_without_its_metadata():

    metadata = msgspec.Raw(b'{"a":"%b"}' % (b"x" * 1_000))
    event = Event("e", None, datetime(2025, 1, 1, tzinfo=UTC), EventType.INFO, Severity.LOW, "m", metadata)
    (whole,) = publisher.messages([event], 2_000)
    assert json.loads(whole.body)["metadata"] == {"a": "x" * 1_000}
    (cut,) = publisher.messages([event], 1_000)
    assert json.loads(cut.body) == json.loads(whole.body) | {"metadata": {}}
    assert cut.headers == {"Missionops-Truncated": str(len(whole.body))}
    assert (cut.subject, cut.id) == ("events._fleet", whole.id)
