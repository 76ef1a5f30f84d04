"""Events: recorded once, listed newest first, told to whoever listens."""

import asyncio
import json
import re
from typing import Any

import asyncpg
import msgspec
import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.domain.event import Event
from missionops.operations.registry import OPERATIONS
from missionops.store import database as databases
from missionops.store import event_search
from tests.wait import PATIENCE

AT = "2025-01-01T00:00:00Z"
ID = re.compile(r"ev_[0-9a-f]{32}")


async def ask(client: Client, subject: str, **request: object) -> dict[str, Any]:
    reply = await client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=6)
    return json.loads(reply.data)


async def record(client: Client, spacecraft_id: str = "SC-001", **given: object) -> dict[str, Any]:
    event = {"type": "COMMAND_SENT", "severity": "LOW", "message": "Heater on", **given}
    return await ask(client, f"events.record.{spacecraft_id}", **event)


async def listed(client: Client, spacecraft_id: str = "SC-001", **request: object) -> list[dict[str, Any]]:
    return await ask(client, f"events.list.{spacecraft_id}", **request)  # type: ignore[return-value] # a list, here


@pytest.fixture
async def told(client: Client):
    return await client.subscribe("events.*")


async def test_a_recorded_event_is_listed_and_told_as_it_was_answered(service: Service, client, told):
    event = await record(client, timestamp=AT, metadata={"unit": 2, "nested": {"on": [True, None, 1.5, 2**64 - 1]}})
    assert ID.fullmatch(event["id"])
    assert event == {
        "id": event["id"],
        "spacecraftId": "SC-001",
        "timestamp": AT,
        "type": "COMMAND_SENT",
        "severity": "LOW",
        "message": "Heater on",
        "metadata": {"unit": 2, "nested": {"on": [True, None, 1.5, 2**64 - 1]}},
    }
    assert await listed(client) == [event]
    message = await told.next_msg(PATIENCE)
    assert message.subject == "events.SC-001"
    assert json.loads(message.data) == event
    assert await listed(client, "SC-002") == []


async def test_time_and_metadata_may_be_left_out(service: Service, client):
    event = await record(client)
    assert event["metadata"] == {}
    assert event["timestamp"].endswith("Z")
    assert ID.fullmatch(event["id"])


async def test_two_without_id_and_time_are_two_and_one_with_its_time_sent_twice_is_one(service: Service, client):
    assert (await record(client))["id"] != (await record(client))["id"]
    first = await record(client, timestamp=AT, metadata={"a": 1, "b": 2})
    assert await record(client, timestamp="2025-01-01T01:00:00+01:00", metadata={"b": 2, "a": 1}) == first
    others = [
        await record(client, timestamp=AT, metadata={"a": 1, "b": 2.0}),
        await record(client, timestamp=AT, metadata={"a": 1, "b": 2}, message="Heater off"),
        await record(client, "SC-002", timestamp=AT, metadata={"a": 1, "b": 2}),
    ]
    assert len({first["id"], *(other["id"] for other in others)}) == 4


async def test_a_known_id_answers_again_and_refuses_other_content(service: Service, client, told):
    first = await record(client, id="ev.1", metadata={"a": 1, "b": [1, 2]})
    assert await record(client, id="ev.1", metadata={"b": [1, 2], "a": 1}) == first  # and no time: it is that one
    assert await record(client, id="ev.1", metadata={"b": [1, 2], "a": 1}, timestamp=first["timestamp"]) == first
    others: tuple[dict[str, Any], ...] = (
        {"message": "Heater off"},
        {"type": "INFO"},
        {"severity": "HIGH"},
        {"metadata": {}},
        {"metadata": {"a": True, "b": [1, 2]}},
        {"timestamp": AT},
        {"spacecraft_id": "SC-002"},  # ids are unique over all spacecraft
    )
    for other in others:
        answer = await record(client, **{"id": "ev.1", "metadata": {"a": 1, "b": [1, 2]}, **other})
        assert answer["error"]["code"] == "conflict", other
    assert json.loads((await told.next_msg(PATIENCE)).data) == first
    # Events go out in order: nothing came between.
    last = await record(client, id="ev.2")
    assert json.loads((await told.next_msg(PATIENCE)).data) == last


async def test_many_at_once_under_one_id_are_one(service: Service, client, database):
    answers = await asyncio.gather(*(record(client, id="one", timestamp=AT) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert await database.fetchval("SELECT count(*) FROM app.event") == 1


@pytest.mark.shared_service
@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"type": "PARTY"}, "type"),
        ({"severity": "low"}, "severity"),
        ({"message": ""}, "message"),
        ({"message": "x" * 4097}, "message"),
        ({"message": "a\0b"}, "message"),
        ({"message": None}, "message"),
        ({"timestamp": "2025-01-01T00:00:00"}, "timestamp"),
        ({"timestamp": 1735689600}, "timestamp"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": {"b": "\0"}}}, "metadata.a.b"),
        ({"metadata": {"a": [1, 10**400]}}, "metadata"),
        ({"id": ""}, "id"),
        ({"id": "-a"}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "a\n"}, "id"),
        ({"id": "x" * 129}, "id"),
        ({"spacecraftId": "SC-001"}, "spacecraftId"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_its_path(service: Service, client, database, given, path):
    before = await database.fetchval("SELECT count(*) FROM app.event")
    error = (await record(client, **given))["error"]
    assert error["code"] == "invalid_request"
    assert error["details"][0]["path"].startswith(path)
    assert await database.fetchval("SELECT count(*) FROM app.event") == before


async def test_metadata_is_bounded_in_size_and_in_depth(service: Service, client):
    assert (await record(client, metadata={"text": "x" * 300_000}))["error"]["code"] == "too_large"
    assert (await record(client, metadata={"text": "x" * 250_000}))["metadata"] == {"text": "x" * 250_000}
    body = b'{"type":"INFO","severity":"LOW","message":"m","metadata":{"a":%b}}'
    for depth, status in ((200, None), (100_000, "400")):
        reply = await client.request("missionops.events.record.SC-001", body % (b"[" * depth + b"]" * depth), timeout=6)
        assert (reply.headers or {}).get("Nats-Service-Error-Code") == status


async def test_pages_are_newest_first_and_stable_where_times_are_equal(service: Service, client):
    ids = [f"e{number:02}" for number in range(12)]
    for name in ids:
        await record(client, id=name, timestamp=f"2025-01-01T00:00:{int(name[1:]) // 4:02}Z")
    seen: list[str] = []
    request: dict[str, Any] = {"limit": 5}
    while True:
        reply = await client.request("missionops.events.list.SC-001", json.dumps(request).encode(), timeout=6)
        seen += [event["id"] for event in json.loads(reply.data)]
        if not (reply.headers or {}).get("Missionops-Next-Cursor"):
            break
        request["cursor"] = reply.headers["Missionops-Next-Cursor"]
        await record(client, id=f"later{len(seen)}", timestamp="2025-01-02T00:00:00Z")
    assert seen == sorted(ids, reverse=True)


async def test_a_config_change_is_an_event(service: Service, client, told):
    for version, before in ((1, None), (2, {})):
        await client.request("missionops.config.set.SC-001", b"{}", headers={"Missionops-Source": "gitops"})
        event = json.loads((await told.next_msg(PATIENCE)).data)
        assert ID.fullmatch(event.pop("id"))
        assert event.pop("timestamp").endswith("Z")
        assert event == {
            "spacecraftId": "SC-001",
            "type": "CONFIG_CHANGED",
            "severity": "LOW",
            "message": f"Config version {version} in force",
            "metadata": {"version": version, "source": "gitops", "by": "nats", "before": before, "after": {}},
        }
    assert [event["metadata"]["version"] for event in await listed(client)] == [2, 1]
    refused = await client.request("missionops.config.set.SC-001", b'{"parameters":{"a":{"warn":1}}}')
    assert json.loads(refused.data)["error"]["code"] == "invalid_request"
    assert len(await listed(client)) == 2


async def test_what_is_about_no_one_spacecraft_is_listed_under_fleet(service: Service, client, told):
    for number in range(3):
        await ask(client, "docs.create", id=f"d{number}", title="Title", body="Body")
    await ask(client, "docs.create", id="own", title="Title", body="Body", spacecraftId="SC-001")
    said = [json.loads((await told.next_msg(PATIENCE)).data) for _ in range(4)]
    assert await listed(client, "_fleet") == [said[2], said[1], said[0]]
    assert [event["spacecraftId"] for event in await listed(client, "_fleet")] == [None] * 3
    first = await client.request("missionops.events.list._fleet", b'{"limit":2}', timeout=6)
    cursor = (first.headers or {})["Missionops-Next-Cursor"]
    assert await listed(client, "_fleet", cursor=cursor, limit=2) == [said[0]]
    assert await listed(client) == [said[3]]


@pytest.mark.shared_service
@pytest.mark.parametrize(
    "operation", sorted({one.name for one in OPERATIONS if one.about_spacecraft} - {"events.list"})
)
async def test_nothing_else_is_about_the_fleet(service: Service, client, operation):
    [subject] = [one.subject for one in OPERATIONS if one.name == operation]
    error = (await ask(client, subject.removeprefix("missionops.").replace("*", "_fleet")))["error"]
    assert (error["code"], error["details"][0]["path"]) == ("invalid_request", "spacecraftId")


@pytest.mark.parametrize(
    ("query", "spacecraft", "index"),
    [
        (event_search._NEWEST_OF_ONE, ["'SC-001'"], "event_by_spacecraft"),
        (event_search._NEWEST_OF_FLEET, [], "event_by_spacecraft"),
        (event_search._NEWEST_OF_ALL, [], "event_by_time"),
        (event_search._NEWEST_OF_SEVERAL, ["'{SC-001}'"], "event_by_time"),
    ],
)
async def test_listing_events_reads_what_it_shows_and_no_more(database, query, spacecraft, index):
    await database.execute(
        """
        INSERT INTO app.event
        SELECT 'e' || n, CASE WHEN n % 3 = 0 THEN 'SC-001' END, now(), 'INFO', 'LOW', 'm', '{}'
        FROM generate_series(1, 5000) AS n
        """
    )
    await database.execute("ANALYZE app.event")
    values = ["now()", "''", "'1900-01-01Z'", "'2199-12-31Z'", "NULL", "NULL", "NULL", "10", *spacecraft]
    await database.execute(f"PREPARE newest AS {query}")
    plan = "\n".join([row[0] for row in await database.fetch(f"EXPLAIN EXECUTE newest ({', '.join(values)})")])
    assert f"Index Scan Backward using {index}" in plan
    assert "Sort" not in plan
    assert "ROW(" in plan.partition("Index Cond")[2].partition("Filter")[0]  # begins where the cursor says


async def test_an_event_registers_no_spacecraft(service: Service, client):
    await record(client)
    assert (await ask(client, "spacecraft.get.SC-001"))["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a b"},
        {"spacecraft_id": "_fleet"},
        {"type": "PARTY"},
        {"severity": "low"},
        {"message": ""},
        {"metadata": b"[]"},
    ],
)
async def test_the_table_itself_refuses_what_must_never_be_there(database_url, wrong):
    row = {"id": "a", "spacecraft_id": None, "type": "INFO", "severity": "LOW", "message": "m", "metadata": b"{}"}
    insert = 'INSERT INTO app.event (id, spacecraft_id, type, severity, message, metadata, "timestamp") VALUES ('
    async with databases.connected(database_url) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"{insert}$1, $2, $3, $4, $5, $6, now())", *(row | wrong).values())
        await connection.execute(f"{insert}$1, $2, $3, $4, $5, $6, now())", *row.values())
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("UPDATE app.event SET message = 'another'")


def test_the_reply_is_described_as_what_it_is():
    properties = msgspec.json.schema(Event)["$defs"]["Event"]["properties"]
    assert properties["metadata"] == {"type": "object"}
