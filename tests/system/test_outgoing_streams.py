"""Dead letters and the streams that go out: whatever one spacecraft sends, another is told of within seconds."""

import asyncio
import base64
import json
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import nats
from nats.aio.client import Client

from tests.system import deployed, installed
from tests.system.deployed import Nats
from tests.system.installed import Place, Running, Up
from tests.wait import PATIENCE, until, until_async

SECONDS = 10
"""After which another spacecraft's anomaly is there, whatever one message holds."""
BOUND = 8_000_000
"""Bytes of all dead letters of one message."""
MEMORY = 150 << 20
ITEMS = 10_000
LARGE_HEADERS = {f"X-{number}": "x" * 4_000 for number in range(15)}
HELD = 64
"""Megabytes that one spacecraft holds of an account of hardly more."""
BAD = b"[" + b",".join([b"1"] * ITEMS) + b"]"
"""20 kB, each of whose items is a dead letter."""


async def api(client: Client, subject: str, request: object = None) -> Any:
    body = json.dumps(request).encode() if request else b""
    return json.loads((await client.request(f"$JS.API.{subject}", body, timeout=20)).data)


async def state(client: Client, stream: str) -> Any:
    return (await api(client, f"STREAM.INFO.{stream}", {"subjects_filter": ">"}))["state"]


async def letter(client: Client, wanted: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a dead letter, as they lie in the stream."""
    found = (await api(client, "STREAM.MSG.GET.DEADLETTERS", wanted))["message"]
    block = base64.b64decode(found["hdrs"])
    headers = dict(line.split(": ", 1) for line in block.decode().split("\r\n")[1:] if line)
    return headers, base64.b64decode(found.get("data", ""))


async def watch_limits(client: Client, spacecraft_id: str) -> Any:
    """Give a spacecraft a limit, and subscribe to its anomalies."""
    told = await client.subscribe(f"anomalies.{spacecraft_id}")
    config = b'{"parameters":{"t":{"warnHigh":1}}}'
    assert b"error" not in (await client.request(f"missionops.config.set.{spacecraft_id}", config, timeout=5)).data
    return told


async def send(client: Client, spacecraft_id: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    reply = json.loads((await client.request(f"telemetry.{spacecraft_id}", body, headers=headers, timeout=5)).data)
    assert "error" not in reply, reply


async def send_anomaly(client: Client, spacecraft_id: str, second: int = 0) -> None:
    await send(client, spacecraft_id, b'{"timestamp":"2025-01-01T00:00:%02dZ","parameters":{"t":5}}' % second)


@asynccontextmanager
async def connected(up: Up) -> AsyncIterator[Client]:
    client = await nats.connect(up.nats)
    yield client
    await client.close()


async def test_one_message_of_ten_thousand_bad_items_keeps_nobody_waiting(up: Up) -> None:
    async with connected(up) as client:
        assert {name: shown["maxBytes"] for name, shown in streams(up).items()} == dict.fromkeys(
            ("ALARMS", "ANOMALIES", "DEADLETTERS", "EVENTS"), 256 << 20
        )
        before = await state(client, "DEADLETTERS")
        told = await watch_limits(client, "LETTERS-2")
        await send(client, "LETTERS-1", BAD, LARGE_HEADERS | {"Nats-Msg-Id": "LETTERS-1 once"})
        await send_anomaly(client, "LETTERS-2")
        await told.next_msg(timeout=installed.busy(SECONDS))

        after = await state(client, "DEADLETTERS")
        subject = "deadletters.telemetry.LETTERS-1"
        assert after["subjects"][subject] == ITEMS
        assert after["bytes"] - before["bytes"] <= BOUND
        headers, body = await letter(client, {"seq": 1, "next_by_subj": subject})
        assert (headers["Missionops-Item"], body, headers["X-14"]) == ("0", b"1", "x" * 4_000)
        assert headers["Missionops-Original-Msg-Id"] == "LETTERS-1 once"
        last, body = await letter(client, {"last_by_subj": subject})
        assert (last["Missionops-Item"], body) == (str(ITEMS - 1), b"1")
        assert len(last["Missionops-Error"]) <= 128
        ours = {"Missionops-Error-Code", "Missionops-Error", "Missionops-Stream-Sequence", "Missionops-Item"}
        assert {name for name in last if not name.startswith("Nats-")} == ours


async def test_a_spacecraft_that_floods_loses_its_own_letters_first(place: Place) -> None:
    up = place.up("--ephemeral", MISSIONOPS_OUTGOING_MAX_BYTES=str(16 << 20))
    async with connected(up) as client:
        told = await watch_limits(client, "QUIET")
        await send(client, "QUIET", b"a letter that stays")
        for _ in range(5):  # some 20 MB of letters
            await send(client, "FLOOD", BAD, LARGE_HEADERS)
        await send_anomaly(client, "QUIET")
        await told.next_msg(timeout=installed.busy(5 * SECONDS))

        found = await state(client, "DEADLETTERS")
        assert found["subjects"]["deadletters.telemetry.QUIET"] == 1
        assert found["bytes"] <= 16 << 20
        published = 5 * ITEMS + 1
        health = installed.get(f"{up.http}/health/ready")[1]
        shown = health["streams"]["DEADLETTERS"]
        assert shown["maxBytes"] == 16 << 20
        assert shown["dropped"] == shown["purged"] == published - found["messages"] > 0
        assert any("DEADLETTERS" in warning and "FLOOD" in warning for warning in health["warnings"])
        assert metrics(up)['missionops_stream_dropped_total{stream="DEADLETTERS"}'] == shown["dropped"]
        assert metrics(up)['missionops_publish_failures_total{stream="DEADLETTERS"}'] == 0
        assert up.err.count("oldest messages of FLOOD") == 1
        assert "oldest messages of QUIET" not in up.err
        assert peak(up) < MEMORY

        # From the second witness nothing is purged: it drops its oldest itself, and that is counted.
        for number in range(24):
            await client.request(f"events.{number}", bytes(1_000_000))
        gone = (await state(client, "EVENTS"))["last_seq"] - (await state(client, "EVENTS"))["messages"]
        assert gone > 5
        until(lambda: streams(up)["EVENTS"]["dropped"] == gone, "the events that were dropped")
        assert streams(up)["EVENTS"]["purged"] == 0


def streams(up: Up) -> Any:
    return installed.get(f"{up.http}/health/ready")[1]["streams"]


def metrics(up: Up) -> dict[str, float]:
    with urllib.request.urlopen(f"{up.http}/metrics") as reply:  # noqa: S310 - http on loopback
        lines = [line for line in reply.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def peak(up: Up) -> int:
    """The most memory that the service ever held; 0 where the system does not tell."""
    status = Path(f"/proc/{up.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


async def test_an_idle_service_purges_nothing_and_says_nothing_of_it(place: Place) -> None:
    up = place.up("--ephemeral")
    async with connected(up) as client:
        purged = await client.subscribe("$JS.API.STREAM.PURGE.>")
        looked = await client.subscribe("$JS.API.STREAM.INFO.TELEMETRY")
        for _ in range(2):  # it looks every five seconds whether there is something to purge
            await looked.next_msg(timeout=PATIENCE)
        await send_anomaly(client, "IDLE")  # and when all that there is has been handled
        await looked.next_msg(timeout=PATIENCE)
        assert purged.pending_msgs == 0
    assert "purged" not in up.err


class Production(NamedTuple):
    """`serve` on NATS and PostgreSQL as they are deployed, with connections of two users of NATS."""

    serving: Running
    nats: Nats
    service: Client
    operator: Client

    async def health(self) -> Any:
        return json.loads((await self.operator.request("missionops.health", b"", timeout=5)).data)


@asynccontextmanager
async def production(
    place: Place, up: Up, changes: Mapping[str, str], *made: dict[str, object], **environment: str
) -> AsyncIterator[Production]:
    """With `changes` in nats.conf, and streams that are `made` before the service starts."""

    def change(config: str) -> str:
        for before, after in changes.items():
            assert before in config
            config = config.replace(before, after)
        return config

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(new_database(place, up))
        server = stack.enter_context(deployed.nats_server(place.root, change=change))
        service, operator = [await connected_as(server, name) for name in ("service", "operator")]
        stack.push_async_callback(service.close)
        stack.push_async_callback(operator.close)
        for config in made:
            assert "error" not in await api(service, f"STREAM.CREATE.{config['name']}", config)
        settings = deployed.environment("missionops", server, database) | environment
        serving = place.start("serve", **settings, MISSIONOPS_HTTP_PORT="0")
        stack.callback(serving.stop)
        serving.said("missionops serves")
        yield Production(serving, server, service, operator)


@asynccontextmanager
async def new_database(place: Place, up: Up) -> AsyncIterator[str]:
    """A database with its roles and schema; the address of a superuser."""
    postgres = await asyncpg.connect(up.database)
    await postgres.execute("CREATE DATABASE letters")
    try:
        database = up.database.replace("/missionops?", "/letters?")
        deployed.make_roles(database)
        migrator = deployed.environment("migrate", None, database)
        assert place.run("migrate", **migrator).code == 0
        yield database
    finally:
        await postgres.execute("DROP DATABASE letters WITH (FORCE)")
        await postgres.close()


async def connected_as(server: Nats, name: str) -> Client:
    user = server.user(name)
    return await nats.connect(
        server.url, user=name, password=user["MISSIONOPS_NATS_PASSWORD"], inbox_prefix=f"_INBOX.{name}"
    )


async def test_one_message_does_not_fill_a_small_account(place: Place, up: Up) -> None:
    small = {"max_file: 20GB": "max_file: 400MB"}
    async with production(place, up, small, MISSIONOPS_TELEMETRY_MAX_BYTES=str(100 << 20)) as found:
        told = await watch_limits(found.operator, "SC-002")
        for second in range(3):
            await send(found.service, "SC-001", BAD, LARGE_HEADERS)
            await send_anomaly(found.service, "SC-002", second)
            await told.next_msg(timeout=installed.busy(SECONDS))
        shown = (await found.health())["streams"]["DEADLETTERS"]
        # There was no room for the default: it says so, and what it has instead.
        assert 8 << 20 <= shown["maxBytes"] < 400 << 20
        assert f"the stream DEADLETTERS: it may hold {shown['maxBytes']} bytes" in found.serving.err


async def test_a_stream_without_a_bound_that_fills_the_account_does_not_stop_the_fleet(place: Place, up: Up) -> None:
    """It is of an earlier version, and not changed; when JetStream has no room, who holds the most makes some."""
    unbounded = {
        "name": "DEADLETTERS", "subjects": ["deadletters.telemetry.*"], "retention": "limits", "discard": "old",
        "max_age": 30 * 86_400 * 10**9, "storage": "file", "allow_direct": True, "allow_atomic": True,
    }  # fmt: skip
    small, sizes = {"max_file: 20GB": "max_file: 64MB"}, {"TELEMETRY": 16 << 20, "OUTGOING": 16 << 20}
    given = {f"MISSIONOPS_{name}_MAX_BYTES": str(size) for name, size in sizes.items()}
    async with production(place, up, small, unbounded, **given) as found:
        health = await found.health()
        assert health["status"] == "ready"
        assert health["streams"]["DEADLETTERS"]["maxBytes"] is None
        assert any("DEADLETTERS has no max_bytes" in warning for warning in health["warnings"])
        assert found.serving.err.count("DEADLETTERS has no max_bytes") == 1
        for _ in range(HELD):
            reply = await found.service.request("deadletters.telemetry.SC-001", bytes(1_000_000), timeout=5)
            assert b"error" not in reply.data
        told = await watch_limits(found.operator, "SC-002")
        await send(found.service, "SC-002", b"a letter that stays")
        await send(found.service, "SC-003", BAD, LARGE_HEADERS)
        await send_anomaly(found.service, "SC-002")
        await told.next_msg(timeout=installed.busy(SECONDS))

        held = (await state(found.service, "DEADLETTERS"))["subjects"]
        assert held["deadletters.telemetry.SC-001"] < HELD
        assert (held["deadletters.telemetry.SC-002"], held["deadletters.telemetry.SC-003"]) == (1, ITEMS)
        health = await found.health()
        assert health["status"] == "ready", health
        purged = HELD - held["deadletters.telemetry.SC-001"]
        assert health["streams"]["DEADLETTERS"]["dropped"] == health["streams"]["DEADLETTERS"]["purged"] == purged
        assert any("had no more room" in warning and "SC-001" in warning for warning in health["warnings"])


async def test_what_is_more_than_eight_megabytes_is_one_letter_that_can_be_replayed(place: Place, up: Up) -> None:
    """Where the server takes messages so large."""
    items = [b'{"n":%04d,"text":"%s"}' % (number, b"x" * 500) for number in range(ITEMS)]
    async with production(place, up, {"max_payload: 1MB": "max_payload: 8MB"}) as found:
        told = await watch_limits(found.operator, "SC-002")
        await send(found.service, "SC-001", b"[" + b",".join(items) + b"]", LARGE_HEADERS)
        await send_anomaly(found.service, "SC-002")
        await told.next_msg(timeout=installed.busy(SECONDS))

        count, size = (await state(found.service, "DEADLETTERS"))["messages"], 0
        assert 1_000 < count < ITEMS
        async for headers, body in letters(found.service):
            size += len(body) + sum(len(name) + len(value) + 4 for name, value in headers.items())
            if "Missionops-Items" not in headers:
                assert body == items[int(headers["Missionops-Item"])]
        assert size <= BOUND
        left = items[int(headers["Missionops-Item"]) :]
        assert len(left) == int(headers["Missionops-Items"]) == ITEMS - count + 1
        assert body == b"[" + b",".join(left) + b"]"
        assert len(headers["Missionops-Error"]) <= 128

        done = await asyncio.to_thread(place.run, "dead-letters", "replay", str(count), **found.nats.user("operator"))
        assert done.code == 0, done.err
        # It goes, and each of its items is a letter again, as bad as it was.
        await until_dead_letters(found.service, count - 1 + len(left))


async def letters(client: Client) -> AsyncIterator[tuple[dict[str, str], bytes]]:
    """Headers and bodies in DEADLETTERS, in order."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    request: dict[str, object] = {"seq": 1, "batch": 1_000, "max_bytes": 4 << 20}
    more = True
    while more:
        await client.publish("$JS.API.DIRECT.GET.DEADLETTERS", json.dumps(request).encode(), inbox)
        more = False
        while "Nats-Sequence" in (headers := (message := await subscription.next_msg(PATIENCE)).headers or {}):
            own = {name: value for name, value in headers.items() if name not in _OF_THE_ANSWER}
            request["seq"], more = int(headers["Nats-Sequence"]) + 1, True
            yield own, message.data
    await subscription.unsubscribe()


_OF_THE_ANSWER = {"Nats-Sequence", "Nats-Stream", "Nats-Subject", "Nats-Time-Stamp", "Nats-Num-Pending",
                  "Nats-Last-Sequence", "Nats-UpTo-Sequence"}  # fmt: skip


async def until_dead_letters(client: Client, count: int) -> None:
    async def are_there() -> bool:
        return int((await state(client, "DEADLETTERS"))["messages"]) == count

    await until_async(are_there, f"{count} dead letters")
