"""What operators do with alarms: acknowledge them and write to them, over NATS and HTTP, two of them at once."""

import asyncio
import json

import pytest

from missionops.domain.alarm import MAX_COMMENTS
from tests.stored_alarms import acknowledged, alarm

UNKNOWN = "al_" + "0" * 32


def at(minute: int) -> str:
    return f"2025-01-01T00:{minute:02}:00Z"


async def test_an_acknowledgement_is_kept_told_and_published_in_order(ask, client, store, transitions):
    told = await client.subscribe("alarms.SC-001")
    active, returned = await store(alarm(parameter="volt"), alarm(end=at(1)))
    reply = await ask("acknowledge.SC-001", ids=[active, returned], comment="Seen", by="alice")
    assert (reply.status, reply.body["refused"]) == (200, [])
    assert [(one["id"], one["state"], one["revision"]) for one in reply.body["alarms"]] == [
        (active, "ACTIVE_ACKNOWLEDGED", 2), (returned, "CLOSED", 4),
    ]  # fmt: skip
    for one in reply.body["alarms"]:
        assert (one["acknowledged"]["by"], one["acknowledged"]["comment"]) == ("alice", "Seen")
    assert await transitions(active) == [("RAISED", None, 1), ("ACKNOWLEDGED", "alice", 2)]
    assert await transitions(returned) == [
        ("RAISED", None, 1), ("RETURNED", None, 2), ("ACKNOWLEDGED", "alice", 3), ("CLOSED", "alice", 4),
    ]  # fmt: skip
    messages = [json.loads((await told.next_msg(5)).data) for _ in range(6)]
    of_returned = [one for one in messages if one["alarm"]["id"] == returned]
    assert [(one["transition"], one["alarm"]["revision"], one["by"]) for one in of_returned] == [
        ("RAISED", 1, None), ("RETURNED", 2, None), ("ACKNOWLEDGED", 3, "alice"), ("CLOSED", 4, "alice"),
    ]  # fmt: skip


async def test_each_alarm_is_decided_by_itself(ask, store):
    good, other, closed, gone, merged, taken, changed = await store(
        alarm(parameter="a"),
        alarm("SC-002"),
        alarm(parameter="b", end=at(1), waits=False),
        alarm(parameter="c", is_retracted=True),
        alarm(parameter="e", is_retracted=True),
        acknowledged(alarm(parameter="f"), "bob"),
        alarm(parameter="g"),
    )
    everything = [UNKNOWN, other, closed, gone, merged, taken, changed, good, good, "nonsense"]
    reply = await ask("acknowledge.SC-001", ids=everything, revisions={changed: 7, taken: 7, good: 1}, by="alice")
    assert [(one["id"], one["acknowledged"]["by"]) for one in reply.body["alarms"]] == [(taken, "bob"), (good, "alice")]
    assert {one["id"]: one["code"] for one in reply.body["refused"]} == {
        UNKNOWN: "not_found", other: "not_found", "nonsense": "not_found", closed: "conflict", gone: "conflict",
        merged: "conflict", changed: "conflict",
    }  # fmt: skip
    [message] = [one["message"] for one in reply.body["refused"] if one["id"] == changed]
    assert message == "It has changed since: its revision is 1, not 7. Look at it again."
    again = await ask("acknowledge.SC-001", ids=[good], revisions={good: 1}, by="carol")
    assert again.body["alarms"] == [reply.body["alarms"][1]]  # as it is, whatever the revision


async def test_an_alarm_that_was_merged_says_into_which(ask, store):
    [stays] = await store(alarm())
    [merged] = await store(alarm(start=at(1), is_retracted=True, merged_into=stays))
    reply = await ask("acknowledge.SC-001", ids=[merged])
    assert reply.body["refused"] == [
        {"id": merged, "code": "conflict", "message": f"It was retracted: it goes on as {stays}."}
    ]


async def test_the_older_ones_of_its_check_that_have_returned_go_with_it(ask, store, transitions):
    oldest, older, newest, later, elsewhere, parameter = await store(
        alarm(start=at(0), end=at(1)),
        alarm(start=at(2), end=at(3)),
        alarm(start=at(4), end=at(5)),
        alarm(start=at(6), end=at(7)),
        alarm("SC-002", start=at(0), end=at(1)),
        alarm(parameter="volt", start=at(0), end=at(1)),
    )
    reply = await ask("acknowledge.SC-001", ids=[newest], comment="All of them", by="alice")
    assert [one["id"] for one in reply.body["alarms"]] == [newest]
    for identifier in (oldest, older, newest):
        assert (await transitions(identifier))[2:] == [("ACKNOWLEDGED", "alice", 3), ("CLOSED", "alice", 4)]
    for identifier in (later, elsewhere, parameter):
        assert len(await transitions(identifier)) == 2
    refused = await ask("acknowledge.SC-001", ids=[later], revisions={later: 9})
    assert [one["code"] for one in refused.body["refused"]] == ["conflict"]


async def test_what_is_refused_takes_no_older_one_with_it(ask, store, transitions):
    older, newest = await store(alarm(start=at(0), end=at(1)), alarm(start=at(2)))
    await ask("acknowledge.SC-001", ids=[newest], revisions={newest: 9})
    assert len(await transitions(older)) == 2


async def test_so_many_older_ones_are_acknowledged_in_several_requests(ask, store, monkeypatch):
    monkeypatch.setattr("missionops.operations.alarm_actions._MOST_OLDER", 2)
    *_, newest = await store(*(alarm(start=at(2 * number), end=at(2 * number + 1)) for number in range(6)))
    for left in (3, 1):
        reply = await ask("acknowledge.SC-001", ids=[newest])
        assert (reply.body["alarms"], reply.body["refused"][0]["code"]) == ([], "unavailable")
        assert len((await ask("list.SC-001", state="UNACKNOWLEDGED")).body) == left + 1
    reply = await ask("acknowledge.SC-001", ids=[newest])
    assert [one["id"] for one in reply.body["alarms"]] == [newest]
    assert (await ask("list.SC-001", state="UNACKNOWLEDGED")).body == []


async def test_two_operators_at_once(ask, store, transitions):
    found = await store(*(alarm(parameter=f"p{number}") for number in range(50)))
    first, second = await asyncio.gather(
        ask("acknowledge.SC-001", ids=found, by="alice"), ask("acknowledge.SC-001", ids=found[::-1], by="bob")
    )
    assert (len(first.body["alarms"]), len(second.body["alarms"])) == (50, 50)
    for identifier in found:
        happened = await transitions(identifier)
        assert [revision for *_, revision in happened] == [1, 2]
    by = {one["id"]: one["acknowledged"]["by"] for one in first.body["alarms"]}
    assert {one["id"]: one["acknowledged"]["by"] for one in second.body["alarms"]} == by
    seen = await asyncio.gather(*(ask("comment.SC-001", id=found[0], comment=f"{number}") for number in range(20)))
    assert sorted(one.body["revision"] for one in seen) == list(range(3, 23))


async def test_http_takes_alarms_of_several_spacecraft(http, store, database):
    found = await store(alarm("A"), alarm("B"), alarm("B", "volt"))
    reply = await http.post("/alarms/acknowledge", json={"ids": [*found, UNKNOWN], "comment": "Seen", "by": "alice"})
    assert [(one["spacecraftId"], one["acknowledged"]["by"]) for one in reply.json()["alarms"]] == [
        ("A", "alice"), ("B", "alice"), ("B", "alice"),
    ]  # fmt: skip
    assert [one["code"] for one in reply.json()["refused"]] == ["not_found"]
    assert await database.fetchval("SELECT count(*) FROM app.event WHERE message LIKE '%acknowledged%'") == 2


async def test_more_than_fit_into_one_reply_are_acknowledged_in_several_requests(ask, http, store):
    text = "x" * 3_000
    found = await store(*(alarm(parameter=f"p{number}", description=text) for number in range(400)))
    reply = await ask("acknowledge.SC-001", ids=found)
    assert reply.status == 200
    assert 100 < len(reply.body["alarms"]) < 400
    assert {one["code"] for one in reply.body["refused"]} == {"unavailable"}
    assert len((await ask("search", state="ACTIVE_ACKNOWLEDGED", limit=1000)).body) >= 100
    whole = await http.post("/alarms/acknowledge", json={"ids": found})
    assert (len(whole.json()["alarms"]), whole.json()["refused"]) == (400, [])


async def test_comments_are_kept_whatever_the_state(ask, http, store, transitions):
    active, gone = await store(alarm(), alarm(parameter="volt", is_retracted=True))
    for identifier in (active, gone):
        found = (await ask("comment.SC-001", id=identifier, comment="Über uns", by="alice")).body
        assert [(one["by"], one["comment"]) for one in found["comments"]] == [("alice", "Über uns")]
    over_http = await http.post(f"/alarms/{active}/comments", json={"comment": "Again"})
    assert [one["by"] for one in over_http.json()["comments"]] == ["alice", "http"]
    assert (await transitions(active))[1:] == [("COMMENTED", "alice", 2), ("COMMENTED", "http", 3)]
    assert (await ask("comment.SC-002", id=active, comment="x")).error == (404, "not_found")
    assert (await ask("comment.SC-001", id=UNKNOWN, comment="x")).error == (404, "not_found")
    assert (await http.post(f"/alarms/{active}/comments", json={"id": active, "comment": "x"})).status_code == 400


async def test_however_long_its_comments_an_alarm_is_one_message(ask, client, store):
    told = await client.subscribe("alarms.SC-001")
    [identifier] = await store(alarm())
    for number in range(MAX_COMMENTS + 5):
        reply = await ask("comment.SC-001", id=identifier, comment=chr(1) * 4_090 + f"{number:05}")
        assert reply.status == 200
    assert reply.body["comments"][-1]["comment"].endswith(f"{MAX_COMMENTS + 4:05}")
    assert 1 < len(reply.body["comments"]) < 10
    revisions = [json.loads((await told.next_msg(5)).data)["alarm"]["revision"] for _ in range(MAX_COMMENTS + 6)]
    assert revisions == list(range(1, MAX_COMMENTS + 7))


async def test_bad_input_is_refused_with_its_field(ask, http, store):
    [identifier] = await store(alarm())
    for subject, request, path in (
        ("acknowledge.SC-001", {"ids": []}, "ids"),
        ("acknowledge.SC-001", {"ids": [identifier] * 1001}, "ids"),
        ("acknowledge.SC-001", {"ids": ["x" * 65]}, "ids.0"),
        ("acknowledge.SC-001", {"ids": [identifier], "comment": ""}, "comment"),
        ("acknowledge.SC-001", {"ids": [identifier], "comment": "a\0b"}, "comment"),
        ("acknowledge.SC-001", {"ids": [identifier], "revisions": {UNKNOWN: 1}}, f"revisions.{UNKNOWN}"),
        ("acknowledge.SC-001", {"ids": [identifier], "by": ""}, "by"),
        ("acknowledge.SC-001", {"ids": [identifier], "spacecraftId": "SC-001"}, "spacecraftId"),
        ("comment.SC-001", {"id": identifier, "comment": "x" * 1_000_000}, "comment"),
        ("comment.SC-001", {"id": identifier, "comment": "x" * 4097}, "comment"),
        ("comment.SC-001", {"id": identifier}, "comment"),
    ):
        reply = await ask(subject, **request)
        assert reply.error == (400, "invalid_request"), request
        assert reply.body["error"]["details"][0]["path"] == path
    huge = await http.post(f"/alarms/{identifier}/comments", json={"comment": "x" * 2_000_000})
    assert huge.status_code == 413
    assert (await http.post("/alarms/acknowledge", json={"ids": [identifier], "spacecraftId": "A"})).status_code == 400
    [found] = (await ask("list.SC-001")).body
    assert (found["revision"], found["comments"]) == (1, [])


async def test_each_action_leaves_an_event(ask, http, client, store):
    identifier, returned = await store(alarm(), alarm(parameter="volt", end=at(1)))
    told = await client.subscribe("events.SC-001")
    await ask("acknowledge.SC-001", ids=[identifier], comment="Seen", by="alice")
    await http.post("/alarms/acknowledge", json={"ids": [identifier, returned]})
    await ask("acknowledge.SC-001", ids=[identifier])  # changes nothing
    await ask("comment.SC-001", id=identifier, comment="Why?")
    events = [json.loads((await told.next_msg(5)).data) for _ in range(3)]
    assert [(one["type"], one["message"]) for one in events] == [
        ("INFO", "Alarm acknowledged: Parameter temp above critHigh 70"),
        ("INFO", "Alarm acknowledged: Parameter volt above critHigh 70"),
        ("INFO", "Alarm commented: Parameter temp above critHigh 70"),
    ]
    first, second, third = (one["metadata"] for one in events)
    assert (first["action"], first["by"], first["via"]) == ("alarm.acknowledge", "alice", "nats")
    assert first["alarms"] == [{"id": identifier, "parameter": "temp", "check": "LIMIT"}]
    assert first["before"] == {"acknowledged": None}
    assert first["after"]["acknowledged"]["comment"] == "Seen"
    assert (second["by"], "via" in second) == ("http", False)
    assert (third["action"], third["alarm"], third["after"]) == ("alarm.comment", identifier, "Why?")


@pytest.mark.parametrize("name", ["", "x"])
async def test_who_acts_is_said_by_the_request_where_no_token_says_it(ask, http, store, name):
    found = await store(alarm(), alarm(parameter="volt"))
    given = {"by": name} if name else {}
    over_nats = await ask("acknowledge.SC-001", ids=found[:1], **given)
    over_http = await http.post("/alarms/acknowledge", json={"ids": found[1:], **given})
    assert over_nats.body["alarms"][0]["acknowledged"]["by"] == (name or "nats")
    assert over_http.json()["alarms"][0]["acknowledged"]["by"] == (name or "http")
