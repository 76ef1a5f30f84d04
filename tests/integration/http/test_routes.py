"""HTTP as any client sees it: the contract's routes, statuses and errors."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from nats.aio.client import Client
from prometheus_client.parser import text_string_to_metric_families

from missionops import app
from missionops.app import Service
from missionops.broker import jetstream
from missionops.http import request_body as bodies
from missionops.operations import dispatch
from missionops.settings import Settings
from tests.system import installed
from tests.wait import PATIENCE, until_async

AT = "2025-01-01T00:00:00Z"
JSON = {"content-type": "application/json"}
SNAPSHOT = {"spacecraftId": "SC-001", "timestamp": AT, "parameters": {"temp": 42, "mode": "CRUISE"}}


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as client:
        yield client


def paths(response: httpx.Response) -> list[str]:
    """The paths of the faults in an error."""
    return [detail["path"] for detail in response.json()["error"]["details"]]


async def in_stream(client: Client) -> int:
    """How many messages the stream of telemetry has had."""
    info = await client.jetstream().stream_info("TELEMETRY")
    return int(info.state.last_seq)


async def test_the_examples_for_curl_work_as_written(http: httpx.AsyncClient):
    config = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}

    absent = await http.get("/spacecraft/SC-001/config")
    assert absent.status_code == 404
    assert absent.json() == {"error": {"code": "not_found", "message": "Config not found", "details": []}}

    taken = await http.post(
        "/telemetry",
        headers=JSON,
        content='{"spacecraftId":"SC-001","timestamp":"2025-01-01T00:00:00Z","parameters":{"temp":42,"mode":"CRUISE"}}',
    )
    assert taken.status_code == 201
    assert list(taken.json()) == ["id"]

    put = await http.put(
        "/spacecraft/SC-001/config",
        headers=JSON,
        content='{"parameters":{"temp":{"warnHigh":45,"critHigh":70}}}',
    )
    assert put.status_code == 200
    assert put.json()["config"] == config

    analyzed = await http.get("/telemetry/analyze?spacecraftId=SC-001&limit=5")
    assert (analyzed.status_code, analyzed.json()) == (200, [])
    assert analyzed.headers["content-type"] == "application/json"

    got = await http.get("/spacecraft/SC-001/config")
    assert (got.status_code, got.json() | {"warnings": []}) == (200, put.json())


async def test_created_means_that_a_query_shows_it(http: httpx.AsyncClient):
    async def take(second: int) -> None:
        spacecraft_id = f"SC-{second % 5}"
        snapshot = {
            "spacecraftId": spacecraft_id,
            "timestamp": f"2025-01-01T00:00:{second:02}Z",
            "parameters": {"n": second},
        }

        async def answered(status: int, *request: Any, **content: Any) -> httpx.Response | None:
            answer = await http.request(*request, **content)
            # A busy machine has no room for it in time, or has not stored it in time.
            assert answer.status_code in {status, 202, 503}, answer.text
            return answer if answer.status_code == status else None

        taken = await until_async(lambda: answered(201, "POST", "/telemetry", json=snapshot), "a stored snapshot")
        query = {"spacecraftId": spacecraft_id, "limit": 1000}
        stored = await until_async(lambda: answered(200, "GET", "/telemetry", params=query), "a listing")
        assert taken.json()["id"] in [found["id"] for found in stored.json()]

    await asyncio.gather(*map(take, range(60)))


async def test_a_duplicate_is_created_too(http: httpx.AsyncClient):
    answers = [await http.post("/telemetry", json=SNAPSHOT) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len((await http.get("/telemetry?spacecraftId=SC-001")).json()) == 1


async def test_what_the_stream_has_and_the_database_has_not_is_accepted(http: httpx.AsyncClient, database):
    async with database.transaction():
        await database.execute("LOCK TABLE app.snapshot IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        one, many = await asyncio.gather(
            http.post("/telemetry", json=SNAPSHOT),
            http.post("/telemetry/batch", json={"snapshots": [SNAPSHOT]}),
        )
        assert time.monotonic() - began < installed.busy(5)

    assert (one.status_code, list(one.json())) == (202, ["id"])
    assert (many.status_code, many.json()) == (202, {"count": 1})
    again = await http.post("/telemetry", json=SNAPSHOT)
    assert (again.status_code, again.json()) == (201, one.json())


async def test_nothing_is_accepted_while_nats_is_away(http: httpx.AsyncClient, nats_server):
    await nats_server.stop()
    for path, body in (("/telemetry", SNAPSHOT), ("/telemetry/batch", {"snapshots": [SNAPSHOT]})):
        refused = await http.post(path, json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert (await http.get("/health/ready")).status_code == 503
    assert (await http.get("/health/live")).status_code == 200
    await nats_server.start()


async def test_what_the_stream_refuses_is_not_accepted(http: httpx.AsyncClient, client: Client):
    info = await jetstream.stream_info(client, "TELEMETRY")
    await jetstream.request(client, "STREAM.UPDATE.TELEMETRY", info["config"] | {"max_msg_size": 20})

    refused = await http.post("/telemetry", json=SNAPSHOT)

    assert refused.status_code == 503
    assert "message size exceeds maximum allowed" in refused.json()["error"]["message"]


async def test_in_a_batch_an_items_own_spacecraft_wins(http: httpx.AsyncClient):
    item = {"timestamp": AT, "parameters": {}}
    batch = {"spacecraftId": "A", "snapshots": [item, item | {"spacecraftId": "B"}, item | {"id": "again"}]}

    taken = await http.post("/telemetry/batch", json=batch)

    assert (taken.status_code, taken.json()) == (201, {"count": 3})
    assert len((await http.get("/telemetry?spacecraftId=A")).json()) == 2
    assert len((await http.get("/telemetry?spacecraftId=B")).json()) == 1


async def test_a_batch_with_faults_names_each_and_publishes_nothing(http: httpx.AsyncClient, client: Client):
    good = {"timestamp": AT, "parameters": {}}
    batch = {
        "snapshots": [
            good | {"spacecraftId": "A"},
            good,
            good | {"spacecraftId": "a b"},
            {"spacecraftId": "A", "parameters": {}},
            {"spacecraftId": "A", "timestamp": "2025-01-01T00:00:00", "parameters": {}},
            {"spacecraftId": "A", "timestamp": AT, "parameters": {"temp": []}},
            5,
            [good],
            good | {"spacecraftId": "A", "id": ""},
            good | {"spacecraftId": "A", "parameters": {"p\0": 1}},
        ]
    }
    before = await in_stream(client)

    refused = await http.post("/telemetry/batch", json=batch)

    assert refused.status_code == 400
    assert paths(refused) == [
        "snapshots.1.spacecraftId",
        "snapshots.2.spacecraftId",
        "snapshots.3.timestamp",
        "snapshots.4.timestamp",
        "snapshots.5.parameters.temp",
        "snapshots.6",
        "snapshots.7",
        "snapshots.8.id",
        "snapshots.9.parameters.p\\x00",
    ]
    assert await in_stream(client) == before


async def test_a_batch_larger_than_a_message_goes_in_several(http: httpx.AsyncClient, client: Client):
    snapshots = [
        {"timestamp": AT, "id": str(number), "parameters": {"log": "x" * 9_000}, "spacecraftId": f"SC-{number % 2}"}
        for number in range(400)
    ]

    taken = await http.post("/telemetry/batch", json={"snapshots": snapshots})

    assert (taken.status_code, taken.json()) == (201, {"count": 400})
    assert await in_stream(client) == 4
    first = await http.get("/telemetry?spacecraftId=SC-0&limit=1000")
    assert len(first.json()) == 200


@pytest.mark.shared_service
async def test_every_refusal_has_its_status_and_names_the_field(http: httpx.AsyncClient):
    refusals: tuple[tuple[str, str, Any, int, str], ...] = (
        ("GET", "/telemetry", None, 400, "spacecraftId"),
        ("GET", "/telemetry?spacecraftId=a.b", None, 400, "spacecraftId"),
        ("GET", "/telemetry?spacecraftId=A&limit=0", None, 400, "limit"),
        ("GET", "/telemetry?spacecraftId=A&limit=1001", None, 400, "limit"),
        ("GET", "/telemetry?spacecraftId=A&limit=ten", None, 400, "limit"),
        ("GET", "/telemetry?spacecraftId=A&limit=", None, 400, "limit"),
        ("GET", "/telemetry?spacecraftId=A&limit=1&limit=2", None, 400, "limit"),
        ("GET", "/telemetry?spacecraftId=A&spacecraftId=A", None, 400, "spacecraftId"),
        ("GET", "/telemetry?spacecraftId=A&order=up", None, 400, "order"),
        ("GET", "/telemetry?spacecraftId=A&from=today", None, 400, "from"),
        ("GET", "/telemetry?spacecraftId=A&cursor=x", None, 400, "cursor"),
        ("GET", f"/telemetry/analyze?spacecraftId=A&from={AT}", None, 400, "to"),
        ("GET", f"/anomalies/timeline?spacecraftId=A&to={AT}", None, 400, "from"),
        ("GET", "/spacecraft?limit=-1", None, 400, "limit"),
        ("GET", "/spacecraft/SC-1/config?spacecraftId=SC-1", None, 400, "spacecraftId"),
        ("GET", "/spacecraft/a%20b", None, 400, "spacecraftId"),
        ("PUT", "/spacecraft/SC-1?name=x", {}, 400, "name"),
        ("PUT", "/spacecraft/SC-1", {"color": "red"}, 400, "color"),
        ("PUT", "/spacecraft/SC-1", [], 400, "body"),
        ("PUT", "/spacecraft/SC-1/config", {"parameters": {"t": {"warnHigh": "x"}}}, 400, "parameters.t.warnHigh"),
        ("POST", "/telemetry", {"timestamp": AT, "parameters": {}}, 400, "spacecraftId"),
        ("POST", "/telemetry", {"spacecraftId": 5, "timestamp": AT, "parameters": {}}, 400, "spacecraftId"),
        ("POST", "/telemetry", {"spacecraftId": "A", "timestamp": AT}, 400, "parameters"),
        ("POST", "/telemetry", [SNAPSHOT], 400, "body"),
        ("POST", "/telemetry/batch", {"snapshots": {}}, 400, "snapshots"),
        ("POST", "/telemetry/batch", {"snapshots": [], "more": 1}, 400, "more"),
        ("POST", "/telemetry/batch", {"snapshots": [{}] * 10_001}, 400, "snapshots"),
        ("POST", "/telemetry/batch", {}, 400, "snapshots"),
        ("POST", "/events", {"type": "INFO", "severity": "LOW", "message": "x"}, 400, "spacecraftId"),
        ("POST", "/events", {"spacecraftId": "A", "type": "INFO", "severity": "LOW"}, 400, "message"),
        ("GET", "/docs/search?q=", None, 400, "q"),
        ("GET", "/docs/search?q=x&limit=51", None, 400, "limit"),
        ("GET", "/docs/-", None, 400, "documentId"),
    )
    for method, path, body, status, field in refusals:
        response = await http.request(method, path, json=body)
        assert response.status_code == status, (method, path, response.text)
        assert response.json()["error"]["code"] == "invalid_request"
        assert paths(response) == [field], (method, path, response.text)


async def test_what_is_not_there_is_named_as_the_contract_says(http: httpx.AsyncClient):
    for path in ("/nothing", "/telemetry/", "/spacecraft/SC-1/nothing", "/docs/unknown", "/spacecraft/unknown"):
        response = await http.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found"), path


@pytest.mark.shared_service
async def test_a_method_that_a_path_has_not_is_answered_with_those_it_has(http: httpx.AsyncClient):
    for method, path, allowed in (
        ("DELETE", "/telemetry", "GET, HEAD, POST"),
        ("GET", "/telemetry/batch", "POST"),
        ("POST", "/spacecraft/SC-1/config", "GET, HEAD, PUT"),
        ("OPTIONS", "/spacecraft", "GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
    ):
        response = await http.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        assert response.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.shared_service
async def test_head_is_get_without_a_body(http: httpx.AsyncClient):
    head, get = [await http.request(method, "/spacecraft") for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.shared_service
async def test_a_body_calls_itself_json_or_nothing(http: httpx.AsyncClient):
    async def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await http.put("/spacecraft/SC-1", content=b"{}", headers=named)).status_code

    assert await status() == 200
    assert await status(content_type="application/json; charset=utf-8") == 200
    assert await status(content_type="Application/Problem+JSON") == 200
    assert await status(content_type="text/plain") == 415
    assert await status(content_type="application/x-www-form-urlencoded") == 415
    assert await status(content_type="application/json", content_encoding="gzip") == 415
    assert await status(origin="https://elsewhere.example") == 415  # no page may write unasked
    assert await status(origin="https://elsewhere.example", content_type="application/json") == 200


@pytest.mark.shared_service
@pytest.mark.parametrize(("path", "most"), [("/telemetry", 1 << 20), ("/telemetry/batch", 8 << 20)])
async def test_a_body_may_be_only_so_large(http: httpx.AsyncClient, path: str, most: int):
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(most // 65536):
            yield b" " * 65536
        yield b" "

    fits = await http.post(path, content=b" " * most, headers=JSON)
    announced = await http.post(path, content=b" " * (most + 1), headers=JSON)
    streamed = await http.post(path, content=unannounced(), headers=JSON)

    assert fits.status_code == 400
    for refused in (announced, streamed):
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(service: Service, monkeypatch):
    monkeypatch.setattr(bodies, "_TIME", 0.2)
    host, port = service.http_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")

    assert await asyncio.wait_for(reader.readline(), PATIENCE) == b"HTTP/1.1 408 Request Timeout\r\n"
    writer.close()


async def test_one_who_leaves_in_the_midst_of_a_body_does_no_harm(service: Service, http: httpx.AsyncClient, caplog):
    host, port = service.http_url.removeprefix("http://").split(":")
    for _ in range(50):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /telemetry/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        await writer.drain()
        writer.close()
    assert (await http.post("/telemetry/batch", json={"snapshots": []})).status_code == 201
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_reader_who_does_not_read_takes_no_room_from_others(service: Service, http: httpx.AsyncClient):
    snapshots = [{"timestamp": AT, "id": str(number), "parameters": {"log": "x" * 4_000}} for number in range(1_000)]
    assert (await http.post("/telemetry/batch", json={"spacecraftId": "A", "snapshots": snapshots})).status_code == 201
    host, port = service.http_url.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port))) for _ in range(8)]
    for connection in sockets:
        connection.sendall(b"GET /telemetry?spacecraftId=A&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    # Each response has begun, and waits for a reader.
    await asyncio.gather(*(asyncio.to_thread(connection.recv, 1, socket.MSG_PEEK) for connection in sockets))

    assert (await http.get("/telemetry?spacecraftId=A&limit=1")).status_code == 200
    for connection in sockets:
        connection.close()


async def test_too_many_at_once_wait_and_then_hear_that_they_are_too_many(
    service: Service, http: httpx.AsyncClient, monkeypatch
):
    host, port = service.http_url.removeprefix("http://").split(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(5)]
    for _, writer in connections:
        writer.write(b"POST /telemetry/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{")
    long = b'{"snapshots": []}' + b" " * 100_000

    async def refused_request() -> httpx.Response | None:
        response = await http.post("/telemetry/batch", content=long, headers=JSON)
        return response if response.is_error else None

    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "TIME", 0.2)
        refused = await until_async(refused_request, "the others to take all room")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert (await http.get("/spacecraft")).status_code == 200
    assert (await http.post("/telemetry", json=SNAPSHOT)).status_code == 201
    for _, writer in connections:
        writer.close()

    async def is_taken() -> bool:
        return (await http.post("/telemetry/batch", content=long, headers=JSON)).status_code == 201

    await until_async(is_taken, "room again")


async def test_whoever_sends_a_short_body_slowly_takes_nobodys_place(service: Service, http: httpx.AsyncClient):
    host, port = service.http_url.removeprefix("http://").split(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(150)]
    for number, (_, writer) in enumerate(connections):
        path = b"/telemetry/batch" if number % 2 else b"/telemetry"
        writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{" % path)
        await writer.drain()
    assert (await http.post("/telemetry", json=SNAPSHOT)).status_code == 201
    assert (await http.post("/telemetry/batch", json={"snapshots": []})).status_code == 201
    for _, writer in connections:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in connections))


async def test_the_cursor_continues_a_listing(http: httpx.AsyncClient):
    snapshots = [{"timestamp": AT, "id": f"{number:02}", "parameters": {}} for number in range(25)]
    await http.post("/telemetry/batch", json={"spacecraftId": "A", "snapshots": snapshots})
    seen: list[str] = []
    query = {"spacecraftId": "A", "limit": "10"}
    while True:
        page = await http.get("/telemetry", params=query)
        seen += [found["id"] for found in page.json()]
        cursor = page.headers.get("missionops-next-cursor")
        if cursor is None:
            break
        query["cursor"] = cursor
    assert seen == [f"{number:02}" for number in reversed(range(25))]


async def test_an_answer_may_be_larger_than_nats_carries_and_is_bounded_too(http: httpx.AsyncClient):
    for start in range(0, 1_000, 500):
        snapshots = [
            {"timestamp": AT, "id": str(number), "parameters": {"log": "x" * 12_000}}
            for number in range(start, start + 500)
        ]
        batch = await http.post("/telemetry/batch", json={"spacecraftId": "A", "snapshots": snapshots})
        assert batch.status_code == 201
    page = await http.get("/telemetry?spacecraftId=A&limit=1000")
    assert 7_900_000 < len(page.content) <= 8_000_000
    assert page.headers["missionops-next-cursor"]


async def test_no_web_page_may_ask_unless_its_origin_is_set(service: Service, settings: Settings):
    origin = {"Origin": "https://ops.example", "Access-Control-Request-Method": "PUT"}
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        closed = await http.options("/spacecraft/SC-1", headers=origin)
    assert closed.status_code == 405
    assert "access-control-allow-origin" not in closed.headers

    opened = settings.model_copy(update={"cors_origins": "https://ops.example, https://other.example"})
    async with app.running(opened) as second, httpx.AsyncClient(base_url=second.http_url) as http:
        answers = [
            await http.options("/spacecraft/SC-1", headers=origin),
            await http.get("/spacecraft", headers=origin),
            await http.get("/nothing", headers=origin),
        ]
        foreign = await http.get("/spacecraft", headers={"Origin": "https://elsewhere.example"})
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"https://ops.example"}
    assert answers[1].headers["access-control-expose-headers"] == "Missionops-Next-Cursor"
    assert "access-control-allow-origin" not in foreign.headers


async def test_metrics_count_what_happened(http: httpx.AsyncClient, client: Client):
    await http.put("/spacecraft/SC-001/config", json={"parameters": {"temp": {"critHigh": 40}}})
    for _ in range(2):
        await http.post("/telemetry", json=SNAPSHOT)
    await client.jetstream().publish("telemetry.SC-001", b"{")
    await client.request("missionops.config.get.SC-001", b"", timeout=5)
    await client.request("missionops.config.get.SC-002", b"", timeout=5)
    await http.post("/telemetry", json=SNAPSHOT | {"timestamp": "2025-01-01T00:00:01Z"})  # follows the bad one

    answer = await http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["missionops_snapshots_stored_total",] == 2
    assert samples["missionops_snapshots_duplicate_total",] == 1
    assert samples["missionops_anomalies_total", "HIGH"] == 2
    assert samples["missionops_anomalies_total", "MEDIUM"] == 0
    assert samples["missionops_dead_letters_total", "malformed"] == 1
    assert samples["missionops_messages_lost_total",] == 0
    assert samples["missionops_lag_messages",] == 0
    assert samples["missionops_lag_seconds",] == 0
    assert samples["missionops_batch_messages_sum",] == 4
    assert samples["missionops_batch_messages_count",] == samples["missionops_batches_total",]
    assert samples["missionops_batch_seconds_count",] == samples["missionops_batches_total",]
    assert samples["missionops_batch_seconds_bucket", "+Inf"] == samples["missionops_batches_total",]
    assert samples["missionops_publish_failures_total", "ANOMALIES"] == 0
    assert samples["missionops_interruptions_total",] == 0
    assert 0 < samples["missionops_lease_seconds",] <= 1
    assert samples["missionops_sequence",] == 4
    assert samples["missionops_epoch",] == 1
    assert samples["missionops_role", "owner"] == 1
    assert samples["missionops_role", "standby"] == 0
    assert samples["missionops_requests_total", "http", "telemetry.take", "201"] == 3
    assert samples["missionops_requests_total", "http", "config.set", "200"] == 1
    assert samples["missionops_requests_total", "nats", "config.get", "200"] == 1
    assert samples["missionops_requests_total", "nats", "config.get", "404"] == 1
    assert samples["missionops_request_seconds_count", "nats", "config.get"] == 2
    assert samples["missionops_request_seconds_sum", "nats", "config.get"] > 0
    families = list(text_string_to_metric_families(answer.text))
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    assert labels == {
        "code",
        "interface",
        "le",
        "operation",
        "role",
        "severity",
        "status",
        "stream",
        "version",
    }  # each with few values


async def test_a_standby_knows_when_a_snapshot_is_stored(service: Service, settings: Settings):
    async with app.running(settings) as second, httpx.AsyncClient(base_url=second.http_url) as http:
        await second.until_ready()
        assert second.ingest_status.role == "standby"
        taken = await http.post("/telemetry", json=SNAPSHOT)
        assert taken.status_code == 201
        stored = await http.get("/telemetry?spacecraftId=SC-001")
    assert [found["id"] for found in stored.json()] == [taken.json()["id"]]
    assert service.ingest_status.stored == 1


async def test_numbers_pass_through_as_they_are(http: httpx.AsyncClient):
    parameters = {"large": 2**64 - 1, "small": -(2**63), "tenth": 0.1, "flag": True}
    await http.post("/telemetry", content=json.dumps(SNAPSHOT | {"parameters": parameters}), headers=JSON)
    (stored,) = (await http.get("/telemetry?spacecraftId=SC-001")).json()
    assert stored["parameters"] == parameters
