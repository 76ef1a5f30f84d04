"""Servers away, full, or emptied: the service waits, says so, goes on by itself, and nothing is lost or doubled."""

import asyncio
import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from nats.js.api import DiscardPolicy

from missionops.embedded.nats import NatsServer
from missionops.embedded.postgres import PostgresServer
from missionops.store import migrate
from tests.wait import until_async

OUTAGE = 2.0  # seconds; the stream's duplicate window is half a second
N = 20


@pytest.fixture
async def served(serve, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database)
    await mission.configure()
    await mission.publish(N)
    await mission.audit()
    await mission.until_there("EVENTS", 1)  # the config
    return served


async def last() -> None:
    """Let an outage last."""
    await asyncio.sleep(OUTAGE)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_the_database_is_away(served, mission, postgres_server, end):
    async with served.watched():
        await getattr(postgres_server, end)()
        publishing = asyncio.create_task(mission.publish(N))
        red = await served.until_red()
        assert (red["nats"], red["database"]) == ("up", "down")
        await publishing  # the stream takes telemetry all the same
        assert (await served.ingest())["trouble"]
        await last()
        assert await served.metric("missionops_ready") == 0
        assert await served.metric("missionops_database_up") == 0
        await postgres_server.start()
        await served.until_ready()
    await mission.publish(N)
    await mission.audit()
    said = [line for line in served.log if "PostgreSQL" in line["message"]]
    assert 0 < len(said) < 20, said


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_nats_is_away(served, mission, nats_server, end):
    async with served.watched():
        publishing = asyncio.create_task(mission.publish(5 * N))
        await asyncio.sleep(0)
        await getattr(nats_server, end)()
        red = await served.until_red()
        assert (red["nats"], red["database"]) == ("down", "up")
        await last()
        assert await served.metric("missionops_nats_up") == 0
        await nats_server.start()
        await served.until_ready()
        await publishing
    await mission.audit()
    assert 0 < len([line for line in served.log if "NATS" in line["message"]]) < 20, served.log


async def test_both_are_away(served, mission, nats_server, postgres_server):
    async with served.watched():
        publishing = asyncio.create_task(mission.publish(5 * N))
        await asyncio.sleep(0)
        await asyncio.gather(nats_server.kill(), postgres_server.kill())
        red = await served.until_red()
        assert (red["nats"], red["database"]) == ("down", "down")
        await last()
        await nats_server.start()
        await last()
        await postgres_server.start()
        await served.until_ready()
        await publishing
    await mission.audit()


async def test_the_consumer_is_deleted(served, mission):
    async with served.watched():
        for _ in range(3):
            await mission.client.jetstream().delete_consumer("TELEMETRY", "missionops-0")
            await mission.publish(N)
            await mission.until_told()
    await mission.audit()
    await served.until_ready()


async def test_the_stream_of_telemetry_is_deleted(served, mission):
    async with served.watched():
        await mission.client.jetstream().delete_stream("TELEMETRY")
        await mission.publish(N)  # until there is a stream again
    await mission.audit()
    await served.until_ready()
    assert [line["level"] for line in served.log if "made anew" in line["message"]] == ["error"]


async def test_what_a_deleted_stream_of_telemetry_held_is_counted_as_lost(served, mission):
    await mission.publish(N)
    await mission.until_stored()
    await pause(mission, "2100-01-01T00:00:00Z")
    for _ in range(3):
        await mission.client.request("telemetry.SC-002", b"[]", timeout=5)

    async def all_else_is_handled() -> bool:
        return (await served.ingest())["lag"] == 3

    await until_async(all_else_is_handled, "the checkpoint")
    await mission.client.jetstream().delete_stream("TELEMETRY")
    await mission.publish(N)
    await mission.until_stored()
    assert (await served.until_ready())["ingest"]["lost"] == 3
    (line,) = [line for line in served.log if line["message"].startswith("LOST")]
    assert "At least 3 messages of the one before were not handled" in line["message"]


@pytest.mark.parametrize("name", ["ANOMALIES", "DEADLETTERS", "EVENTS"])
async def test_a_stream_of_ours_is_deleted(served, mission, name):
    async with served.watched():
        await mission.client.jetstream().delete_stream(name)
        await mission.publish(N)
        await mission.client.publish("telemetry.SC-001", b"{")
        event = b'{"type":"INFO","severity":"LOW","message":"m","id":"e1"}'
        await mission.client.request("missionops.events.record.SC-001", event, timeout=5)
        await mission.until_told(*mission.acknowledged[N:])
        await mission.until_there("DEADLETTERS", 1)
        await mission.until_there("EVENTS", 1 if name == "EVENTS" else 2)
    await served.until_ready()
    expected = mission.acknowledged[N:] if name == "ANOMALIES" else mission.acknowledged
    assert await mission.told() == expected
    assert await mission.stream("DEADLETTERS") == [b"{"]


async def test_the_streams_are_restored_to_an_older_state(served, mission, nats_server, data_directory):
    """A backup: what was published since is not in the streams any more, and their sequences are used again."""
    await nats_server.stop()
    shutil.copytree(nats_server.directory, data_directory / "backup")
    await nats_server.start()
    await mission.publish(N)
    await mission.audit()

    async with served.watched():
        await nats_server.stop()
        shutil.rmtree(nats_server.directory)
        shutil.copytree(data_directory / "backup", nats_server.directory)
        await nats_server.start()
        await mission.publish(2 * N)
        await mission.until_told(*mission.acknowledged[2 * N :])
    await served.until_ready()
    stored = await mission.fetch("SELECT id FROM app.snapshot ORDER BY id")
    assert [name for (name,) in stored] == mission.acknowledged
    told = await mission.told()
    assert sorted(told) == sorted(set(told))
    assert [line["level"] for line in served.log if "went back" in line["message"]] == ["error"]


@pytest.fixture
def disk(data_directory):
    """A disk of its own size; what is mounted is unmounted."""
    mounted: list[Path] = []

    def make(name: str, megabytes: int) -> Path:
        path = data_directory / name
        path.mkdir()
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk of our own can be mounted: {done.stderr.strip()}")
        mounted.append(path)
        path.chmod(0o755)
        return path

    yield make
    for path in mounted:
        subprocess.run(["/bin/umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on it."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    return ballast


async def test_the_disk_of_nats_is_full(serve, missions, own_database, disk):
    place = disk("nats", 64)
    server = NatsServer(place / "store")
    await server.start()
    try:
        served = await serve(server.url, own_database, MISSIONOPS_TELEMETRY_MAX_BYTES=str(16 << 20))
        async with missions(server.url, own_database) as mission:
            await mission.configure()
            await mission.publish(N)
            await mission.audit()
            async with served.watched():
                ballast = fill(place)
                publishing = asyncio.create_task(mission.publish(N, padding=1 << 18))
                await until_refused(served)
                red = await served.until_red("nats-server cannot write the stream TELEMETRY")
                assert "no space left on device" in red["ingest"]["trouble"]
                await last()
                ballast.unlink()
                await server.stop()  # one that had no room has given JetStream up until it is started again
                await server.start()
                await publishing
                await served.until_ready()
            await mission.audit()
    finally:
        await server.stop()


async def until_refused(served) -> None:
    """What the stream does not take, nobody is told is taken."""
    body = {"spacecraftId": "SC-002", "timestamp": "2025-01-01T00:00:00Z", "parameters": {}}
    async with httpx.AsyncClient(base_url=served.url, timeout=10) as http:

        async def refused() -> httpx.Response | None:
            answer = await http.post("/telemetry", json=body)
            assert answer.status_code in {201, 202, 503}
            return answer if answer.status_code == 503 else None

        assert (await until_async(refused, "a refusal")).json()["error"]["code"] == "unavailable"


async def test_the_stream_of_anomalies_is_full(served, mission):
    jetstream = mission.client.jetstream()
    config = (await jetstream.stream_info("ANOMALIES")).config
    config.discard, config.max_msgs = DiscardPolicy.NEW, N
    await jetstream.update_stream(config)
    async with served.watched():
        await mission.publish(N)
        red = await served.until_red("ANOMALIES")
        assert "maximum messages exceeded" in red["ingest"]["trouble"]
        assert await served.metric('missionops_publish_failures_total{stream="ANOMALIES"}') > 0
        await last()
        await served.until_red("ANOMALIES")
        config.max_msgs = -1
        await jetstream.update_stream(config)
        await served.until_ready()
    await mission.audit()
    assert len(served.log) < 20, served.log


async def test_the_stream_of_telemetry_is_full(serve, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database, MISSIONOPS_TELEMETRY_MAX_BYTES=str(1 << 20))
    await mission.configure()
    await pause(mission, "2100-01-01T00:00:00Z")
    body = json.dumps({"timestamp": "2025-01-01T00:00:00Z", "parameters": {"padding": "x" * 10_000}}).encode()
    while "error" not in (answer := json.loads((await mission.client.request("telemetry.SC-002", body)).data)):
        pass
    assert answer["error"]["description"] == "maximum bytes exceeded"
    async with served.watched():
        await served.until_red("full")
        await pause(mission, "2000-01-01T00:00:00Z")
        await mission.publish(N)  # until there is room again: what is stored is purged
    await served.until_ready()
    assert await mission.told() == mission.acknowledged


async def pause(mission, until: str) -> None:
    """Let the consumer hand out nothing until then."""
    subject = "$JS.API.CONSUMER.PAUSE.TELEMETRY.missionops-0"
    await mission.client.request(subject, json.dumps({"pause_until": until}).encode())


async def test_the_disk_of_the_database_is_full(serve, missions, nats_server, disk):
    place = disk("postgres", 160)
    server = PostgresServer(place / "data", settings={"min_wal_size": "32MB", "max_wal_size": "48MB"})
    await server.start()
    try:
        await server.create_database("missionops")
        dsn = server.dsn("missionops")
        await migrate.apply(dsn)
        served = await serve(nats_server.url, dsn)
        async with missions(nats_server.url, dsn) as mission:
            await mission.configure()
            await mission.publish(N)
            await mission.audit()
            async with served.watched():
                ballast = fill(place)
                await mission.publish(3 * N, padding=1 << 18)
                await served.until_red()
                await last()
                ballast.unlink()
                if server.pid is None:  # without room for its log it has given up
                    await server.start()
                await served.until_ready()
            await mission.audit()
    finally:
        await server.stop()
