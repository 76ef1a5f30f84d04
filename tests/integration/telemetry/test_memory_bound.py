"""Memory under its bound with any backlog; what cannot be handled yet waits in the stream, and nothing is dropped."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import psutil

from tests.wait import until_async

LIMIT = 150 << 20
"""Bytes; what the product promises with its settings as they come."""
SMALL, LARGE = 20_000, 8
ITEMS = 10_000
TIME = "2025-01-01T00:00:00Z"


async def test_a_backlog_of_any_kind_fits_into_memory(serve, nats_server, own_database, mission):
    more = {"MISSIONOPS_LEASE": "60", "MISSIONOPS_TELEMETRY_MAX_BYTES": str(256 << 20)}
    served = await serve(nats_server.url, own_database, **more)
    await mission.configure()
    holder = await asyncpg.connect(own_database)
    with deaf(nats_server.url):
        async with holder.transaction():
            await holder.execute("LOCK TABLE app.snapshot IN SHARE MODE")
            backlog = await publish(mission.client)
            # It takes what it has room for, and then no more: the rest stays in the stream.
            assert 0 < await taken(mission.client) < backlog / 2
            assert peak(served.running.pid) < LIMIT
        await until_handled(mission, backlog)
    assert peak(served.running.pid) < LIMIT
    ((stored,),) = await mission.fetch("SELECT count(*) FROM app.snapshot")
    assert stored == SMALL + LARGE * ITEMS + LARGE
    ((told,),) = await mission.fetch("SELECT count(*) FROM app.anomaly")
    assert told == SMALL // 10
    await mission.until_there("DEADLETTERS", LARGE)
    await mission.until_there("ANOMALIES", told)
    jetstream = mission.client.jetstream()
    assert (await jetstream.stream_info("ANOMALIES")).state.messages == told
    assert (await jetstream.stream_info("DEADLETTERS")).state.messages == LARGE
    await holder.close()


async def test_messages_that_become_many_dead_letters_fit_into_memory(serve, nats_server, own_database, mission):
    """Whatever one message becomes, the service never holds all of it: here each is ten thousand dead letters."""
    served = await serve(nats_server.url, own_database, MISSIONOPS_LEASE="60")
    packed, heads = msgspec.msgpack.encode([{"n": "x" * 80}] * ITEMS), {"Content-Type": "application/msgpack"}
    written = json.dumps([{"n": "x" * 80}] * ITEMS, separators=(",", ":")).encode()
    large = {f"X-{number}": "x" * 4_000 for number in range(15)}
    numbers = b"[" + b",".join([b"1"] * ITEMS) + b"]"
    shapes: tuple[tuple[bytes, dict[str, str]], ...] = ((numbers, large), (written, {}), (packed, heads))
    for body, headers in shapes * 3:
        await mission.client.publish("telemetry.SC-001", body, headers=headers)
    await mission.client.flush()
    await until_handled(mission, 3 * len(shapes))
    held = (await mission.client.jetstream().stream_info("DEADLETTERS")).state
    assert held.messages == 3 * len(shapes) * ITEMS
    assert held.bytes < 3 * len(shapes) * 8_000_000
    assert peak(served.running.pid) < LIMIT


async def publish(client) -> int:
    """Snapshots small and many, some headed, in arrays, as wide as may be, and what is none, by turns."""
    wide = json.dumps({"timestamp": TIME, "parameters": {f"parameter-{n}": n * 1.5 for n in range(ITEMS)}})
    poison = b"x" * (1 << 20)
    heads = None, {"Trace": "x" * 4_000}
    for round_ in range(LARGE):
        items = [{"timestamp": TIME, "id": f"{round_}-{n}", "parameters": {"n": 0, "mode": "C"}} for n in range(ITEMS)]
        array = json.dumps(items, separators=(",", ":")).encode()
        assert max(len(array), len(wide)) < client.max_payload
        await client.publish("telemetry.SC-001", array)
        await client.publish(f"telemetry.SC-{round_}", wide.encode())
        await client.publish("telemetry.SC-001", poison)
        for number in range(SMALL // LARGE):
            body = {"timestamp": TIME, "id": f"s{round_}-{number}", "parameters": {"n": int(number % 10 == 0)}}
            await client.publish("telemetry.SC-001", json.dumps(body).encode(), headers=heads[round_ % 2])
        await client.flush()
    return int((await client.jetstream().stream_info("TELEMETRY")).state.last_seq)


async def taken(client) -> int:
    """How many messages the service has asked for, once it asks for no more."""
    before = -1
    while (now := (await client.jetstream().consumer_info("TELEMETRY", "missionops-0")).delivered.stream_seq) != before:
        before = now
        await asyncio.sleep(1.5)
    return int(now)


async def until_handled(mission, sequence: int) -> None:
    async def is_handled() -> bool:
        ((handled,),) = await mission.fetch("SELECT sequence FROM app.checkpoint")
        return bool(handled >= sequence)

    await until_async(is_handled, f"the first {sequence} messages", 100)


@contextmanager
def deaf(url: str) -> Iterator[None]:
    """A subscriber to everything that never reads."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(b'CONNECT {"verbose":false}\r\nSUB > 1\r\n')
        yield


def peak(pid: int) -> int:
    """The most memory that a process ever held; where the system does not tell, what it holds now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return int(psutil.Process(pid).memory_info().rss)
