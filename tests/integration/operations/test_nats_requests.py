"""Requests over NATS, as subscribers of the FastStream application; see broker/test_faststream.py."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
import nats.errors
import pytest
from faststream import FastStream
from faststream.nats.publisher.usecase import LogicPublisher
from nats.aio.client import Client

from missionops import app
from missionops.app import Service
from missionops.broker import connection, streams
from missionops.broker.client import GuardedClient
from missionops.http.docs import asyncapi
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.status import IngestStatus
from missionops.operations.registry import OPERATIONS
from missionops.settings import Settings
from publishers import channels
from subscribers.discovery import DiscoveryRouter
from subscribers.requests import RequestRouter
from subscribers.telemetry.worker import PartitionWorker, TelemetryRouter
from tests.wait import PATIENCE, until_async

MANY = 150  # more than are answered at once
SUBJECT = "missionops.config.set.SC-{:03}"


@asynccontextmanager
async def locked(database: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    """Nobody else writes a config."""
    async with database.transaction():
        await database.execute("LOCK TABLE app.config IN ACCESS EXCLUSIVE MODE")
        yield


async def until_waiting(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Until a request waits for the lock."""

    async def waits() -> bool:
        await database.execute("SELECT pg_stat_clear_snapshot()")  # which a transaction keeps
        return bool(await database.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

    await until_async(waits, "a request that waits for the lock")


async def until_unheard(client: Client) -> None:
    """Until NATS says that nobody takes requests."""

    async def is_unheard() -> bool:
        try:
            await client.request("missionops.spacecraft.get.SC-001", b"", timeout=0.1)
        except nats.errors.NoRespondersError:
            return True
        return False

    # A request that times out waits behind the others.
    await until_async(is_unheard, "an answer that nobody takes requests", 10, ignore=(nats.errors.TimeoutError,))


async def test_all_that_have_come_are_answered_before_it_stops(settings: Settings, client: Client, database):
    """Those that wait for room, too; and whoever comes then is told so at once."""
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(app.running(settings))
        await service.until_ready()
        async with locked(database):
            asked = [asyncio.create_task(client.request(SUBJECT.format(n), b"{}", timeout=10)) for n in range(MANY)]
            await until_waiting(database)
            stopping = asyncio.create_task(stack.aclose())
            await until_unheard(client)
            assert not any(reply.done() for reply in asked)
        replies = await asyncio.gather(*asked)
        await stopping
    assert {json.loads(reply.data).get("version") for reply in replies} == {1}


async def test_what_has_no_reply_subject_is_not_acted_on(service: Service, client: Client, database):
    await client.publish("missionops.config.set.SC-001", b"{}")
    # An acknowledgement of the stream, which its publisher has sent there.
    await client.publish("telemetry.SC-002", b"[]", reply="missionops.config.set.SC-002")
    await client.publish("telemetry.SC-003", b"[]", reply="missionops.spacecraft.register.SC-003")
    await client.flush()
    await client.request("missionops.config.set.SC-004", b"{}", timeout=5)
    assert [row[0] for row in await database.fetch("SELECT spacecraft_id FROM app.config")] == ["SC-004"]
    known = await database.fetch("SELECT spacecraft_id FROM app.spacecraft")
    assert [row[0] for row in known] == ["SC-004"]
    assert (await statistics(client))["config.set"]["num_requests"] == 1


async def test_no_response_goes_to_a_stream_of_the_service(service: Service, client: Client, database):
    """A client that may not publish there could have the service do it: its request is not handled."""
    subjects = [subject.replace("*", "SC-001") for subject in streams.OUTGOING.values()]
    answered = [await client.subscribe(subject) for subject in subjects]
    for number, subject in enumerate(subjects):
        await client.publish(f"missionops.config.set.SC-{number}", b"{}", reply=subject)
    await client.flush()
    await client.request("missionops.config.set.SC-004", b"{}", timeout=5)
    assert [row[0] for row in await database.fetch("SELECT spacecraft_id FROM app.config")] == ["SC-004"]
    assert [one.pending_msgs for one in answered] == [0, 0, 0, 0]


HEADERS = {
    "no version": b"garbage\r\n\r\n",
    "no UTF-8 in the status": b"NATS/1.0 \xff\r\n\r\n",
    "no UTF-8 in a value": b"NATS/1.0\r\ncorrelation_id: \xff\xfe\r\n\r\n",
    "a long correlation id": b"NATS/1.0\r\ncorrelation_id: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "a correlation id that is not ASCII": "NATS/1.0\r\ncorrelation_id: é\u2028\r\n\r\n".encode(),
    "a type that it has not": b"NATS/1.0\r\ncontent-type: application/msgpack; \x00\r\n\r\n",
    "FastStream's own": b"NATS/1.0\r\nreply_to: elsewhere\r\nmessage_id: \x01\r\n\r\n",
}


@pytest.mark.shared_service
@pytest.mark.parametrize("block", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("subject", ["missionops.spacecraft.list", "missionops.config.get.SC-001", "$SRV.PING"])
async def test_a_request_is_answered_whatever_its_headers_are(
    service: Service, client: Client, nats_url: str, block: bytes, subject: str
):
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    await client.flush()
    host = urlsplit(nats_url)
    _, writer = await asyncio.open_connection(host.hostname, host.port)
    request = f"HPUB {subject} {inbox} {len(block)} {len(block)}\r\n".encode() + block
    writer.write(b'CONNECT {"headers":true,"verbose":false}\r\n' + request + b"\r\n")
    assert json.loads((await answers.next_msg(PATIENCE)).data)
    writer.close()
    await writer.wait_closed()


async def test_an_answer_says_its_type_and_what_it_belongs_to(service: Service, client: Client):
    given = {"correlation_id": "abc-1", "content-type": "text/plain"}
    reply = await client.request("missionops.spacecraft.list", b"", timeout=5, headers=given)
    assert reply.headers == {"content-type": "application/json", "correlation_id": "abc-1"}
    refused = await client.request("missionops.config.get.NOBODY", b"", timeout=5, headers=given)
    errors = {"Nats-Service-Error": "Config not found", "Nats-Service-Error-Code": "404"}
    assert refused.headers == reply.headers | errors


# Service discovery.


async def statistics(client: Client) -> dict[str, Any]:
    """What `$SRV.STATS` says, by operation."""
    said = json.loads((await client.request("$SRV.STATS.missionops", b"", timeout=5)).data)
    assert said["type"] == "io.nats.micro.v1.stats_response"
    return {endpoint["name"].replace("-", "."): endpoint for endpoint in said["endpoints"]}


async def test_the_statistics_are_true(service: Service, client: Client, database):
    for name in ("SC-001", "SC-001", "NOBODY"):
        await client.request(f"missionops.spacecraft.register.{name}", b"{}", timeout=5)
    await client.request("missionops.config.get.NOBODY", b"", timeout=5)
    await client.request("missionops.config.set.NOBODY", b"{}", timeout=5)
    await client.request("missionops.config.get.NOBODY", b"", timeout=5)
    await client.request("missionops.config.get.NOBODY", b"{", timeout=5)
    found = await statistics(client)
    assert {name: endpoint["subject"] for name, endpoint in found.items()} == {
        operation.name: operation.subject for operation in OPERATIONS
    }
    counted = {name: (one["num_requests"], one["num_errors"]) for name, one in found.items() if one["num_requests"]}
    assert counted == {"spacecraft.register": (3, 0), "config.get": (3, 2), "config.set": (1, 0)}
    assert found["config.get"]["last_error"].startswith("400:body is not JSON")
    for endpoint in found.values():
        requests, time = endpoint["num_requests"], endpoint["processing_time"]
        assert endpoint["average_processing_time"] == (time // requests if requests else 0)
        assert bool(time) == bool(requests)


async def test_what_can_be_asked_for_is_described(service: Service, client: Client):
    said = json.loads((await client.request("$SRV.INFO", b"", timeout=5)).data)
    assert (said["type"], said["name"]) == ("io.nats.micro.v1.info_response", "missionops")
    found = {endpoint["subject"]: endpoint for endpoint in said["endpoints"]}
    assert list(found) == [operation.subject for operation in OPERATIONS]
    assert {endpoint["queue_group"] for endpoint in found.values()} == {"missionops"}
    listed = found["missionops.telemetry.list.*"]["metadata"]
    assert set(listed) == {"summary", "request", "reply"}
    (request,) = json.loads(listed["request"])["$defs"].values()
    assert request["properties"]["limit"]["maximum"] == 1000


async def test_every_instance_answers_for_itself(settings: Settings, client: Client):
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)

    async def pinged(subject: str, count: int) -> list[str]:
        await client.publish(subject, b"", reply=inbox)
        return [json.loads((await answers.next_msg(PATIENCE)).data)["id"] for _ in range(count)]

    async with app.running(settings) as service:
        await service.until_ready()
        async with app.running(settings):
            both = await pinged("$SRV.PING.missionops", 2)
            assert len(set(both)) == 2
            for one in both:
                assert await pinged(f"$SRV.PING.missionops.{one}", 1) == [one]
        assert set(await pinged("$SRV.PING", 1)) < set(both)


# What the application shows.


async def test_everything_that_listens_is_in_the_brokers_list(settings: Settings):
    """And the AsyncAPI document has the same subjects."""
    client = GuardedClient()
    requests = RequestRouter(client, None)  # type: ignore[arg-type] # nobody asks
    made = connection.make(client, settings, lambda: None, lambda _: None)
    telemetry = PartitionWorker(client, "nobody", settings, IngestStatus(), LimitsCache())
    made.include_routers(requests, DiscoveryRouter(requests.statistics), TelemetryRouter(telemetry))
    channels.declare(made)
    FastStream(made, logger=None)
    heard = {subscriber.get_log_context(None)["subject"] for subscriber in made.subscribers}
    assert "telemetry.>" in heard  # so that a subject that names no spacecraft is not lost; no document invites to it
    heard = heard - {"telemetry.>"} | {"telemetry.*"}
    discovery = {subject for subject in heard if subject.startswith("$SRV.")}
    assert len(discovery) == 9
    published = {publisher.subject.template for publisher in made.publishers if isinstance(publisher, LogicPublisher)}
    document = msgspec.json.decode(msgspec.json.encode(asyncapi.document(OPERATIONS)))
    addresses = {name: channel["address"] for name, channel in document["channels"].items()}
    described: dict[str, set[str]] = {"receive": set(), "send": set()}
    for operation in document["operations"].values():
        address = addresses[operation["channel"]["$ref"].rpartition("/")[2]]
        described[operation["action"]].add(address.replace("{spacecraftId}", "*"))
    assert described == {"receive": heard - discovery, "send": published}


async def test_each_request_is_logged_for_those_who_ask_for_it(
    service: Service, client: Client, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level("DEBUG", "subscribers.middlewares"):
        await client.request("missionops.spacecraft.list", b"", timeout=5)
        await client.request("missionops.config.get.NOBODY", b"", timeout=5)
    said = [
        record.message.partition(" in ")[0] for record in caplog.records if record.name == "subscribers.middlewares"
    ]
    assert said == ["missionops.spacecraft.list: 200", "missionops.config.get.NOBODY: 404"]
