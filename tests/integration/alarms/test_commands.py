"""The commands about alarms, for people and for programs."""

import asyncio
import json

import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.domain.severity import Severity
from tests.stored_alarms import acknowledged, alarm

RED, BLUE = f"al_aa{'1' * 30}", f"al_bb{'2' * 30}"


@pytest.fixture(autouse=True)
def _alice(monkeypatch):
    monkeypatch.setenv("LOGNAME", "alice")


@pytest.fixture(autouse=True)
async def _known(service: Service, client: Client) -> None:
    for spacecraft_id in ("SC-001", "SC-002"):
        await client.request(f"missionops.spacecraft.register.{spacecraft_id}", timeout=5)


@pytest.fixture
async def several(store) -> None:
    await store(
        alarm(id=RED, severity=Severity.CRITICAL, subsystem="EPS", documents=["heater"]),
        acknowledged(alarm(parameter="volt", id=BLUE, severity=Severity.LOW), "bob"),
        alarm("SC-002", "mode", start="2025-01-02T00:00:00Z", end="2025-01-02T01:00:00Z"),
    )


@pytest.mark.usefixtures("several")
async def test_lists_say_what_stands_since_when_and_how_bad(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, err = await run("list-alarms", "--standing")
    assert (code, err) == (0, "1 CRITICAL, 1 LOW active, 2 to acknowledge.\n")
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[0] == ["severity", "spacecraft", "alarm"]
    assert " ".join(lines[2]) == "CRITICAL SC-001 Parameter temp above critHigh 70, now 71.5 °C"
    assert lines[3] == ["ACTIVE", "2025-01-01", "00:00:00", "al_aa111111"]
    code, out, _ = await run("list-alarms", "SC-001", "--state", "active")
    assert "LOW 2025-01-01 00:00:00 Parameter volt" in " ".join(out.split())
    assert "ACKNOWLEDGED al_bb222222, acknowledged by bob" in " ".join(out.split())
    assert "SC-001" not in out
    code, out, err = await run("list-alarms", "--limit", "1")
    assert "RETURNED" in out
    assert "until 2025-01-02 01:00:00" in out
    assert "There are more than these 1" in err
    code, out, err = await run("list-alarms", "SC-009")
    assert (code, out) == (0, "")
    assert err.startswith("No alarms of SC-009 are stored for that.\nNo spacecraft SC-009 is known")
    for wrong in (("SC-001", "--search", "x"), ("--standing", "--from", "-1d"), ("--subsystem", "EPS")):
        assert (await run("list-alarms", *wrong))[0] == 2


@pytest.mark.usefixtures("several")
async def test_of_what_stands_some_may_be_asked_for(run):
    for words, shown in (
        (("SC-001",), "al_aa111111 al_bb222222"),
        (("SC-001", "--state", "active_acknowledged"), "al_bb222222"),
        (("--check", "limit", "--min-severity", "high", "--subsystem", "EPS"), "al_aa111111"),
        (("SC-009",), ""),
    ):
        code, out, err = await run("list-alarms", *words, "--standing")
        ids = [word.rstrip(",") for word in out.split() if word.startswith("al_")]
        assert (code, " ".join(ids)) == (0, shown)
        assert err.startswith("In all: 1 CRITICAL, 1 LOW active, 2 to acknowledge.\n")
        assert ("No spacecraft SC-009 is known" in err) == (words == ("SC-009",))
    _, out, err = await run("list-alarms", "--standing", "--limit", "1")
    assert out.count("al_") == 1
    assert err.startswith("These are the first 1 of 3: --limit shows more.\n")


@pytest.mark.usefixtures("several")
async def test_a_narrow_terminal_holds_a_list(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = await run("list-alarms")
    assert max(map(len, out.splitlines())) <= 80
    assert "2025-01-01 00:00:00" in out
    assert "al_aa111111" in out


@pytest.mark.usefixtures("several")
async def test_an_alarm_is_shown_with_all_that_happened(run):
    code, out, err = await run("show-alarm", "SC-001", "al_aa11")
    assert (code, err) == (0, "")
    for part in (RED, "CRITICAL", "nobody has acknowledged it", "71.5 °C at 2025-01-01 00:00:00", "EPS", "the service"):
        assert part in out
    assert "heater: no document that you may see" in out
    code, out, err = await run("show-alarm", "SC-001", "al_cc11")
    assert (code, out, err) == (1, "", "Error: No alarm of SC-001 has an id that begins with al_cc11.\n")
    assert (await run("show-alarm", "SC-001", "al_"))[0] == 2
    code, out, _ = await run("show-alarm", "SC-001", RED, "--json")
    assert json.loads(out)["history"][0]["transition"] == "RAISED"


@pytest.mark.usefixtures("several")
async def test_alarms_are_acknowledged_by_the_beginnings_of_their_ids(run, ask):
    code, out, err = await run("acknowledge", "SC-001", "al_aa11", "--comment", "Heater is on")
    assert (code, err) == (0, "")
    assert out == "al_aa111111 acknowledged by alice: Parameter temp above critHigh 70, ACKNOWLEDGED\n"
    assert (await ask("get.SC-001", id=RED)).body["acknowledged"]["comment"] == "Heater is on"
    unknown = f"al_{'0' * 32}"
    code, out, err = await run("acknowledge", "SC-001", unknown, RED)
    assert (code, out[:11], err) == (1, "al_aa111111", f"al_00000000 not acknowledged: There is no alarm {unknown}.\n")
    for wrong in ((), ("--all", RED), (RED, "--parameter", "temp")):
        assert (await run("acknowledge", "SC-001", *wrong))[0] == 2


async def test_all_that_waits_is_acknowledged_at_once(run, store, ask):
    await store(*(alarm(parameter=f"p{number}") for number in range(5)), alarm("SC-002"))
    code, out, _ = await run("acknowledge", "SC-001", "--all", "--parameter", "p1", "--by", "carol")
    assert (code, out.count("acknowledged by carol")) == (0, 1)
    code, out, _ = await run("acknowledge", "SC-001", "--all", "--json")
    assert (code, len(json.loads(out)["alarms"])) == (0, 4)
    code, out, err = await run("acknowledge", "SC-001", "--all")
    assert (code, out, err) == (0, "", "No alarm of SC-001 waits for that.\n")
    assert sum((await ask("active")).body["counts"]["unacknowledged"].values()) == 1


async def test_more_alarms_than_one_response_holds_are_all_acknowledged(run, store, ask):
    await store(*(alarm(parameter=f"p{number}", description="x" * 4_000) for number in range(1_050)))
    code, out, err = await run("acknowledge", "SC-001", "--all")
    assert (code, out.count("acknowledged by alice"), err) == (0, 1_050, "")
    assert sum((await ask("active")).body["counts"]["unacknowledged"].values()) == 0


@pytest.mark.usefixtures("several")
async def test_a_comment(run, ask):
    code, out, err = await run("comment", "SC-001", "al_bb22", "As last week")
    assert (code, out, err) == (0, f"{BLUE}: comment 1 added\n", "")
    [found] = (await ask("get.SC-001", id=BLUE)).body["comments"]
    assert (found["by"], found["comment"]) == ("alice", "As last week")


async def test_what_is_done_with_alarms_of_a_spacecraft_that_nobody_knows_says_so(run):
    for words in (
        ("shelve", "SC-009", "--for", "1h", "--reason", "Test"), ("unshelve", "SC-009"), ("alarm-statistics", "SC-009"),
        ("acknowledge", "SC-009", "--all"),
    ):  # fmt: skip
        code, _, err = await run(*words)
        assert (code, "No spacecraft SC-009 is known" in err) == (0, True), err


@pytest.mark.usefixtures("several")
async def test_shelves(run, ask):
    assert await run("list-shelves") == (0, "", "Nothing is shelved.\n")
    code, out, err = await run("shelve", "SC-001", "--parameter", "temp", "--for", "8h", "--reason", "Heater test")
    assert (code, err) == (0, "")
    assert out.startswith("SC-001 temp: shelved until 2")
    assert out.endswith("UTC; alarms hidden: 1\n")
    await run("shelve", "SC-002", "--for", "30m", "--reason", "Update", "--by", "bob")
    code, out, _ = await run("list-shelves")
    rows = [line.split() for line in out.splitlines() if line.strip().startswith("SC-")]
    assert (rows[0][:2], rows[0][4:]) == (["SC-001", "temp"], ["alice", "1", "Heater", "test"])
    assert (rows[1][:4], rows[1][6:]) == (["SC-002", "all", "of", "it"], ["bob", "1", "Update"])
    _, _, err = await run("list-alarms", "--standing")
    assert err == "1 LOW active, 0 to acknowledge, 2 shelved.\n"
    code, out, _ = await run("unshelve", "SC-001", "--parameter", "temp")
    assert (code, out) == (0, "SC-001 temp: no longer shelved; alarms that were hidden: 1\n")
    code, out, err = await run("unshelve", "SC-001", "--parameter", "temp")
    assert (code, out) == (1, "")
    assert "no shelf for SC-001 temp" in err
    assert (await run("shelve", "SC-001", "--for", "31d", "--reason", "For ever"))[0] == 1
    assert (await run("shelve", "SC-001", "--for", "soon", "--reason", "r"))[0] == 2
    code, out, _ = await run("shelve", "SC-001", "--check", "silent", "--for", "1h", "--reason", "r", "--json")
    assert json.loads(out)["parameter"] is None


@pytest.mark.usefixtures("several")
async def test_figures(run):
    code, out, err = await run("alarm-statistics")
    assert (code, err) == (0, "")
    assert "3: 1 CRITICAL, 1 HIGH, 1 LOW" in out
    assert "most frequent" in out
    assert "chattering" not in out
    code, out, _ = await run("alarm-statistics", "SC-002", "--json")
    assert json.loads(out)["alarms"] == 1


@pytest.mark.usefixtures("several")
async def test_status_and_fleet_say_how_many_stand(run, client):
    for name in ("SC-001", "SC-002"):
        await client.request(f"missionops.spacecraft.register.{name}", timeout=6)
    _, out, _ = await run("status", "SC-001")
    assert "1 CRITICAL, 1 LOW active, 1 to acknowledge" in out
    _, out, _ = await run("fleet")
    assert ["SC-001", "CRITICAL", "2", "never", "0", "0"] in [line.split() for line in out.splitlines()]


async def test_watch_shows_alarms(run, store, client):
    watching = asyncio.create_task(run("watch", "--since", "1h", "--count", "2"))
    await store(alarm(id=RED), alarm("SC-002", end="2025-01-01T01:00:00Z"))
    code, out, err = await watching
    assert (code, err) == (0, "Watching alarms.*; Ctrl-C ends.\n")
    lines = [line.split(maxsplit=4) for line in out.splitlines()]
    raised = next(line for line in lines if line[2] == "SC-001")
    assert raised[3:] == ["HIGH", "RAISED: temp above critHigh 70, now 71.5 (al_aa111111)"]
