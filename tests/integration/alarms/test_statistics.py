"""Figures about alarms, by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from missionops.domain.severity import Severity
from tests.stored_alarms import alarm

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
BEFORE = NOON - timedelta(hours=1)
DAY = {"from": "2025-06-01T00:00:00Z", "to": "2025-06-02T00:00:00Z"}


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@pytest.fixture
async def several(store, database) -> None:
    """Three episodes within a minute, some alarms that stand long, one that was retracted, one of another day."""
    chattering = [
        alarm(start=at(20 * number), end=at(20 * number + 5), found_at=NOON + timedelta(seconds=20 * number))
        for number in range(4)
    ]
    old = [
        alarm(parameter="volt", severity=Severity.LOW, start=at(-90_000), end=at(0), found_at=BEFORE),
        alarm("SC-002", "", severity=Severity.CRITICAL, start=at(-10), found_at=NOON + timedelta(seconds=600)),
    ]  # fmt: skip
    gone = alarm(parameter="gone", start=at(0), is_retracted=True, found_at=NOON + timedelta(seconds=605))
    await store(*chattering, *old, gone, alarm(parameter="other", start=at(0), found_at=NOON + timedelta(days=3)))
    for identifier, seconds in ((chattering[0].id, 30), (old[0].id, 90)):
        await database.execute(
            "UPDATE app.alarm SET acknowledged_by = 'alice', acknowledged_at = found_at + $2 WHERE id = $1",
            identifier,
            timedelta(seconds=seconds),
        )


@pytest.mark.usefixtures("several")
async def test_the_figures_of_a_day(ask, http):
    found = (await ask("statistics", **DAY)).body
    assert found == {
        "from": DAY["from"],
        "to": DAY["to"],
        "alarms": 7,
        "bySeverity": {"LOW": 1, "MEDIUM": 0, "HIGH": 5, "CRITICAL": 1},
        "busiest10Minutes": {"count": 5, "until": at(600)},
        "acknowledged": 2,
        "secondsToAcknowledge": 60.0,
        "standingLong": 2,
        "mostFrequent": [
            {"spacecraftId": "SC-001", "parameter": "temp", "check": "LIMIT", "count": 4},
            {"spacecraftId": "SC-001", "parameter": "volt", "check": "LIMIT", "count": 1},
            {"spacecraftId": "SC-002", "parameter": None, "check": "SILENT", "count": 1},
        ],
        "chattering": [{"spacecraftId": "SC-001", "parameter": "temp", "check": "LIMIT", "count": 4}],
    }
    assert (await http.get("/alarms/statistics", params=DAY)).json() == found


@pytest.mark.usefixtures("several")
async def test_the_figures_of_one_spacecraft_and_of_no_alarm(ask, http):
    found = (await ask("statistics.SC-002", **DAY)).body
    assert (found["alarms"], found["chattering"], found["standingLong"]) == (1, [], 1)
    assert (await http.get("/alarms/statistics", params=DAY | {"spacecraftId": "SC-002"})).json() == found
    nothing = (await ask("statistics", **{"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"})).body
    assert (nothing["alarms"], nothing["secondsToAcknowledge"], nothing["mostFrequent"]) == (0, None, [])
    assert nothing["busiest10Minutes"] == {"count": 0, "until": None}
    assert (await ask("statistics", **{"from": DAY["from"]})).error == (400, "invalid_request")
