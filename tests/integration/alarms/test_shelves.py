"""Shelves: what they hide, what is told of it, and how they end."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missionops.domain.severity import Severity
from missionops.ingest.alarms import shelving
from missionops.store import database as databases
from tests.stored_alarms import alarm

FOR_A_MINUTE = {"seconds": 60, "reason": "Test", "by": "alice"}


@pytest.fixture
def end_shelves(database_url):
    """Does what the owner's worker does each second, as if it were another time."""

    async def end_shelves(after: timedelta) -> int:
        async with databases.connected(database_url) as connection, connection.transaction():
            return await shelving.end_shelves(connection, datetime.now(UTC) + after)

    return end_shelves


async def test_what_is_shelved_stands_apart_and_counts_for_nothing(ask, client, store, transitions):
    told = await client.subscribe("alarms.SC-001")
    temp, volt, returned = await store(
        alarm(), alarm(parameter="volt", severity=Severity.MEDIUM),
        alarm(start="2024-01-01T00:00:00Z", end="2024-01-01T00:01:00Z"),
    )  # fmt: skip
    shelf = (await ask("shelve.SC-001", parameter="temp", **FOR_A_MINUTE)).body
    left = datetime.fromisoformat(shelf.pop("until")) - datetime.now(UTC)
    assert timedelta(seconds=30) < left <= timedelta(seconds=60)
    assert shelf == {
        "spacecraftId": "SC-001", "parameter": "temp", "check": None, "by": "alice", "reason": "Test", "hiding": 2,
    }  # fmt: skip
    found = (await ask("active")).body
    assert [one["id"] for one in found["items"]] == [volt]
    assert found["counts"] == {
        "active": {"LOW": 0, "MEDIUM": 1, "HIGH": 0, "CRITICAL": 0},
        "unacknowledged": {"LOW": 0, "MEDIUM": 1, "HIGH": 0, "CRITICAL": 0}, "shelved": 2,
    }  # fmt: skip
    status = await client.request("missionops.spacecraft.status.SC-001", timeout=6)
    assert json.loads(status.data)["overallStatus"] == "WARNING"
    listed = {one["id"]: one["shelved"] and one["shelved"]["reason"] for one in (await ask("list.SC-001")).body}
    assert listed == {temp: "Test", returned: "Test", volt: None}
    assert (await transitions(temp))[1:] == [("SHELVED", "alice", 2)]
    assert (len(await transitions(volt)), len(await transitions(returned))) == (1, 2)  # only what is open is told
    messages = [json.loads((await told.next_msg(5)).data) for _ in range(5)]
    assert messages[-1]["transition"] == "SHELVED"
    assert messages[-1]["alarm"]["shelved"]["by"] == "alice"


async def test_unshelving_tells_it_and_answers_what_was_shelved(ask, store, transitions):
    [identifier] = await store(alarm())
    shelf = (await ask("shelve.SC-001", parameter="temp", **FOR_A_MINUTE)).body
    assert (await ask("unshelve.SC-001", parameter="temp", by="bob", reason="Done")).body == shelf
    assert (await transitions(identifier))[1:] == [("SHELVED", "alice", 2), ("UNSHELVED", "bob", 3)]
    assert (await ask("active")).body["counts"]["shelved"] == 0
    for request in ({"parameter": "temp"}, {"parameter": "volt"}, {}, {"parameter": None}):
        refused = await ask("unshelve.SC-001", **request)
        assert refused.error == (404, "not_found")
        assert "SC-001" in refused.body["error"]["message"]


async def test_a_shelf_covers_a_check_a_parameter_silence_or_the_whole_spacecraft(ask, store):
    found = [
        alarm(parameter="temp"), alarm(parameter="temp", check="CHANGE"), alarm(parameter="volt"),
        alarm(parameter=""), alarm("SC-002"),
    ]  # fmt: skip
    await store(*found)
    for request, covered in (
        ({"parameter": "temp", "check": "CHANGE"}, {1}),
        ({"parameter": "temp"}, {0, 1}),
        ({"parameter": None}, {3}),
        ({"parameter": None, "check": "SILENT"}, {3}),
        ({"check": "SILENT"}, {3}),
        ({"check": "LIMIT"}, {0, 2}),
        ({}, {0, 1, 2, 3}),
    ):
        shelf = (await ask("shelve.SC-001", **FOR_A_MINUTE, **request)).body
        assert shelf["hiding"] == len(covered), request
        assert ("parameter" in shelf) == ("parameter" in request or request.get("check") == "SILENT")
        shown = {one["id"] for one in (await ask("active")).body["items"]}
        assert shown == {one.id for number, one in enumerate(found) if number not in covered}
        assert (await ask("unshelve.SC-001", **request)).status == 200


async def test_the_closest_of_several_shelves_is_shown_and_what_changes_is_told_once(ask, store, transitions):
    [identifier] = await store(alarm())
    await ask("shelve.SC-001", seconds=60, reason="All", by="alice")
    await ask("shelve.SC-001", parameter="temp", seconds=60, reason="Closer", by="bob")
    await ask("shelve.SC-001", parameter="volt", seconds=60, reason="Another", by="bob")  # changes nothing for it
    [found] = (await ask("list.SC-001")).body
    assert found["shelved"]["reason"] == "Closer"
    await ask("unshelve.SC-001", by="carol")  # it stays on the closer one
    await ask("shelve.SC-001", parameter="temp", check="LIMIT", seconds=60, reason="Closest", by="dave")
    await ask("unshelve.SC-001", parameter="temp", check="LIMIT", by="dave")  # back on the other
    await ask("unshelve.SC-001", parameter="temp", by="eve")
    assert (await transitions(identifier))[1:] == [
        ("SHELVED", "alice", 2), ("SHELVED", "bob", 3), ("SHELVED", "dave", 4), ("SHELVED", "dave", 5),
        ("UNSHELVED", "eve", 6),
    ]  # fmt: skip


async def test_a_shelf_that_has_run_out_ends_by_itself(ask, database, store, transitions, end_shelves):
    active, returned, other, closer = await store(
        alarm(), alarm(start="2024-01-01T00:00:00Z", end="2024-01-01T00:01:00Z"), alarm("SC-002"), alarm("SC-003")
    )
    await ask("shelve.SC-001", parameter="temp", seconds=10, reason="Short", by="alice")
    await ask("shelve.SC-002", seconds=1000, reason="Long", by="alice")
    await ask("shelve.SC-003", seconds=10, reason="Short", by="alice")
    await ask("shelve.SC-003", parameter="temp", seconds=1000, reason="Long", by="alice")
    assert await end_shelves(timedelta(0)) == 0
    assert await end_shelves(timedelta(seconds=20)) == 2
    assert await end_shelves(timedelta(seconds=20)) == 0
    assert (await transitions(active))[1:] == [("SHELVED", "alice", 2), ("UNSHELVED", None, 3)]
    for identifier, count in ((returned, 2), (other, 2), (closer, 3)):
        assert len(await transitions(identifier)) == count
    assert {(one["spacecraftId"], one["reason"]) for one in (await ask("shelves")).body} == {
        ("SC-002", "Long"), ("SC-003", "Long"),
    }  # fmt: skip
    message = json.loads(
        await database.fetchval("SELECT message FROM app.alarm_transition WHERE alarm_id = $1 AND revision = 3", active)
    )
    assert message["alarm"]["shelved"] is None


async def test_many_shelves_that_have_run_out_end_in_portions(service, database, end_shelves):
    await database.execute(
        """
        INSERT INTO app.alarm_shelf (spacecraft_id, is_whole, parameter, by, since, until, reason)
        SELECT 'SC-001', false, 'p' || number, 'alice', now(), now() + interval '1 hour', 'r'
        FROM generate_series(1, 150) AS number
        """
    )
    left = 150
    while ended := await end_shelves(timedelta(hours=2)):
        assert ended <= 100
        left -= ended
    assert (left, await database.fetchval("SELECT count(*) FROM app.alarm_shelf")) == (0, 0)


async def test_the_shelves_in_force_are_listed_with_what_they_hide(ask, http, store):
    await store(alarm("B"), alarm("B", "volt"))
    await ask("shelve.A", parameter="temp", **FOR_A_MINUTE)
    await ask("shelve.B", **FOR_A_MINUTE)
    await ask("shelve.B", parameter="volt", check="LIMIT", **FOR_A_MINUTE)
    found = (await ask("shelves")).body
    assert [(one["spacecraftId"], one.get("parameter", "all of it"), one["check"], one["hiding"]) for one in found] == [
        ("A", "temp", None, 0),
        ("B", "volt", "LIMIT", 1),
        ("B", "all of it", None, 2),
    ]
    assert (await http.get("/alarms/shelves")).json() == found


async def test_many_shelves_have_pages(ask, database):
    await database.execute(
        """
        INSERT INTO app.alarm_shelf (spacecraft_id, is_whole, parameter, by, until, reason)
        SELECT 'SC-' || number % 7, false, 'p' || number, 'alice', now() + interval '1 hour', repeat('r', 4000)
        FROM generate_series(1, 500) AS number
        """
    )
    found, request = list[Any](), dict[str, Any]()
    while True:
        reply = await ask("shelves", **request)
        found += [(one["spacecraftId"], one["parameter"]) for one in reply.body]
        if "Missionops-Next-Cursor" not in reply.headers:
            break
        request = {"cursor": reply.headers["Missionops-Next-Cursor"]}
    assert (len(found), found) == (500, sorted(set(found)))


async def test_shelving_again_is_a_new_time_and_two_at_once_are_one_shelf(ask, store, transitions):
    [identifier] = await store(alarm())
    await asyncio.gather(*(ask("shelve.SC-001", seconds=60 + n, reason=f"{n}", by=f"{n}") for n in range(10)))
    [shelf] = (await ask("shelves")).body
    happened = await transitions(identifier)
    assert [revision for *_, revision in happened] == list(range(1, 12))
    assert happened[-1][:2] == ("SHELVED", shelf["by"])
    replies = await asyncio.gather(*(ask("unshelve.SC-001", by=f"{n}") for n in range(10)))
    assert sorted(reply.status for reply in replies) == [200] + [404] * 9


async def test_a_shelf_leaves_an_event(ask, http, client):
    told = await client.subscribe("events.SC-001")
    shelf = (await ask("shelve.SC-001", parameter="temp", **FOR_A_MINUTE)).body
    await http.post("/alarms/unshelve", json={"spacecraftId": "SC-001", "parameter": "temp"})
    first, second = [json.loads((await told.next_msg(5)).data) for _ in range(2)]
    assert (first["message"], second["message"]) == (
        "Alarms of SC-001 temp shelved", "Alarms of SC-001 temp no longer shelved",
    )  # fmt: skip
    assert first["metadata"] == {
        "action": "alarm.shelve", "by": "alice", "via": "nats", "before": None, "after": shelf,
    }  # fmt: skip
    assert second["metadata"] == {"action": "alarm.unshelve", "by": "http", "before": shelf, "after": None}


@pytest.mark.shared_service
async def test_nothing_is_shelved_for_ever_or_for_no_reason(ask):
    for request, path in (
        ({"seconds": 2_592_001, "reason": "For ever"}, "seconds"),
        ({"seconds": 0, "reason": "r"}, "seconds"),
        ({"seconds": 1.5, "reason": "r"}, "seconds"),
        ({"reason": "r"}, "seconds"),
        ({"seconds": 60}, "reason"),
        ({"seconds": 60, "reason": ""}, "reason"),
        ({"seconds": 60, "reason": "x" * 4097}, "reason"),
        ({"seconds": 60, "reason": "r", "parameter": ""}, "parameter"),
        ({"seconds": 60, "reason": "r", "parameter": None, "check": "LIMIT"}, "check"),
        ({"seconds": 60, "reason": "r", "parameter": "temp", "check": "SILENT"}, "parameter"),
        ({"seconds": 60, "reason": "r", "check": "OTHER"}, "check"),
    ):
        reply = await ask("shelve.SC-001", **request)
        assert reply.error == (400, "invalid_request")
        assert reply.body["error"]["details"][0]["path"] == path
