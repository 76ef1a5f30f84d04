"""What the stream keeps of telemetry that is stored, and what it may give up."""

import asyncio
import json

import pytest

from missionops import app
from missionops.app import Service
from missionops.broker import jetstream, streams
from missionops.ingest.status import IngestStatus
from missionops.settings import Settings
from subscribers.telemetry import stream_purge
from tests.wait import PATIENCE, until_async


@pytest.fixture
async def publish(client):
    async def publish(count: int) -> None:
        for number in range(count):
            body = {"timestamp": "2025-01-01T00:00:00Z", "id": f"n{number}", "parameters": {"temp": number}}
            await client.request("telemetry.SC-001", json.dumps(body).encode())

    return publish


async def first(client) -> int:
    return int((await jetstream.stream_info(client, "TELEMETRY"))["state"]["first_seq"])


@pytest.fixture
async def provisioned(client, settings: Settings) -> None:
    await streams.provision(client, settings)


async def test_old_handled_messages_go(provisioned, client, publish):
    await publish(10)
    await stream_purge.purge(client, handled=10, max_age=-5)
    assert await first(client) == 11


async def test_an_empty_stream_is_purged_of_nothing(provisioned, client, publish):
    """Of an empty stream the server gives 0 as the first sequence, or one after the last."""
    assert (await stream_purge.purge(client, handled=0, max_age=-5)).purged == 0
    await publish(3)
    counts = [(await stream_purge.purge(client, handled=3, max_age=-5)).purged for _ in range(2)]
    assert counts == [3, 0]


@pytest.mark.usefixtures("provisioned")
async def test_what_is_purged_is_logged_once_in_ten_minutes(client, publish, settings, monkeypatch, caplog):
    monkeypatch.setattr(stream_purge, "_PAUSE", 0.01)
    caplog.set_level("INFO", stream_purge.__name__)
    status = IngestStatus()
    purging = asyncio.create_task(
        stream_purge.purge_handled(client, status, settings.model_copy(update={"telemetry_max_age": 0}))
    )
    async with asyncio.timeout(PATIENCE):
        for sequence in (1, 2, 3):
            await publish(1)
            status.sequence = sequence
            while await first(client) <= sequence:
                await asyncio.sleep(0.01)
    purging.cancel()
    assert caplog.messages == ["purged 1 handled messages from the stream TELEMETRY"]


async def test_young_messages_stay(provisioned, client, publish):
    await publish(10)
    await stream_purge.purge(client, handled=10, max_age=60)
    assert await first(client) == 1


async def test_what_is_not_handled_stays_however_old(provisioned, client, publish):
    await publish(10)
    await stream_purge.purge(client, handled=4, max_age=-5)
    assert await first(client) == 5


async def test_a_stream_nearly_full_gives_up_half_of_what_is_handled(client, settings: Settings, publish):
    await streams.provision(client, settings.model_copy(update={"telemetry_max_bytes": 1 << 20}))
    while (await jetstream.stream_info(client, "TELEMETRY"))["state"]["bytes"] < 0.85 * (1 << 20):
        body = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"text": "x" * 60_000}}
        await client.request("telemetry.SC-001", json.dumps(body).encode())
    last = (await jetstream.stream_info(client, "TELEMETRY"))["state"]["last_seq"]
    await stream_purge.purge(client, handled=last, max_age=3_600)
    assert last // 2 <= await first(client) <= last // 2 + 2


async def test_a_purged_stream_is_no_loss_to_the_next_owner(provisioned, client, publish, settings: Settings):
    async with app.running(settings) as service:
        await publish(5)
        await handled(service, 5)
    await stream_purge.purge(client, handled=5, max_age=-5)
    assert await first(client) == 6
    async with app.running(settings) as service:
        await publish(1)
        await handled(service, 6)
        assert service.ingest_status.lost == 0


async def handled(service: Service, sequence: int) -> None:
    await until_async(lambda: service.ingest_status.sequence >= sequence, f"message {sequence}")
