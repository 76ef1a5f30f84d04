"""Who publishes and who asks over NATS: one user's messages and requests reach nothing that is another's.

NATS does not check the reply subject that a user names, and nothing that is answered there may count: user by user,
subject by subject and reply by reply, with the files of a deployment.
"""

import asyncio
import base64
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import asyncpg
import nats
import pytest
from nats.aio.client import Client

from tests.system import deployed, installed
from tests.system.deployed import Nats
from tests.system.installed import Place, Up
from tests.wait import PATIENCE, until, until_async

STREAMS = ("TELEMETRY", "ANOMALIES", "EVENTS", "DEADLETTERS")
CONFIG = b'{"parameters": {"t": {"critHigh": 1}}}'

REPLIES = (
    "missionops.config.set.SC-002",
    "missionops.spacecraft.register.NEW",
    "telemetry.SC-002",
    "anomalies.SC-002",
    "events.SC-002",
    "events._fleet",
    "deadletters.telemetry.SC-002",
    "deadletters.telemetry._unknown",
    *(f"$JS.API.STREAM.PURGE.{stream}" for stream in STREAMS),
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.MSG.DELETE.ANOMALIES",
    "$JS.API.CONSUMER.DELETE.TELEMETRY.missionops-0",
    "$JS.API.CONSUMER.RESET.TELEMETRY.missionops-0",
    "$JS.API.CONSUMER.MSG.NEXT.TELEMETRY.missionops-0",
    "$SRV.PING",
)
RESERVED = ("$JS.ACK.TELEMETRY.missionops-0.1.1.1.1.0", "_R_.mine.mine")
"""What the server takes from nobody as a reply subject."""


class Mission(NamedTuple):
    """A deployment with two spacecraft; the service has stored something of each."""

    nats: Nats
    log: installed.Running
    operator: Client
    service: Client


def with_another_spacecraft(config: str) -> str:
    """With SC-002 beside SC-001, copied as the file says."""
    found = re.search(r"(?ms)^  SC-001 \{.*?^  \}\n", config)
    assert found
    return config.replace(found[0], found[0] + found[0].replace("SC-001", "SC-002").replace("SC_001", "SC_002"))


async def connect(server: Nats, user: str, said: list[str] | None = None) -> Client:
    async def hear(error: Exception) -> None:
        if said is not None:
            said.append(str(error))

    password = "72" if user == "SC-002" else server.user(user)["MISSIONOPS_NATS_PASSWORD"]
    return await nats.connect(server.url, user=user, password=password, inbox_prefix=f"_INBOX.{user}", error_cb=hear)


@asynccontextmanager
async def serving(place: Place, database: str, *, syncs: bool) -> AsyncIterator[Mission]:
    def change(config: str) -> str:
        config = with_another_spacecraft(config)
        return config if syncs else config.replace("sync_interval: always", 'sync_interval: "1s"')

    with deployed.nats_server(place.root, change=change, NATS_SC_002_PASSWORD="72") as server:  # noqa: S106
        assert place.run("migrate", **deployed.environment("migrate", None, database)).code == 0
        given = deployed.environment("missionops", server, database) | {"MISSIONOPS_HTTP_PORT": "0"}
        service = place.start("serve", **given)
        service.said("missionops serves")
        operator, own = await connect(server, "operator"), await connect(server, "service")
        for name in ("SC-001", "SC-002"):
            await ask(operator, f"missionops.config.set.{name}", CONFIG)
            client = await connect(server, name)
            for minute, value in enumerate((0, 2)):
                await client.jetstream().publish(f"telemetry.{name}", snapshot(minute, value))
            await client.jetstream().publish(f"telemetry.{name}", b"no snapshot")
            await client.close()
            await stored(operator, name, 2)
        await told(own)
        yield Mission(server, service, operator, own)
        for client in (operator, own):
            await client.close()
        assert service.stop().code == 0


@pytest.fixture
async def database(up: Up) -> AsyncIterator[str]:
    connection = await asyncpg.connect(up.database)
    await connection.execute("CREATE DATABASE replies")
    found = up.database.replace("/missionops?", "/replies?")
    deployed.make_roles(found)
    yield found
    await connection.execute("DROP DATABASE replies WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def mission(place: Place, database: str) -> AsyncIterator[Mission]:
    async with serving(place, database, syncs=True) as found:
        yield found


def snapshot(minute: int, value: float, day: int = 1) -> bytes:
    at = f"2025-01-{day:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z"
    return json.dumps({"timestamp": at, "parameters": {"t": value}}).encode()


async def ask(client: Client, subject: str, body: bytes = b"") -> Any:
    return json.loads((await client.request(subject, body, timeout=10)).data)


async def told(service: Client) -> None:
    """Wait until of two spacecraft the anomaly, the event of the config and the dead letter are in their streams."""
    for stream in STREAMS[1:]:

        async def are_there(stream: str = stream) -> bool:
            return int((await ask(service, f"$JS.API.STREAM.INFO.{stream}"))["state"]["messages"]) >= 2

        await until_async(are_there, f"two messages in {stream}")


async def stored(operator: Client, spacecraft: str, count: int) -> None:
    """Wait until so many snapshots of a spacecraft are stored."""

    async def are_stored() -> bool:
        return len(await ask(operator, f"missionops.telemetry.list.{spacecraft}", b'{"limit": 1000}')) >= count

    await until_async(are_stored, f"{count} snapshots of {spacecraft}")


async def held(mission: Mission) -> dict[str, Any]:
    """What the streams and the tables hold, but for the telemetry of SC-001."""
    found: dict[str, Any] = {}
    for stream in STREAMS:
        info = await ask(mission.service, f"$JS.API.STREAM.INFO.{stream}", b'{"subjects_filter": ">"}')
        state = info["state"]
        subjects = {name: count for name, count in state["subjects"].items() if not name.endswith(".SC-001")}
        found[stream] = state["first_seq"], state.get("num_deleted", 0), subjects
        if stream != "TELEMETRY":
            found[f"{stream} whole"] = state["last_seq"], state["subjects"]
    for name in ("SC-001", "SC-002"):
        for operation in ("config.get", "events.list", "anomalies.list", "spacecraft.get"):
            found[f"{operation} {name}"] = await ask(mission.operator, f"missionops.{operation}.{name}")
    found["telemetry of SC-002"] = await ask(mission.operator, "missionops.telemetry.list.SC-002")
    found["spacecraft"] = await ask(mission.operator, "missionops.spacecraft.list")
    found["fleet"] = await ask(mission.operator, "missionops.events.list._fleet")
    found["epoch"] = (await ask(mission.operator, "missionops.health"))["ingest"]["epoch"]
    return found


def listed(role: str) -> Sequence[str]:
    """What a role may publish to, as its list in the configuration says."""
    text = re.sub(r"\s#.*", "", (deployed.FILES / "nats-roles.conf").read_text())
    section = text.partition(f"{role} = {{")[2].partition("\n}")[0]
    found = re.findall(r'"([^"]+)"', section.partition("publish: [")[2].partition("]")[0])
    assert found
    return found


def spelled_out(allowed: str, requests: Sequence[str]) -> Iterator[str]:
    """The subjects that a pattern stands for."""
    if allowed == "missionops.>":
        yield from (subject.replace("*", "SC-001") for subject in requests)
    elif allowed == "$SRV.>":
        yield from ("$SRV.PING", "$SRV.INFO.missionops", "$SRV.STATS.missionops")
    elif allowed == "$JS.API.CONSUMER.INFO.*.*":
        yield "$JS.API.CONSUMER.INFO.TELEMETRY.missionops-0"
    elif allowed.startswith("$JS.API."):
        for stream in STREAMS:
            yield allowed.replace("*", stream).replace(">", stream)
    else:
        yield allowed.replace("*", "SC-001")


async def may_publish(mission: Mission, user: str) -> Sequence[str]:
    info = await ask(mission.operator, "$SRV.INFO.missionops")
    requests = [endpoint["subject"] for endpoint in info["endpoints"]]
    roles = {"operator": "OPERATOR_MAY", "auditor": "AUDITOR_MAY"}
    allowed = listed(roles[user]) if user in roles else [f"telemetry.{user}"]
    subjects = dict.fromkeys(subject for pattern in allowed for subject in spelled_out(pattern, requests))
    assert len(subjects) >= (20 if user in roles else 1)
    return list(subjects)


class Body:
    """What to say on a subject so that it is answered, and changes nothing by itself."""

    def __init__(self) -> None:
        self.snapshots = 0

    def on(self, subject: str) -> bytes:
        if subject.startswith("telemetry."):
            self.snapshots += 1
            return snapshot(self.snapshots, 0, day=2)
        if subject.startswith("$JS.API.STREAM.MSG.DELETE."):
            return b'{"seq": 999999}'
        if subject.startswith("$JS.API."):
            return b'{"seq": 1}'
        reads = (".get.", ".list.", ".status.", ".health", ".list", ".search")
        return b"" if any(read in subject for read in reads) else b"no JSON"


@pytest.mark.parametrize("user", ["SC-001", "operator", "auditor"])
async def test_no_user_reaches_anything_by_the_reply_subject_that_he_names(mission: Mission, user: str) -> None:
    before = await held(mission)
    said: list[str] = []
    client = await connect(mission.nats, user, said)
    body = Body()
    for subject in await may_publish(mission, user):
        for reply in REPLIES:
            await client.publish(subject, body.on(subject), reply)
        await client.flush()
    # What was answered is through once a snapshot that comes after it is stored.
    publisher = await connect(mission.nats, "SC-001")
    await publisher.jetstream().publish("telemetry.SC-001", snapshot(0, 0, day=3))
    await stored(mission.operator, "SC-001", 3 + body.snapshots)
    assert await held(mission) == before
    assert said == []
    assert "Traceback" not in mission.log.err
    for used in (client, publisher):
        await used.close()


@pytest.mark.parametrize("user", ["SC-001", "operator", "service"])
async def test_the_server_takes_its_own_reply_subjects_from_nobody(place: Place, user: str) -> None:
    """By `_R_.` the service knows that a request came from another account, and that the server wrote who asks."""
    with deployed.nats_server(place.root) as server:
        said: list[str] = []
        client = await connect(server, user, said)
        for reply in RESERVED:
            await client.publish("telemetry.SC-001", b"", reply)
        await until_async(lambda: len(said) >= len(RESERVED), "as many refusals")
        assert all("publish with reply of" in text for text in said)
        await client.close()


async def test_what_has_no_reply_subject_is_no_request(up: Up) -> None:
    """The same where no accounts separate who publishes from the service, as with `up`."""
    client = await nats.connect(up.nats)
    before = await ask(client, "missionops.config.set.REPLY-1", CONFIG)
    for reply in ("missionops.config.set.REPLY-1", "missionops.spacecraft.register.REPLY-2"):
        await client.publish("telemetry.REPLY-3", snapshot(0, 0), reply)
        await client.publish("$JS.API.INFO", b"", reply)
        await client.publish(reply, b'{"parameters": {}}')  # forgotten, or thought unnecessary
    await client.jetstream().publish("telemetry.REPLY-3", snapshot(1, 0))
    await stored(client, "REPLY-3", 2)
    before.pop("warnings", None)
    assert await ask(client, "missionops.config.get.REPLY-1") == before
    assert "error" in await ask(client, "missionops.spacecraft.get.REPLY-2")
    assert "messages without a reply subject" in up.err
    await client.close()


FORGED = b'{"acc":"FORGED","user":"forged"}'
BLOCKS = (
    b"NATS/1.0\r\nNats-Request-Info: " + FORGED + b"\r\n\r\n",
    b"NATS/1.0\r\n Nats-Request-Info : " + FORGED + b"\r\nA: b\r\n\r\n",
    b"NATS/1.0\r\nnats-request-info: " + FORGED + b"\r\n\r\n",
    # Without the empty line at its end the server's own line is joined to what stands there.
    b"NATS/1.0\r\n Nats-Request-Info: " + FORGED + b"\r\nA: xx",
    b"NATS/1.0\r\nA: x\r\n Nats-Request-Info: " + FORGED + b"\r\nA: xx",
    b"NATS/1.0\r\n Nats-Request-Info: " + FORGED + b"\r\n\xff\xffxx",
)


async def publish_raw(url: str, login: dict[str, str], subject: str, block: bytes, body: bytes) -> None:
    """Publish with a header block that no library would send."""
    host, _, port = url.removeprefix("nats://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"CONNECT " + json.dumps({"verbose": False, "headers": True, **login}).encode() + b"\r\n")
    sizes = f"{len(block)} {len(block) + len(body)}"
    writer.write(f"HPUB {subject} _INBOX.operator.raw {sizes}\r\n".encode() + block + body + b"\r\nPING\r\n")
    async with asyncio.timeout(PATIENCE):
        while (line := await reader.readline()) != b"PONG\r\n":
            assert line.startswith(b"INFO"), line
    writer.close()
    await writer.wait_closed()


async def authors(client: Client, spacecraft: str, count: int) -> set[str]:
    """Who changed the config of a spacecraft, once so many changes are in the audit."""

    async def found() -> list[Any] | None:
        events: list[Any] = await ask(client, f"missionops.events.list.{spacecraft}", b'{"limit": 1000}')
        return events if len(events) >= count else None

    events = await until_async(found, f"{count} events of {spacecraft}")
    return {event["metadata"]["by"] for event in events}


async def test_the_audit_says_which_user_asked(mission: Mission) -> None:
    password = deployed.PASSWORDS["NATS_OPERATOR_PASSWORD"]
    for number, block in enumerate(BLOCKS):
        login = {"user": "operator", "pass": password}
        body = json.dumps({"n": number}).encode()
        await publish_raw(mission.nats.url, login, "missionops.config.set.AUDIT-1", block, body)
    by = await authors(mission.operator, "AUDIT-1", len(BLOCKS))
    assert by == {"nats:OPERATORS/operator@127.0.0.1", "nats"}


async def test_nobody_in_the_services_own_account_says_who_asked(up: Up) -> None:
    client = await nats.connect(up.nats)
    for number, block in enumerate(BLOCKS):
        await publish_raw(up.nats, {}, "missionops.config.set.AUDIT-2", block, json.dumps({"n": number}).encode())
    assert await authors(client, "AUDIT-2", len(BLOCKS)) == {"nats"}
    await client.close()


async def flood(client: Client, reply: str, until: asyncio.Event) -> int:
    """Publish valid telemetry with this reply subject, about 1,500 a second; returns how many."""
    sent, began = 0, time.monotonic()
    while not until.is_set():
        while sent < 1500 * (time.monotonic() - began):
            body = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"a": sent}}
            await client.publish("telemetry.FLOOD-1", json.dumps(body).encode(), reply)
            sent += 1
        await asyncio.sleep(0)  # evenly: a pause would let everybody through
    await client.flush()
    return sent


async def anomalies(client: Client, spacecraft: str) -> list[str]:
    """The ids of the anomalies of a spacecraft in the stream, which others have written to as well."""
    subject, sequence, found = f"anomalies.{spacecraft}", 1, []
    while "error" not in (reply := await next_anomaly(client, subject, sequence)):
        sequence = reply["message"]["seq"] + 1
        found.append(json.loads(base64.b64decode(reply["message"]["data"])))
    return [body["id"] for body in found if "id" in body]


async def next_anomaly(client: Client, subject: str, sequence: int) -> Any:
    request = {"seq": sequence, "next_by_subj": subject}
    return await ask(client, "$JS.API.STREAM.MSG.GET.ANOMALIES", json.dumps(request).encode())


async def test_a_flood_of_odd_reply_subjects_costs_nobody_his_anomalies(place: Place) -> None:
    """Where no accounts keep the acknowledgements out of the stream, as with `up`."""
    up = place.up("--ephemeral")
    client, hostile = await nats.connect(up.nats), await nats.connect(up.nats)
    await ask(client, "missionops.config.set.FLOOD-2", CONFIG)
    is_over = asyncio.Event()
    flooding = asyncio.create_task(flood(hostile, "anomalies.FLOOD-2", is_over))
    epoch = (await ask(client, "missionops.health"))["ingest"]["epoch"]
    for minute in range(50):
        await client.jetstream().publish("telemetry.FLOOD-2", snapshot(minute, 2))

    async def all_are_found() -> bool:
        return bool((await ask(client, "missionops.health"))["ingest"]["anomalies"].get("HIGH") == 50)

    await until_async(all_are_found, "50 anomalies", installed.busy(20))
    is_over.set()
    assert await flooding > 0
    health = await ask(client, "missionops.health")
    assert (health["ingest"]["epoch"], health["status"]) == (epoch, "ready")
    ids = await anomalies(client, "FLOOD-2")
    assert (len(ids), len(set(ids))) == (50, 50)
    assert up.err.count("it is not known whether") < 20
    for used in (client, hostile):
        await used.close()


async def test_two_spacecraft_may_number_their_messages(mission: Mission) -> None:
    """The stream drops a repeated Nats-Msg-Id of whichever spacecraft, and for as short as the server can."""
    info = await ask(mission.service, "$JS.API.STREAM.INFO.TELEMETRY")
    assert info["config"]["duplicate_window"] == 100_000_000
    clients = {name: await connect(mission.nats, name) for name in ("SC-001", "SC-002")}
    for minute in range(2, 5):
        for name, client in clients.items():
            publish = partial(client.jetstream().publish, f"telemetry.{name}", snapshot(minute, 0))

            async def is_taken(publish: Any = publish, name: str = str(minute)) -> bool:
                return not (await publish(headers={"Nats-Msg-Id": name})).duplicate

            await until_async(is_taken, "the end of the deduplication window", installed.busy(5))
    for name, client in clients.items():
        await stored(mission.operator, name, 5)
        await client.close()


async def test_a_stream_that_drops_repeats_for_longer_is_told(place: Place) -> None:
    first = place.up("--data-dir", "data")
    client = await nats.connect(first.nats)
    config = (await ask(client, "$JS.API.STREAM.INFO.TELEMETRY"))["config"] | {"duplicate_window": 120_000_000_000}
    assert "error" not in await ask(client, "$JS.API.STREAM.UPDATE.TELEMETRY", json.dumps(config).encode())
    await client.close()
    assert "drops a Nats-Msg-Id" not in first.err
    assert first.stop().code == 0
    second = place.up("--data-dir", "data")
    assert "the stream TELEMETRY drops a Nats-Msg-Id that comes again within 120 s" in second.err
    assert installed.get(f"{second.http}/health/ready")[0] == 200


def has_reloaded(server: Nats, times: int) -> bool:
    return server.log.read_text().count("Reloaded server conf") == times


async def test_a_spacecraft_is_added_by_copying_its_account_and_two_reloads(place: Place) -> None:
    with deployed.nats_server(place.root, NATS_SC_002_PASSWORD="72") as server:  # noqa: S106
        service = await connect(server, "service")
        stream = {"name": "TELEMETRY", "subjects": ["telemetry.*"]}
        await ask(service, "$JS.API.STREAM.CREATE.TELEMETRY", json.dumps(stream).encode())
        server.config.write_text(with_another_spacecraft(server.config.read_text()))
        for count in (1, 2):
            os.kill(server.pid, signal.SIGHUP)
            until(partial(has_reloaded, server, count), "the reload")
        one, two = await connect(server, "SC-001"), await connect(server, "SC-002")
        for client, own, other in ((one, "SC-001", "SC-002"), (two, "SC-002", "SC-001")):
            assert (await client.jetstream().publish(f"telemetry.{own}", b"")).stream == "TELEMETRY"
            with pytest.raises(nats.errors.TimeoutError):
                await client.request(f"telemetry.{other}", b"", timeout=0.1)
        for client in (service, one, two):
            await client.close()
