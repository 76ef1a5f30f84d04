"""What a status and the fleet say of alarms that stand."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from missionops.domain.severity import Severity
from missionops.ingest.alarms import draft
from missionops.ingest.alarms.status import AlarmStatus
from missionops.store.alarm_marks import WaitingMarks
from tests.integration.alarms.test_told import Alarms
from tests.stored_alarms import acknowledged, alarm
from tests.wait import until_async

NONE = {"LOW": 0, "MEDIUM": 0, "HIGH": 0, "CRITICAL": 0}


@pytest.fixture
def status(service, client):
    async def status(spacecraft_id: str):
        return json.loads((await client.request(f"missionops.spacecraft.status.{spacecraft_id}", timeout=6)).data)

    return status


async def test_a_status_counts_the_alarms_that_stand_and_is_as_bad_as_they_are(ask, client, status, store):
    for name in ("LOW", "MEDIUM", "HIGH", "CRITICAL", "OVER", "SHELVED", "NONE"):
        await client.request(f"missionops.spacecraft.register.{name}", timeout=6)
    await store(
        *(alarm(severity.value, severity=severity) for severity in Severity),
        acknowledged(alarm("HIGH", "volt", Severity.LOW)),
        alarm("OVER", end="2025-01-01T00:01:00Z", severity=Severity.CRITICAL),
        alarm("SHELVED", severity=Severity.CRITICAL),
    )
    await ask("shelve.SHELVED", seconds=60, reason="Test")
    found = {}
    for name, overall, active, unacknowledged, shelved in (
        ("LOW", "NOMINAL", {"LOW": 1}, 1, 0),
        ("MEDIUM", "WARNING", {"MEDIUM": 1}, 1, 0),
        ("HIGH", "CRITICAL", {"HIGH": 1, "LOW": 1}, 1, 0),
        ("CRITICAL", "CRITICAL", {"CRITICAL": 1}, 1, 0),
        ("OVER", "NOMINAL", {}, 1, 0),
        ("SHELVED", "NOMINAL", {}, 0, 1),
        ("NONE", "NOMINAL", {}, 0, 0),
    ):
        found[name] = await status(name)
        assert found[name]["overallStatus"] == overall, name
        assert found[name]["alarms"] == {
            "active": NONE | active, "unacknowledged": unacknowledged, "shelved": shelved,
        }  # fmt: skip
        assert found[name]["highestSeverityLast24h"] == "LOW"  # which is about anomalies
    fleet = json.loads((await client.request("missionops.fleet.status", timeout=6)).data)
    for item in fleet["items"]:
        one = found[item["spacecraftId"]]
        assert (item["alarms"], item["overallStatus"]) == (one["alarms"], one["overallStatus"])
    assert [item["spacecraftId"] for item in fleet["items"]][:3] == ["CRITICAL", "HIGH", "MEDIUM"]
    assert (fleet["counts"]["CRITICAL"], fleet["counts"]["WARNING"]) == (2, 1)


async def test_a_status_of_what_is_unknown_has_no_alarms(status):
    assert (await status("unknown"))["alarms"] == {"active": NONE, "unacknowledged": 0, "shelved": 0}


async def test_health_says_how_far_the_finding_of_alarms_is_behind(service, client, database, monkeypatch):
    async def health():
        return json.loads((await client.request("missionops.health", timeout=6)).data)

    async def is_known():
        return (await health())["ingest"]["alarms"]

    found = await until_async(is_known, "the first look of the owner")
    assert found == {"state": "up to date", "waitingSpans": 0, "lagSeconds": 0, "failing": []}
    monkeypatch.setattr(draft, "made", fail)
    for limit in (50, 51):  # the second may end what the first checked
        await Alarms(client).configure({"parameters": {"temp": {"warnHigh": limit}}})

    async def is_failing():
        found = await health()
        return found if found["ingest"]["alarms"]["state"] == "failing" else None

    found = await until_async(is_failing, "a failure")
    assert found["ingest"]["alarms"]["failing"] == ["SC-001"]
    assert found["ingest"]["alarms"]["waitingSpans"] == 1
    assert found["status"] == "ready"  # telemetry is handled
    assert "Alarms of SC-001 could not be found and are tried again: the log says why." in found["warnings"]


async def fail(*_: object, **__: object) -> None:
    raise LookupError("planted")


@pytest.mark.parametrize(
    ("waited", "failing", "sentence"),
    [
        (5, [], None),  # late telemetry may wait so long
        (60, [], "Alarms are 60 s behind: they are still to be found in 3 spans of telemetry."),
        (
            0,
            ["SC-2", "SC-1"],
            "Alarms of SC-1 and 1 other spacecraft could not be found and are tried again: the log says why.",
        ),
    ],
)
def test_alarms_that_are_behind_are_told_in_a_sentence(waited, failing, sentence):
    status = AlarmStatus(CollectorRegistry())
    status.note_waiting(WaitingMarks(3, datetime.now(UTC) - timedelta(seconds=waited)), failing)
    assert status.trouble == sentence
