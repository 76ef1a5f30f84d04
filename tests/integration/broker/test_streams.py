"""Streams that are there before the service: used as they are, or refused by name with what to do."""

import asyncio
import json

import pytest
from nats.aio.client import Client

from missionops import app
from missionops.broker import jetstream, streams
from missionops.errors import SetupError
from missionops.settings import Settings
from tests.wait import PATIENCE

EARLIER = {
    "name": "TELEMETRY",
    "subjects": ["telemetry.*"],
    "subject_transform": {"src": "telemetry.*", "dest": "telemetry.{{partition(1,1)}}.{{wildcard(1)}}"},
    "discard": "new",
    "storage": "file",
    "allow_direct": True,
}
WANTED = {
    "subjects": ["telemetry.>"],
    "subject_transform": {"src": "telemetry.>", "dest": "telemetry.{{partition(16)}}.>"},
}


def snapshot(name: str) -> bytes:
    return json.dumps({"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 1}, "id": name}).encode()


async def test_a_stream_of_an_earlier_version_is_refused_and_can_be_changed(
    client: Client, settings: Settings, database
) -> None:
    await jetstream.request(client, "STREAM.CREATE.TELEMETRY", EARLIER)
    await client.request("telemetry.SC-1", snapshot("before"))
    refusal = r"The stream TELEMETRY exists with subjects = \[\"telemetry\.\*\"\]; missionops needs .*telemetry\.>"
    with pytest.raises(SetupError, match=refusal):
        await streams.provision(client, settings)

    await jetstream.request(client, "STREAM.UPDATE.TELEMETRY", EARLIER | WANTED)
    await client.request("telemetry.SC-1", snapshot("after"))
    async with app.running(settings):
        async with asyncio.timeout(PATIENCE):
            while await database.fetchval("SELECT count(*) FROM app.snapshot WHERE spacecraft_id = 'SC-1'") < 2:
                await asyncio.sleep(0.02)


async def test_spacecraft_are_spread_over_sixteen_partitions(client: Client, settings: Settings) -> None:
    await streams.provision(client, settings)
    for number in range(64):
        await client.request(f"telemetry.SC-{number}", b"")
    state = (await jetstream.stream_info(client, "TELEMETRY", {"subjects_filter": "telemetry.>"}))["state"]
    partitions = {int(subject.split(".")[1]) for subject in state["subjects"]}
    assert partitions <= set(range(streams.PARTITIONS))
    assert len(partitions) > streams.PARTITIONS / 2
