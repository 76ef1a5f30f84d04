"""Lists of alarms: filters, pages, and what stands now."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from missionops.domain.alarm import CHECKS
from missionops.domain.severity import Severity
from missionops.operations.alarms import Check
from tests.stored_alarms import acknowledged, alarm


def at(minute: int) -> str:
    return f"2025-01-01T00:{minute:02}:00Z"


@pytest.fixture
async def several(store) -> dict[str, str]:
    """Alarms of two spacecraft in each state, by a name for each."""
    found = {
        "active": alarm(start=at(5)),
        "taken": acknowledged(alarm(parameter="volt", start=at(4), severity=Severity.LOW, subsystem="EPS")),
        "returned": alarm(start=at(1), end=at(2)),
        "returned earlier": alarm(start=at(0), end=at(1)),
        "closed": acknowledged(alarm(parameter="volt", start=at(0), end=at(1))),
        "gone": alarm(parameter="mode", start=at(3), is_retracted=True),
        "silent": alarm(parameter="", start=at(6), severity=Severity.CRITICAL),
        "other": alarm("SC-002", start=at(5), severity=Severity.MEDIUM),
    }
    await store(*found.values())
    return {one.id: name for name, one in found.items()}


def names(found, several) -> list[str]:
    return [several[one["id"]] for one in found]


async def test_the_checks_of_a_request_are_those_there_are():
    assert set(get_args(Check)) == set(CHECKS)


async def test_each_filter_has_to_hold(ask, several):
    newest = ["silent", "active", "taken", "gone", "returned", "closed", "returned earlier"]
    everything = names((await ask("list.SC-001")).body, several)
    assert (sorted(everything), everything[:5]) == (sorted(newest), newest[:5])
    for request, expected in (
        ({"state": "ACTIVE"}, {"silent", "active", "taken"}),
        ({"state": "UNACKNOWLEDGED"}, {"silent", "active", "returned", "returned earlier"}),
        ({"state": "ACTIVE_ACKNOWLEDGED"}, {"taken"}),
        ({"state": "RETURNED_UNACKNOWLEDGED"}, {"returned", "returned earlier"}),
        ({"state": "CLOSED"}, {"closed"}),
        ({"state": "RETRACTED"}, {"gone"}),
        ({"minSeverity": "CRITICAL"}, {"silent"}),
        ({"minSeverity": "LOW"}, set(newest)),
        ({"parameter": "volt"}, {"taken", "closed"}),
        ({"check": "SILENT"}, {"silent"}),
        ({"check": "LIMIT", "state": "ACTIVE"}, {"active", "taken"}),
        ({"from": at(2), "to": at(3)}, {"returned", "gone"}),
        ({"to": at(0)}, {"returned earlier", "closed"}),
        ({"from": at(6)}, {"silent", "active", "taken", "gone"}),  # what did not end overlaps all that is later
    ):
        assert set(names((await ask("list.SC-001", **request)).body, several)) == expected, request
    assert (await ask("list.unknown")).body == []


async def test_a_search_is_over_all_spacecraft_and_takes_a_text(ask, several):
    everything = (await ask("search")).body
    assert [one["id"] for one in everything] == [
        one["id"] for one in sorted(everything, key=lambda one: (one["start"], one["id"]), reverse=True)
    ]
    assert len(everything) == 8
    for text, expected in (
        ("sc-002", {"other"}),
        ("VOLT above", {"taken", "closed"}),
        ("eps", {"taken"}),
        ("nothing was", {"silent"}),
        ("100%", set()),
        ("_", set()),
    ):
        assert set(names((await ask("search", q=text)).body, several)) == expected, text
    assert names((await ask("search", spacecraftId="SC-002")).body, several) == ["other"]
    assert names((await ask("search", subsystem="EPS")).body, several) == ["taken"]


async def test_pages_hold_each_alarm_once(ask, http, several):
    whole = (await ask("search", limit=1000)).body
    for limit in (1, 3, 8):
        found, request = [], {"limit": limit}
        while True:
            reply = await ask("search", **request)
            found += reply.body
            if "Missionops-Next-Cursor" not in reply.headers:
                break
            request["cursor"] = reply.headers["Missionops-Next-Cursor"]
        assert found == whole
    over_http = await http.get("/alarms/search", params={"limit": 3})
    assert over_http.json() == whole[:3]
    assert over_http.headers["missionops-next-cursor"]


async def test_what_stands_is_one_line_for_each_check_the_worst_first(ask, several):
    found = (await ask("active")).body
    assert [(several[one["id"]], one["earlier"]) for one in found["items"]] == [
        ("silent", 0), ("active", 2), ("other", 0), ("taken", 0),
    ]  # fmt: skip
    assert found["counts"] == {
        "active": {"LOW": 1, "MEDIUM": 1, "HIGH": 1, "CRITICAL": 1},
        "unacknowledged": {"LOW": 0, "MEDIUM": 1, "HIGH": 3, "CRITICAL": 1}, "shelved": 0,
    }  # fmt: skip
    assert found["total"] == 4
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found["at"])).total_seconds()) < 60
    for request, expected in (
        ({"minSeverity": "HIGH"}, ["silent", "active"]),
        ({"subsystem": "EPS"}, ["taken"]),
        ({"q": "temp"}, ["active", "other"]),
        ({"limit": 1}, ["silent"]),
        ({"spacecraftId": "SC-002"}, ["other"]),
        ({"check": "SILENT"}, ["silent"]),
        ({"state": "ACTIVE_ACKNOWLEDGED"}, ["taken"]),
        ({"state": "UNACKNOWLEDGED"}, ["silent", "active", "other"]),
    ):
        filtered = (await ask("active", **request)).body
        assert filtered["total"] == (4 if "limit" in request else len(expected))
        assert names(filtered["items"], several) == expected
        assert filtered["counts"] == found["counts"]


async def test_the_lines_of_what_stands_have_pages(ask, http, several):
    whole = (await ask("active")).body["items"]
    found, request = [], {"limit": 2}
    while True:
        reply = await http.get("/alarms/active", params=request)
        found += reply.json()["items"]
        if "missionops-next-cursor" not in reply.headers:
            break
        request["cursor"] = reply.headers["missionops-next-cursor"]
    assert found == whole


async def test_what_waits_for_an_operator_comes_first_where_that_is_asked_for(ask, http, store):
    await store(
        acknowledged(alarm(parameter="a", severity=Severity.CRITICAL)),
        alarm(parameter="b", severity=Severity.LOW),
        alarm(parameter="c", severity=Severity.HIGH, end="2025-01-01T01:00:00Z"),
        acknowledged(alarm(parameter="d", severity=Severity.MEDIUM)),
    )
    assert [one["parameter"] for one in (await ask("active")).body["items"]] == ["a", "c", "d", "b"]
    whole = (await ask("active", waitingFirst=True)).body["items"]
    assert [one["parameter"] for one in whole] == ["c", "b", "a", "d"]
    found, request = [], {"limit": 1, "waitingFirst": "true"}
    while True:
        reply = await http.get("/alarms/active", params=request)
        found += reply.json()["items"]
        assert reply.json()["total"] == 4
        if "missionops-next-cursor" not in reply.headers:
            break
        request["cursor"] = reply.headers["missionops-next-cursor"]
    assert found == whole


async def test_an_alarm_that_is_masked_is_shown_so_and_counted(ask, store):
    await store(alarm(parameter="bus"), alarm(parameter="temp", masked_by="bus", severity=Severity.LOW))
    found = (await ask("active")).body
    assert [(one["parameter"], one["masked"]) for one in found["items"]] == [("bus", False), ("temp", True)]
    assert found["counts"]["active"] == {"LOW": 1, "MEDIUM": 0, "HIGH": 1, "CRITICAL": 0}


async def test_an_alarm_has_its_history_and_the_titles_of_its_documents(ask, http, client, store):
    await client.request(
        "missionops.docs.create", json.dumps({"id": "battery", "title": "Warm it", "body": "b"}).encode()
    )
    [identifier] = await store(alarm(end=at(1), documents=["battery", "unknown"]))
    await ask("acknowledge.SC-001", ids=[identifier], comment="Seen", by="alice")
    found = (await ask("get.SC-001", id=identifier)).body
    assert found["documents"] == [{"id": "battery", "title": "Warm it"}, {"id": "unknown", "title": None}]
    assert [(one["transition"], one["by"], one["comment"], one["revision"]) for one in found["history"]] == [
        ("RAISED", None, None, 1), ("RETURNED", None, None, 2), ("ACKNOWLEDGED", "alice", "Seen", 3),
        ("CLOSED", "alice", None, 4),
    ]  # fmt: skip
    [listed] = (await ask("list.SC-001")).body
    assert {**found, "documents": ["battery", "unknown"]} == listed | {"history": found["history"]}
    assert (await http.get(f"/alarms/{identifier}")).json() == found
    assert listed["state"] == "CLOSED"
    assert set(listed) == {
        "id", "spacecraftId", "parameter", "check", "severity", "level", "state", "shelved", "masked", "start",
        "raisedAt", "end", "foundAt", "late", "reason", "mergedInto", "samples", "first", "peak", "last", "limit",
        "configVersion", "description", "unit", "subsystem", "guidance", "documents", "acknowledged", "comments",
        "revision", "updatedAt",
    }  # fmt: skip


async def test_an_alarm_that_is_not_there_or_of_another_spacecraft_is_not_found(ask, http, store):
    [identifier] = await store(alarm())
    for subject, name in (("SC-002", identifier), ("SC-001", "al_" + "0" * 32), ("SC-001", "nothing")):
        assert (await ask(f"get.{subject}", id=name)).error == (404, "not_found")
    assert (await http.get("/alarms/al_1")).status_code == 404


async def test_a_long_history_has_pages(ask, store, database):
    [identifier] = await store(alarm())
    await database.execute(
        """
        INSERT INTO app.alarm_transition (alarm_id, revision, transition, by, at, comment, spacecraft_id, message)
        SELECT $1, number, 'COMMENTED', 'alice', now(), repeat('x', 4096), 'SC-001', '{}'
        FROM generate_series(2, 500) AS number
        """,
        identifier,
    )
    found, request = [], {"id": identifier}
    while True:
        reply = await ask("get.SC-001", **request)
        assert reply.body["id"] == identifier
        found += [one["revision"] for one in reply.body["history"]]
        if "Missionops-Next-Cursor" not in reply.headers:
            break
        request["cursor"] = reply.headers["Missionops-Next-Cursor"]
    assert found == list(range(1, 501))


async def test_answers_say_up_to_which_time_telemetry_is_in_them(ask, http, client, store, database):
    await store(alarm())
    assert "Missionops-Handled-At" not in (await ask("active")).headers  # nothing was handled yet
    await database.execute("UPDATE app.checkpoint SET sequence_time = 1735689600123456789")
    for subject in ("active", "list.SC-001", "search"):
        assert (await ask(subject)).headers["Missionops-Handled-At"] == "2025-01-01T00:00:00.123456Z"
    for path in ("/alarms/active", "/alarms?spacecraftId=SC-001", "/alarms/search"):
        assert (await http.get(path)).headers["missionops-handled-at"] == "2025-01-01T00:00:00.123456Z"


@pytest.mark.shared_service
async def test_a_bad_request_names_its_field(ask):
    for subject, request, path in (
        ("list.SC-001", {"state": "OPEN"}, "state"),
        ("list.SC-001", {"limit": 0}, "limit"),
        ("list.SC-001", {"check": "limit"}, "check"),
        ("list.SC-001", {"q": "x"}, "q"),
        ("list.SC-001", {"from": at(1), "to": at(0)}, "to"),
        ("search", {"spacecraftId": "SC 001"}, "spacecraftId"),
        ("active", {"limit": 1001}, "limit"),
        ("active", {"cursor": "x"}, "cursor"),
        ("get.SC-001", {}, "id"),
    ):
        reply = await ask(subject, **request)
        assert reply.error == (400, "invalid_request")
        assert reply.body["error"]["details"][0]["path"] == path


async def test_many_alarms_do_not_fit_into_one_reply(ask, store, database_url):
    text = "x" * 1_000
    await store(*(alarm(f"SC-{number:03}", start=at(number % 60), description=text) for number in range(900)))
    found = await ask("search", limit=1000)
    assert len(found.body) < 900
    rest = await ask("search", limit=1000, cursor=found.headers["Missionops-Next-Cursor"])
    assert len(found.body) + len(rest.body) == 900
    lines = await ask("active", limit=1000)
    assert len(lines.body["items"]) < 900
    assert lines.body["counts"]["active"]["HIGH"] == 900
