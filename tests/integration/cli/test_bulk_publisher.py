"""The publisher against a real server: each snapshot ends acknowledged or refused, also when the server crashes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, StreamConfig

from missionops import errors
from missionops.cli.client import connection
from missionops.cli.client.bulk_publisher import WINDOW, BulkPublisher, PublishOutcome
from missionops.embedded.nats import NatsServer
from tests.system import installed


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    """A client as the commands use it."""
    async with connection.connected(nats_url) as connected:
        yield connected


async def add_stream(client: Client, **config) -> None:
    await client.jetstream().add_stream(StreamConfig("TELEMETRY", subjects=["telemetry.>"], **config))


async def stored(client: Client) -> int:
    return (await client.jetstream().stream_info("TELEMETRY")).state.messages


def body(number: int) -> bytes:
    return b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":%d}}' % number


async def publish(client: Client, bodies: list[bytes], spacecraft_id: str = "SC-001") -> list[PublishOutcome[int]]:
    outcomes: list[PublishOutcome[int]] = []
    async with BulkPublisher(client, outcomes.append) as publisher:
        for number, content in enumerate(bodies):
            await publisher.publish(spacecraft_id, content, number)
    return outcomes


async def test_each_is_acknowledged_and_in_the_stream(client: Client):
    await add_stream(client)
    outcomes = await publish(client, [body(number) for number in range(5000)])
    assert sorted(outcomes) == [PublishOutcome(number, None) for number in range(5000)]
    assert await stored(client) == 5000


async def test_no_more_than_the_window_is_unanswered(client: Client):
    await add_stream(client)
    outcomes: list[PublishOutcome[int]] = []
    async with BulkPublisher(client, outcomes.append) as publisher:
        for number in range(3 * WINDOW):
            await publisher.publish("SC-001", body(number), number)
            assert number + 1 - len(outcomes) <= WINDOW


async def test_what_the_stream_refuses_is_refused_with_its_reason(client: Client):
    await add_stream(client, max_msgs=10, discard=DiscardPolicy.NEW)
    outcomes = await publish(client, [body(number) for number in range(15)])
    refused = [outcome for outcome in outcomes if outcome.refusal]
    assert [outcome.mark for outcome in refused] == [10, 11, 12, 13, 14]
    assert {outcome.refusal for outcome in refused} == {"the stream refused it: maximum messages exceeded"}


async def test_what_is_too_large_does_not_take_its_neighbours_along(client: Client):
    await add_stream(client)
    outcomes = await publish(client, [body(1), b" " * (client.max_payload + 1), body(2)])
    reasons = {outcome.mark: outcome.refusal for outcome in outcomes}
    assert reasons.pop(1) == f"larger than the {client.max_payload} bytes that the server takes"
    assert reasons == {0: None, 2: None}


async def test_without_a_stream_it_gives_up_soon(client: Client):
    began = time.monotonic()
    with pytest.raises(errors.Unavailable, match=r"no stream takes telemetry\.SC-001"):
        await publish(client, [body(number) for number in range(5000)])
    assert time.monotonic() - began < installed.busy(3)


async def test_a_stream_that_comes_a_moment_later_is_in_time(client: Client):
    publishing = asyncio.create_task(publish(client, [body(1)]))
    await asyncio.sleep(0.1)
    await add_stream(client)
    assert await publishing == [PublishOutcome(0, None)]


async def test_an_id_that_is_no_subject_token_is_never_sent(client: Client):
    with pytest.raises(errors.InvalidRequest, match="is no spacecraft id"):
        await publish(client, [body(1)], "SC.001")


async def test_a_crash_of_the_server_loses_nothing(client: Client, nats_server: NatsServer):
    await add_stream(client)
    outcomes: list[PublishOutcome[int]] = []
    async with asyncio.timeout(60), BulkPublisher(client, outcomes.append) as publisher:
        for number in range(20_000):
            if number in {5_000, 12_000}:
                await nats_server.kill()
                asyncio.get_running_loop().call_later(0.5, lambda: asyncio.ensure_future(nats_server.start()))
            await publisher.publish("SC-001", body(number), number)
    assert sorted(outcomes) == [PublishOutcome(number, None) for number in range(20_000)]
    assert await contents(client) == {body(number) for number in range(20_000)}


async def contents(client: Client) -> set[bytes]:
    """All that the stream holds; what was sent again may be there twice."""
    subscription = await client.jetstream().subscribe("telemetry.*", ordered_consumer=True)
    return {(await subscription.next_msg()).data for _ in range(await stored(client))}


GUARDED = """authorization { users: [
  { user: admin, password: a }
  { user: sc, password: s, permissions: { publish: ["telemetry.SC-001"], subscribe: ["_INBOX.sc.>"] } }
  { user: deaf, password: d, permissions: { publish: [">"], subscribe: ["_INBOX.other.>"] } }
] }"""


async def test_a_subject_that_is_forbidden_is_named_and_no_other(tmp_path: Path):
    server = NatsServer(tmp_path / "guarded", users=GUARDED)
    await server.start()
    deaf: list[PublishOutcome[str]] = []
    try:
        address = server.url.removeprefix("nats://")
        async with connection.connected(f"nats://admin:a@{address}") as admin:
            await add_stream(admin)
        outcomes: list[PublishOutcome[str]] = []
        async with (
            connection.connected(f"nats://sc:s@{address}") as client,
            BulkPublisher(client, outcomes.append) as publisher,
        ):
            for spacecraft_id in ("SC-001", "SC-002", "SC-001"):
                await publisher.publish(spacecraft_id, body(1), spacecraft_id)
        with pytest.raises(errors.Unavailable, match="MISSIONOPS_NATS_INBOX_PREFIX"):
            async with (
                connection.connected(f"nats://deaf:d@{address}") as client,
                BulkPublisher(client, deaf.append) as publisher,
            ):
                await publisher.publish("SC-001", body(1), "SC-001")
    finally:
        await server.stop()
    assert len(deaf) == 1
    assert [outcome.refusal for outcome in outcomes if outcome.mark == "SC-001"] == [None, None]
    assert [outcome.refusal for outcome in outcomes if outcome.mark == "SC-002"] == [
        "NATS refuses it: the user may not publish to telemetry.SC-002"
    ]
