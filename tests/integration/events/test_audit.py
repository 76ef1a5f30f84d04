"""The audit: every change leaves an event that says who made it, and what was before and after."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from nats.aio.client import Client

from missionops import app
from missionops.app import Service
from missionops.domain.access import Role
from missionops.operations import tokens
from missionops.settings import Settings
from missionops.store import database as databases
from tests.wait import PATIENCE

AT = "2025-01-01T00:00:00Z"
FIRST, SECOND = {"parameters": {"temp": {"warnHigh": 45}}}, {"parameters": {}, "notes": "none"}


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP without tokens."""
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as client:
        yield client


@pytest.fixture
async def told(service: Service, client: Client) -> Any:
    return await client.subscribe("events.*")


async def heard(told: Any) -> tuple[str, dict[str, Any]]:
    """Whom the next event was told to, and what it says."""
    message = await told.next_msg(PATIENCE)
    return message.subject, json.loads(message.data)


async def ask(client: Client, subject: str, **request: Any) -> Any:
    reply = await client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=6)
    return json.loads(reply.data)


async def test_the_bearer_of_a_token_is_named_in_each_kind_of_change(
    settings: Settings, database_url: str, client: Client, database
):
    async with databases.connected(database_url) as connection, connection.transaction():
        token = str((await tokens.issue(connection, "alice", Role.ADMIN)).token)
    guarded = settings.model_copy(update={"http_auth": "tokens"})
    shown = {"Authorization": f"Bearer {token}"}
    async with app.running(guarded) as running, httpx.AsyncClient(base_url=running.http_url, headers=shown) as http:
        await http.put("/spacecraft/A", json={"name": "One"})
        await http.put("/spacecraft/A/config", json=FIRST)
        await http.post("/docs", json={"title": "Battery", "body": "Warm it.", "spacecraftId": "A"})
        recorded = await http.post(
            "/events", json={"spacecraftId": "A", "type": "INFO", "severity": "LOW", "message": "m"}
        )
        events = (await http.get("/events?spacecraftId=A")).json()
    assert recorded.json() == events[0]  # as it was recorded, and nothing added
    assert [event["metadata"].get("by") for event in events] == [None, "alice", "alice", "alice"]
    by = await database.fetch("SELECT recorded_by FROM app.event WHERE spacecraft_id = 'A' ORDER BY timestamp DESC")
    assert [row[0] for row in by] == ["alice", None, None, None]


async def test_a_config_says_what_was_in_force_and_what_is(http: httpx.AsyncClient, client: Client, told):
    await http.put("/spacecraft/A/config", json=FIRST, headers={"Missionops-Source": "gitops"})
    await ask(client, "config.set.A", **SECOND)
    subject, event = await heard(told)
    assert (subject, event["type"]) == ("events.A", "CONFIG_CHANGED")
    assert event["metadata"] == {"version": 1, "source": "gitops", "by": "http", "before": None, "after": FIRST}
    _, event = await heard(told)
    assert event["metadata"] == {"version": 2, "source": "manual", "by": "nats", "before": FIRST, "after": SECOND}


async def test_what_is_large_is_named_by_its_hash(http: httpx.AsyncClient, told):
    for size in (900_000, 10):
        stored = await http.put("/spacecraft/A/config", json={"notes": "x" * size})
        assert stored.status_code == 200
    (_, first), (_, second) = await heard(told), await heard(told)
    large = b'{"notes":"%b"}' % (b"x" * 900_000)
    named = hashlib.sha256(large).hexdigest(), len(large)
    assert (first["metadata"]["afterSha256"], first["metadata"]["afterBytes"]) == named
    assert (second["metadata"]["beforeSha256"], second["metadata"]["beforeBytes"]) == named
    assert second["metadata"]["after"] == {"notes": "x" * 10}
    assert not {"after", "beforeSha256"} & set(first["metadata"])


async def test_a_registration_leaves_an_event_where_it_changes_something(
    http: httpx.AsyncClient, client: Client, told, database
):
    await http.put("/spacecraft/A", json={"name": "One"})
    for name in ("One", None):
        await http.put("/spacecraft/A", json={"name": name})  # as it is
    await ask(client, "spacecraft.register.A", missionType="LEO")
    named = {"name": "One", "missionType": None}
    for by, message, before, after in (
        ("http", "Spacecraft registered", None, named),
        ("nats", "Registration changed", named, named | {"missionType": "LEO"}),
    ):
        subject, event = await heard(told)
        assert (subject, event["type"], event["message"]) == ("events.A", "INFO", message)
        assert event["metadata"] == {"action": "spacecraft.register", "by": by, "before": before, "after": after}
    assert await database.fetchval("SELECT count(*) FROM app.event") == 2


async def test_many_registrations_at_once_leave_a_chain(http: httpx.AsyncClient, database):
    await asyncio.gather(*(http.put("/spacecraft/A", json={"name": f"name {number}"}) for number in range(10)))
    rows = await database.fetch(
        "SELECT metadata->'before'->>'name', metadata->'after'->>'name' FROM app.event ORDER BY timestamp"
    )
    assert len(rows) == 10
    assert [row[0] for row in rows] == [None, *(row[1] for row in rows[:-1])]


async def test_being_heard_is_nobodys_change(http: httpx.AsyncClient, database):
    snapshot = {"spacecraftId": "A", "timestamp": AT, "parameters": {"temp": 1}}
    assert (await http.post("/telemetry", json=snapshot)).status_code == 201
    assert (await http.get("/spacecraft/A")).status_code == 200
    await http.put("/spacecraft/A", json={})
    assert await database.fetchval("SELECT count(*) FROM app.event") == 0


async def test_a_document_says_what_it_replaced(http: httpx.AsyncClient, client: Client, told):
    document = {"id": "battery", "title": "Battery", "body": "Warm it.", "spacecraftId": "A"}
    await http.post("/docs", json=document)
    await http.post("/docs", json=document)  # the same again
    first = (await http.get("/docs/battery")).json()
    await ask(client, "docs.create", **document | {"body": "Cool it.", "spacecraftId": None, "overwrite": True})
    second = (await http.get("/docs/battery")).json()
    about = {"documentId": "battery", "title": "Battery"}
    for to, by, before, after in (("events.A", "http", None, first), ("events._fleet", "nats", first, second)):
        subject, event = await heard(told)
        assert (subject, event["type"]) == (to, "DOCUMENT_PUBLISHED")
        assert event["metadata"] == about | {"by": by, "before": before, "after": after}


async def test_tokens_leave_events_of_the_fleet_without_what_is_secret(
    service: Service, told, database_url: str, database: "asyncpg.Connection[asyncpg.Record]"
):
    async with databases.connected(database_url) as connection:
        async with connection.transaction():
            issued = await tokens.issue(connection, "grafana", Role.READER, ["B", "A", "B"])
        for is_new in (True, False):
            async with connection.transaction():
                assert await tokens.revoke(connection, "grafana") is is_new
    user = await database.fetchval("SELECT session_user::text")
    (subject, created), (_, revoked) = await heard(told), await heard(told)
    assert (subject, created["spacecraftId"], created["type"]) == ("events._fleet", None, "INFO")
    held = {"role": "reader", "spacecraft": ["A", "B"], "expiresAt": None, "revokedAt": None}
    about = {"by": f"database:{user}", "token": "grafana"}
    assert created["metadata"] == about | {"action": "token.create", "before": None, "after": held}
    assert revoked["metadata"] == about | {
        "action": "token.revoke", "before": held, "after": held | {"revokedAt": revoked["timestamp"]},
    }  # fmt: skip
    assert issued.token.secret not in json.dumps([created, revoked])
    row = dict((await database.fetchrow("SELECT * FROM app.token")) or {})
    assert issued.token.secret not in repr(row)
    assert row["digest"] == hashlib.sha256(issued.token.secret.encode()).digest()
    assert await database.fetchval("SELECT count(*) FROM app.event") == 2


async def test_what_is_rolled_back_leaves_none(http: httpx.AsyncClient, database):
    await http.post("/docs", json={"id": "battery", "title": "Battery", "body": "Warm it."})
    refused = [
        await http.put("/spacecraft/A/config", json={"parameters": {"temp": {"warnHigh": "x"}}}),
        await http.put("/spacecraft/A", json={"name": ""}),
        await http.post("/docs", json={"id": "battery", "title": "Battery", "body": "Cool it."}),
    ]
    assert [answer.status_code for answer in refused] == [400, 400, 409]
    assert await database.fetchval("SELECT count(*) FROM app.event") == 1
