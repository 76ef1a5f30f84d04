"""What a status and the fleet say of alarms that stand."""

import json

import pytest

from missionops.domain.severity import Severity
from tests.stored_alarms import acknowledged, alarm

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
