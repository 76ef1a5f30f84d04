"""`GET /changes`: hints over HTTP, on every instance, of what the caller may see, until the service stops."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from missionops import app
from missionops.domain.access import Role
from missionops.http import change_stream
from missionops.operations import pagination
from missionops.settings import Settings
from tests.wait import PATIENCE, until_async

EVENT = {"type": "INFO", "severity": "LOW", "message": "Hello"}


class Stream:
    """The events of one stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, *names: str) -> dict[str, Any]:
        """The next event, or the next of these; its data with its name and its id."""
        while True:
            fields = {}
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(": ")
                fields[name] = value
            if not fields:
                raise EOFError
            if not names or fields["event"] in names:
                return json.loads(fields["data"]) | {"event": fields["event"], "id": fields.get("id")}

    async def until_its_end(self) -> None:
        with contextlib.suppress(EOFError):
            while True:
                await self.next()

    async def until(self, name: str, wanted: Any) -> dict[str, Any]:
        """The next hint whose field has a value."""
        while (found := await self.next("changed"))[name] != wanted:
            pass
        return found


@asynccontextmanager
async def following(http: httpx.AsyncClient, **parameters: str) -> AsyncIterator[Stream]:
    headers = {"Accept": "text/event-stream"}
    async with http.stream("GET", "/changes", params=parameters, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "text/event-stream"
        yield Stream(response)


async def publish(client, spacecraft_id: str) -> None:
    body = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 42}}
    await client.request(f"telemetry.{spacecraft_id}", json.dumps(body).encode(), timeout=5)


async def test_a_stream_tells_of_telemetry_events_and_configs(service, clients, client):
    http = clients.showing(None)
    async with following(http) as stream:
        assert (await stream.next())["event"] == "reset"
        assert (await stream.next())["event"] == "pulse"
        await publish(client, "SC-001")
        found = await stream.until("spacecraft", ["SC-001"])
        assert (found["alarms"], found["configs"]) == (True, False)
        await http.post("/events", json=EVENT | {"spacecraftId": "SC-002"})
        found = await stream.until("events", wanted=True)
        assert (found["spacecraft"], found["configs"]) == (["SC-002"], False)
        await http.put("/spacecraft/SC-003/config", json={"parameters": {}})
        assert (await stream.until("configs", wanted=True))["spacecraft"] == ["SC-003"]


async def test_a_cursor_continues_without_a_gap(service, clients, client):
    http = clients.showing(None)
    cursor = (await http.get("/changes")).json()["cursor"]
    for name in ("SC-001", "SC-002"):
        await http.post("/events", json=EVENT | {"spacecraftId": name})
    seen: set[str] = set()
    while seen != {"SC-001", "SC-002"}:
        answer = (await http.get("/changes", params={"after": cursor}, timeout=30)).json()
        seen |= set(answer["spacecraft"])
        last, cursor = cursor, answer["cursor"]
    async with following(http, after=last) as stream:
        assert (await stream.next())["event"] == "changed"
    async with following(http, after=cursor) as stream:
        assert (await stream.next())["event"] == "pulse"


async def test_a_cursor_of_another_instance_begins_anew(service, clients):
    http = clients.showing(None)
    async with following(http, after=pagination.written(("other", 1), "changes")) as stream:
        assert (await stream.next())["event"] == "reset"
    refused = await http.get("/changes", params={"after": "nonsense"})
    assert (refused.status_code, refused.json()["error"]["details"][0]["path"]) == (400, "cursor")
    misspelled = await http.get("/changes", params={"cursor": "WyJvdGhlciIsMV0="})
    assert (misspelled.status_code, misspelled.json()["error"]["message"]) == (
        400, "cursor is no field of this request"
    )  # fmt: skip


async def test_a_standby_tells_of_what_the_owner_stores(service, settings, client):
    async with app.running(settings) as standby, httpx.AsyncClient(base_url=standby.http_url) as http:
        async with asyncio.timeout(PATIENCE):
            while standby.ingest_status.role != "standby":
                await asyncio.sleep(0.02)
        async with following(http) as stream:
            await stream.next("pulse")
            await publish(client, "SC-001")
            await stream.until("spacecraft", ["SC-001"])


async def test_many_spacecraft_at_once_are_any(service, clients, client):
    http = clients.showing(None)
    cursor = (await http.get("/changes")).json()["cursor"]
    names = [f"{'x' * 50}-{n}" for n in range(1_200)]  # more than one notification holds
    body = json.dumps({"timestamp": "2025-01-01T00:00:00Z", "parameters": {}}).encode()
    for name in names:
        await client.publish(f"telemetry.{name}", body)

    async def are_any() -> bool:
        return (await http.get("/changes", params={"after": cursor})).json()["spacecraft"] is None

    await until_async(are_any, "a hint that names no one spacecraft")


async def test_streams_end_at_once_when_the_service_stops(settings):
    async with contextlib.AsyncExitStack() as stack:
        async with app.running(settings) as service:
            await service.until_ready()
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=service.http_url))
            streams = [await stack.enter_async_context(following(http)) for _ in range(10)]
            for stream in streams:
                await stream.next("pulse")
            stopped_at = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopped_at < 5  # the server gives up on responses after 5 s
        for stream in streams:
            await stream.until_its_end()


@pytest.mark.usefixtures("service")
class TestWithTokens:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"http_auth": "tokens"})

    async def test_a_limited_token_learns_nothing_of_others(self, clients, client):
        limited, admin = await clients.holding(Role.READER, "SC-001"), await clients.holding(Role.ADMIN)
        async with following(limited) as stream, following(admin) as everything:
            await stream.next("pulse")
            await everything.next("pulse")
            await publish(client, "SC-002")
            await admin.post("/events", json=EVENT | {"spacecraftId": "SC-002"})
            await admin.post("/docs", json={"title": "Battery", "body": "Of no one spacecraft."})
            await everything.until("events", wanted=True)
            await publish(client, "SC-001")
            found = await stream.next("changed")
            assert (found["spacecraft"], found["events"], found["configs"]) == (["SC-001"], False, False)

    async def test_a_revoked_token_ends_its_stream(self, clients, revoke, monkeypatch):
        monkeypatch.setattr(change_stream, "PULSE", 0.2)
        http = await clients.holding(Role.READER)
        async with following(http) as stream:
            await stream.next("pulse")
            await revoke("reader-0")
            await stream.until_its_end()
        assert (await http.get("/access")).status_code == 401

    async def test_one_token_has_ten_streams_and_another_has_its_own(self, clients):
        http, other = await clients.holding(Role.READER), await clients.holding(Role.READER)
        async with contextlib.AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(following(http)) for _ in range(10)]
            for stream in streams:
                await stream.next()
            refused = await http.get("/changes")
            assert refused.status_code == 503, (refused.status_code, refused.text)
            assert refused.headers["retry-after"] == "2"
            await stack.enter_async_context(following(other))
        async with asyncio.timeout(PATIENCE):  # a place is free as soon as its client is gone
            while (await http.get("/changes")).status_code != 200:
                await asyncio.sleep(0.02)
