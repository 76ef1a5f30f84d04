"""The streams that go out: made as large as there is room for, and room made in them by who may do it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from missionops.broker import client as nats_client
from missionops.broker import jetstream, permissions, streams
from missionops.embedded import access
from missionops.embedded.nats import NatsServer
from missionops.ingest.outgoing_stream import Outgoing
from missionops.settings import read
from publishers.stream_room import Room
from tests.system import deployed

OUTGOING = (streams.ANOMALIES, streams.ALARMS, streams.EVENTS, streams.DEADLETTERS)


async def connected(url: str, password: str) -> Client:
    client = await nats.connect(url, user="service", password=password, inbox_prefix="_INBOX.service", error_cb=_ignore)
    nats_client.guard(client)
    permissions.of(client)
    return client


async def _ignore(_: Exception) -> None:
    """What NATS refuses is told to who waits for it."""


@pytest.mark.parametrize(
    ("account", "outgoing", "sizes"),
    [
        ("20GB", 2 << 30, [2 << 30] * 4),
        ("1GB", 32 << 20, [32 << 20] * 4),
        ("1GB", 2 << 30, [512 << 20, 128 << 20, 128 << 20, 128 << 20]),
        ("80MB", 16 << 20, [16 << 20] * 4),
        ("40MB", 16 << 20, [16 << 20, -1, -1, -1]),  # too little for a bound that would make sense; it is said
    ],
)
async def test_they_are_as_large_as_there_is_room_for(
    tmp_path: Path, account: str, outgoing: int, sizes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    settings = read(telemetry_max_bytes=16 << 20, outgoing_max_bytes=outgoing)
    if account == "20GB":  # as it comes
        settings = read()
    change = f"max_file: {account}"
    with deployed.nats_server(tmp_path, change=lambda config: config.replace("max_file: 20GB", change)) as server:
        client = await connected(server.url, server.user("service")["MISSIONOPS_NATS_PASSWORD"])
        for _ in range(2):  # what is there is left as it is
            await streams.provision(client, settings)
            configs = [(await jetstream.stream_info(client, name))["config"] for name in OUTGOING]
            assert [config["max_bytes"] for config in configs] == sizes
            assert {config["discard"] for config in configs} == {"old"}
        smaller = [size for size in sizes if 0 < size < outgoing]
        said = [one.getMessage() for one in caplog.records if one.name == streams.log.name]
        assert len(said) == len(smaller)
        assert all(f"it may hold {size} bytes" in text for size, text in zip(smaller, said, strict=True))
        for name, size in zip(OUTGOING, sizes, strict=True):
            seen = Outgoing()
            await Room(client, name, seen).look()
            assert seen.max_bytes == max(0, size)
        await client.close()


@pytest.fixture
async def without_right(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """NATS with roles of a version whose service purged nothing but telemetry."""
    users = access.nats_users("secret").replace('"$JS.API.STREAM.PURGE.DEADLETTERS"', '"nothing"')
    server = NatsServer(tmp_path / "nats", users=users)
    await server.start()
    yield server
    await server.stop()


async def test_who_may_not_purge_says_so_and_goes_on(
    without_right: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connected(without_right.url, "secret")
    await streams.provision(client, read(telemetry_max_bytes=16 << 20, outgoing_max_bytes=16 << 20))
    for _ in range(16):
        reply = await client.request("deadletters.telemetry.SC-1", bytes(1_000_000))
        assert "error" not in json.loads(reply.data)
    seen = Outgoing()
    room = Room(client, streams.DEADLETTERS, seen)
    await room.look()
    for _ in range(3):
        await room.make_way(1 << 20)
    assert seen.trouble == caplog.messages[0]
    assert "No room can be made in the stream DEADLETTERS" in caplog.messages[0]
    assert "$JS.API.STREAM.PURGE.DEADLETTERS" in caplog.messages[0]
    assert len(caplog.messages) == 1
    assert (seen.dropped, seen.purged) == (0, 0)
    await client.close()
