"""Bearers of tokens and strangers over HTTP: which tokens count, from when and until when, and under which names."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from missionops import app
from missionops.app import Service
from missionops.domain import token
from missionops.domain.access import Role
from missionops.operations import authentication
from missionops.settings import Settings
from missionops.store import database as databases
from tests.wait import PATIENCE, until_async

SNAPSHOT = {"spacecraftId": "A", "timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 50}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"http_auth": "tokens"})


def error(response: httpx.Response) -> tuple[int, str]:
    """Its status and code, of an error that looks as the contract says."""
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "details"]
    return response.status_code, body["error"]["code"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_scheme_may_be_written_in_any_case(clients, issue, scheme: str):
    http = clients.showing(None)
    shown = {"Authorization": f"{scheme} {await issue('a', Role.READER)}"}
    assert (await http.get("/spacecraft", headers=shown)).status_code == 200
    assert (await http.head("/spacecraft", headers=shown)).status_code == 200
    assert (await http.head("/spacecraft")).status_code == 401


async def test_a_large_body_of_a_stranger_is_not_read(service: Service):
    host, port = service.http_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /telemetry/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
    assert await asyncio.wait_for(reader.readline(), PATIENCE) == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()


async def is_refused(http: httpx.AsyncClient) -> bool:
    return (await http.get("/spacecraft")).status_code != 200


async def test_a_new_token_counts_at_once_and_a_revoked_one_no_more_within_seconds(clients, issue, revoke):
    for number in range(5):
        http = clients.showing(await issue(f"t{number}", Role.READER))
        assert (await http.get("/spacecraft")).status_code == 200
    assert await revoke("t4")
    await until_async(lambda: is_refused(http), "the end of the token", 20)
    assert error(await http.get("/spacecraft")) == (401, "unauthenticated")
    assert not await revoke("t4")


async def test_a_token_ends_by_itself(clients, issue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(authentication, "FRESH", 3600.0)  # not because the tokens are read again
    http = clients.showing(await issue("brief", Role.READER, expires_at=datetime.now(UTC) + timedelta(seconds=2)))
    assert (await http.get("/spacecraft")).status_code == 200
    await until_async(lambda: is_refused(http), "the end of the token", 20)


async def test_unknown_tokens_cost_the_database_little(clients, monkeypatch: pytest.MonkeyPatch):
    readings = 0

    async def in_force(connection: databases.Connection) -> Any:
        nonlocal readings
        readings += 1
        return {}

    monkeypatch.setattr("missionops.store.tokens.in_force", in_force)
    strangers = [clients.showing(str(token.made(secrets.token_bytes(40)))) for _ in range(50)]
    for refused in await asyncio.gather(*(stranger.get("/spacecraft") for stranger in strangers)):
        assert refused.status_code == 401
    assert readings <= 10


async def test_while_the_database_is_away_known_tokens_count_for_a_while(
    clients, issue, database, monkeypatch: pytest.MonkeyPatch
):
    known = clients.showing(await issue("known", Role.OPERATOR))
    stranger = clients.showing(str(token.made(secrets.token_bytes(40))))
    assert (await known.post("/telemetry", json=SNAPSHOT)).status_code == 201
    monkeypatch.setattr(authentication, "FRESH", 0.0)
    async with database.transaction():
        await database.execute("LOCK TABLE app.token IN ACCESS EXCLUSIVE MODE")
        assert (await known.post("/telemetry", json=SNAPSHOT)).status_code == 201
        assert error(await stranger.get("/spacecraft")) == (503, "unavailable")
        monkeypatch.setattr(authentication, "GRACE", 0.0)
        assert error(await known.post("/telemetry", json=SNAPSHOT)) == (503, "unavailable")
    assert (await known.get("/spacecraft")).status_code == 200
    assert error(await stranger.get("/spacecraft")) == (401, "unauthenticated")


async def test_a_web_page_may_show_a_token(settings: Settings, issue):
    origin = {
        "Origin": "https://ops.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    opened = settings.model_copy(update={"cors_origins": "https://ops.example"})
    async with app.running(opened) as running, httpx.AsyncClient(base_url=running.http_url) as http:
        asked = await http.options("/spacecraft", headers=origin)
        assert asked.status_code == 200
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        refused = await http.get("/spacecraft", headers=origin)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://ops.example")


async def test_without_tokens_a_name_that_is_not_this_machines_is_refused(settings: Settings):
    async def answer(running: Service, host: str, path: str = "/spacecraft") -> httpx.Response:
        async with httpx.AsyncClient(base_url=running.http_url) as http:
            return await http.get(path, headers={"Host": host})

    async with app.running(settings.model_copy(update={"http_auth": "off"})) as running:
        for host in ("localhost", "localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert (await answer(running, host)).status_code == 200
        for path in ("/spacecraft", "/health/ready", "/nothing", "/openapi.json"):
            assert error(await answer(running, "evil.example:8000", path)) == (403, "forbidden")
        document = (await answer(running, "localhost", "/openapi.json")).json()
        assert "securitySchemes" not in document["components"]
        assert "security" not in json.dumps(document)
    for way in ("tokens", "proxy"):
        async with app.running(settings.model_copy(update={"http_auth": way})) as running:
            assert (await answer(running, "ops.example", "/health/live")).status_code == 200
    assert (await asked_behind_a_proxy(settings)).status_code == 200


async def asked_behind_a_proxy(settings: Settings) -> httpx.Response:
    async with (
        app.running(settings.model_copy(update={"http_auth": "proxy", "http_host": "0.0.0.0"})) as running,
        httpx.AsyncClient(base_url=running.http_url.replace("0.0.0.0", "127.0.0.1")) as http,
    ):
        return await http.get("/spacecraft", headers={"Host": "ops.example"})


async def test_behind_a_proxy_a_trusted_header_says_who_acts(settings: Settings):
    behind = settings.model_copy(update={"http_auth": "proxy", "http_user_header": "X-Forwarded-User"})
    event = {"spacecraftId": "SC-001", "type": "INFO", "severity": "LOW", "message": "Hello"}
    async with app.running(behind) as running, httpx.AsyncClient(base_url=running.http_url) as http:
        named = {b"x-forwarded-user": "Jürgen@ops".encode()}
        assert (await http.get("/access", headers=named)).json()["name"] == "Jürgen@ops"
        assert (await http.post("/events", json=event, headers=named)).status_code == 200
        shelf = {"spacecraftId": "SC-001", "seconds": 60, "reason": "Test"}
        assert (await http.post("/alarms/shelve", json=shelf, headers=named)).json()["by"] == "Jürgen@ops"
        other = await http.post("/alarms/shelve", json={**shelf, "by": "alice"}, headers=named)
        assert (other.status_code, other.json()["error"]["details"][0]["path"]) == (400, "by")
        for wrong in ([], [b""], [b"a", b"b"], [b"x" * 257], [b"a\tb"], [b"http"], [b"nats:alice"]):
            headers = [(b"X-Forwarded-User", name) for name in wrong]
            refused = await http.get("/spacecraft", headers=headers)
            assert error(refused) == (401, "unauthenticated"), wrong
            assert "X-Forwarded-User" in refused.json()["error"]["message"]
        assert (await http.get("/health/live")).status_code == 200


async def test_the_service_warns_while_nobody_has_a_token(settings: Settings, issue, caplog):
    async def warnings() -> list[str]:
        caplog.clear()
        async with app.running(settings):
            return [message for message in caplog.messages if "missionops tokens create" in message]

    assert len(await warnings()) == 1
    await issue("a", Role.READER)
    assert await warnings() == []
