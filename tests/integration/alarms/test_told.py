"""Promise 9: each change of an alarm is told once, in its order; and what alarms look like on the wire."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.wait import until_async

START = datetime(2026, 1, 1, tzinfo=UTC)
RULE = {
    "warnHigh": 50,
    "critHigh": 70,
    "unit": "°C",
    "subsystem": "EPS",
    "guidance": "Shed load.",
    "documents": ["eps-1"],
}


class Alarms:
    """What a spacecraft reports, and what is told of it."""

    def __init__(self, client: Any, name: str = "SC-001") -> None:
        self.client = client
        self.name = name

    async def configure(self, document: Any) -> None:
        body = json.dumps(document).encode()
        reply = await self.client.request(f"missionops.config.set.{self.name}", body, timeout=5)
        assert "version" in json.loads(reply.data), reply.data

    async def report(self, second: float, **parameters: Any) -> None:
        await self.report_at((START + timedelta(seconds=second)).isoformat(), f"s{second:g}", **parameters)

    async def report_at(self, moment: str, identifier: str | None = None, **parameters: Any) -> None:
        given = {"id": identifier} if identifier else {}
        body = json.dumps({"timestamp": moment, "parameters": parameters, **given}).encode()
        await self.client.request(f"telemetry.{self.name}", body, timeout=5)

    async def told(self) -> list[dict[str, Any]]:
        stream = self.client.jetstream()
        last = (await stream.stream_info("ALARMS")).state.last_seq
        found = [json.loads((await stream.get_msg("ALARMS", number)).data or b"") for number in range(1, last + 1)]
        return [one for one in found if one["alarm"]["spacecraftId"] == self.name]

    async def until_told(self, *transitions: str) -> list[dict[str, Any]]:
        """Wait until these were told, and nothing else was."""

        async def are_told() -> list[dict[str, Any]] | None:
            found = await self.told()
            return found if len(found) >= len(transitions) else None

        found = await until_async(are_told, f"{transitions}") if transitions else []
        assert [one["transition"] for one in found] == list(transitions)
        return found


@pytest.fixture
def alarms(service, client) -> Alarms:
    return Alarms(client)


async def test_an_alarm_from_its_first_message_to_its_return(alarms):
    await alarms.configure({"parameters": {"temp": RULE}})
    await alarms.report(0, temp=40)
    await alarms.report(1, temp=60)
    await alarms.until_told("RAISED")  # in one batch with the next it would be raised as HIGH
    for second, value in ((2, 75), (3, 65)):
        await alarms.report(second, temp=value)
    await alarms.until_told("RAISED", "SEVERITY_INCREASED")
    await alarms.report(4, temp=40)
    raised, risen, returned = await alarms.until_told("RAISED", "SEVERITY_INCREASED", "RETURNED")
    alarm = raised["alarm"]
    assert alarm | {"id": "", "foundAt": "", "updatedAt": ""} == {
        "id": "", "spacecraftId": "SC-001", "parameter": "temp", "check": "LIMIT", "severity": "MEDIUM",
        "level": "MEDIUM", "state": "ACTIVE_UNACKNOWLEDGED", "shelved": None, "masked": False,
        "start": "2026-01-01T00:00:01Z", "raisedAt": "2026-01-01T00:00:01Z", "end": None, "foundAt": "",
        "late": False, "reason": None, "mergedInto": None, "samples": 1,
        "first": {"timestamp": "2026-01-01T00:00:01Z", "value": 60, "snapshotId": "s1"},
        "peak": {"timestamp": "2026-01-01T00:00:01Z", "value": 60, "snapshotId": "s1"},
        "last": {"timestamp": "2026-01-01T00:00:01Z", "value": 60, "snapshotId": "s1"},
        "limit": {"name": "warnHigh", "value": 50}, "configVersion": 1,
        "description": "Parameter temp above warnHigh 50", "unit": "°C", "subsystem": "EPS",
        "guidance": "Shed load.", "documents": ["eps-1"], "acknowledged": None, "comments": [], "revision": 1,
        "updatedAt": "",
    }  # fmt: skip
    assert alarm["id"].startswith("al_")
    assert (raised["by"], raised["at"]) == (None, alarm["updatedAt"])
    assert (risen["alarm"]["severity"], risen["alarm"]["limit"]["name"], risen["alarm"]["revision"]) == (
        "HIGH", "critHigh", 2,
    )  # fmt: skip
    last = returned["alarm"]
    assert (last["state"], last["end"], last["samples"], last["revision"], last["level"]) == (
        "RETURNED_UNACKNOWLEDGED", "2026-01-01T00:00:04Z", 3, 3, None,
    )  # fmt: skip
    assert last["peak"]["value"] == 75


async def test_an_alarm_that_waits_for_nobody_closes_by_itself(alarms):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "acknowledge": False}}})
    await alarms.report(1, temp=60)
    await alarms.report(2, temp=40)
    told = await alarms.until_told("RAISED", "RETURNED", "CLOSED")
    assert [one["alarm"]["revision"] for one in told] == [1, 2, 3]
    assert told[-1]["alarm"]["state"] == "CLOSED"


async def test_late_telemetry_revises_splits_and_retracts(alarms):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    await alarms.report(10, temp=60)
    await alarms.report(20, temp=60)
    await alarms.report(30, temp=40)
    await alarms.until_told("RAISED", "RETURNED")
    await alarms.report(5, temp=60)  # it began earlier
    told = await alarms.until_told("RAISED", "RETURNED", "REVISED")
    assert told[-1]["alarm"]["start"] == "2026-01-01T00:00:05Z"
    assert told[-1]["alarm"]["samples"] == 3
    await alarms.report(15, temp=40)  # and was two
    *_, revised, new, returned = await alarms.until_told(
        "RAISED", "RETURNED", "REVISED", "REVISED", "RAISED", "RETURNED"
    )
    assert (revised["alarm"]["end"], revised["alarm"]["samples"]) == ("2026-01-01T00:00:15Z", 2)
    assert (new["alarm"]["start"], new["alarm"]["late"]) == ("2026-01-01T00:00:20Z", True)
    assert returned["alarm"]["end"] == "2026-01-01T00:00:30Z"


async def test_one_that_a_persistence_raised_is_retracted_where_its_run_was_broken(alarms):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "raise": {"samples": 3}}}})
    for second in (10, 20, 30):
        await alarms.report(second, temp=60)
    await alarms.until_told("RAISED")
    await alarms.report(25, temp=40)
    told = await alarms.until_told("RAISED", "RETRACTED")
    assert told[-1]["alarm"]["state"] == "RETRACTED"


async def test_one_that_merges_with_one_that_waits_waits_again(alarms):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "clear": {"samples": 2}}}})
    for second, value in ((10, 60), (20, 40), (22, 40), (30, 60)):
        await alarms.report(second, temp=value)
    first, *_ = await alarms.until_told("RAISED", "RETURNED", "RAISED")
    body = json.dumps({"ids": [first["alarm"]["id"]]}).encode()
    reply = await alarms.client.request(f"missionops.alarms.acknowledge.{alarms.name}", body, timeout=5)
    assert json.loads(reply.data)["refused"] == []
    await alarms.until_told("RAISED", "RETURNED", "RAISED", "ACKNOWLEDGED", "CLOSED")
    await alarms.report(21, temp=60)  # between the two that ended it

    async def are_one() -> list[dict[str, Any]] | None:
        found = await alarms.told()
        return found if {one["transition"] for one in found} >= {"RETRACTED", "REVISED"} else None

    found = await until_async(are_one, "the two as one")
    last = {one["alarm"]["id"]: one["alarm"] for one in found}
    [merged] = [one for one in last.values() if one["state"] == "RETRACTED"]
    assert merged["mergedInto"] == first["alarm"]["id"]
    going_on = last[first["alarm"]["id"]]
    assert (going_on["state"], going_on["acknowledged"], going_on["samples"]) == ("ACTIVE_UNACKNOWLEDGED", None, 3)


async def test_a_config_without_the_check_ends_what_no_longer_comes(alarms):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    await alarms.report(1, temp=60)
    await alarms.until_told("RAISED")
    await alarms.configure({"parameters": {}})
    told = await alarms.until_told("RAISED", "RETURNED")
    assert told[-1]["alarm"]["reason"] == "unmonitored"


async def test_silence_is_an_alarm_until_something_is_received(alarms, database):
    await alarms.configure({"parameters": {}, "silentAfter": 60})
    await alarms.report(1, temp=60)

    async def was_received() -> bool:
        return bool(await database.fetchval("SELECT EXISTS (SELECT FROM app.reception)"))

    await until_async(was_received, "a reception")
    await database.execute("UPDATE app.reception SET last_received_at = last_received_at - interval '1 hour'")
    await database.execute("ALTER TABLE app.config DISABLE TRIGGER USER")
    await database.execute("UPDATE app.config SET updated_at = updated_at - interval '1 hour'")
    (raised,) = await alarms.until_told("RAISED")
    alarm = raised["alarm"]
    assert (alarm["check"], alarm["parameter"], alarm["limit"]) == (
        "SILENT", None, {"name": "silentAfter", "value": 60},
    )  # fmt: skip
    assert alarm["description"] == "Nothing received for longer than silentAfter 60"
    await alarms.report(2, temp=60)
    *_, returned = await alarms.until_told("RAISED", "RETURNED")
    assert returned["alarm"]["end"] > alarm["start"]


async def test_revisions_have_no_gap_and_every_alarm_begins_with_its_raising(alarms):
    await alarms.configure({"parameters": {f"p{number}": {"warnHigh": 50} for number in range(5)}})
    for second in range(40):
        await alarms.report(second, **{f"p{number}": 40 + 20 * ((second + number) % 3 == 0) for number in range(5)})

    async def all_returned() -> bool:
        found = await alarms.told()
        return bool(found) and sum(one["transition"] == "RAISED" for one in found) >= 65

    await until_async(all_returned, "65 alarms")
    by_alarm = defaultdict(list)
    for one in await alarms.told():
        by_alarm[one["alarm"]["id"]].append(one)
    for told in by_alarm.values():
        assert [one["alarm"]["revision"] for one in told] == list(range(1, len(told) + 1))
        assert told[0]["transition"] == "RAISED"
