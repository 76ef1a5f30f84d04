"""Listings over NATS: order, pages that stay stable while telemetry arrives, and answers that stay bounded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missionops.operations import telemetry as telemetry_operations
from tests.wait import until_async

SC = "SC-001"
START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def publish(service, client):
    published = 0

    async def publish(snapshots: list[dict[str, Any]]) -> None:
        """Publish and wait until it is stored."""
        nonlocal published
        await client.request(f"telemetry.{SC}", json.dumps(snapshots).encode())
        published += len(snapshots)
        await until_async(lambda: service.ingest_status.stored >= published, f"{published} snapshots")

    return publish


def snapshot(second: int, temp: float = 20, **more) -> dict[str, Any]:
    at = (START + timedelta(seconds=second)).isoformat()
    return {"timestamp": at, "parameters": {"temp": temp}, **more}


async def pages(ask_page, subject: str, **request) -> list[list[dict[str, Any]]]:
    found, cursor = await ask_page(subject, **request)
    answers = [found]
    while cursor:
        found, cursor = await ask_page(subject, **request, cursor=cursor)
        answers.append(found)
    return answers


async def test_pages_hold_each_snapshot_once_newest_first_though_many_share_a_time(ask_page, publish):
    await publish([snapshot(number // 5, id=f"n{number:02}") for number in range(23)])
    answers = await pages(ask_page, f"telemetry.list.{SC}", limit=4)
    assert [len(answer) for answer in answers] == [4, 4, 4, 4, 4, 3]
    listed = [item["id"] for answer in answers for item in answer]
    assert listed == [f"n{number:02}" for number in reversed(range(23))]


async def test_what_arrives_between_two_pages_neither_repeats_nor_hides_what_was_there(ask_page, publish):
    await publish([snapshot(number, id=f"n{number}") for number in range(6)])
    first, cursor = await ask_page(f"telemetry.list.{SC}", limit=3)
    await publish([snapshot(100, id="newer"), snapshot(2, id="n2-twin")])
    second, cursor = await ask_page(f"telemetry.list.{SC}", limit=10, cursor=cursor)
    assert [item["id"] for item in first] == ["n5", "n4", "n3"]
    assert [item["id"] for item in second] == ["n2-twin", "n2", "n1", "n0"]
    assert cursor is None


async def test_a_range_holds_both_its_ends(ask_page, publish):
    await publish([snapshot(number, id=f"n{number}") for number in range(6)])
    found, _ = await ask_page(
        f"telemetry.list.{SC}", **{"from": "2025-01-01T00:00:01Z", "to": "2025-01-01T01:00:03+01:00"}
    )
    assert [item["id"] for item in found] == ["n3", "n2", "n1"]


async def test_numbers_come_back_as_they_were_sent(ask_page, publish):
    values = {"big": 2**64 - 1, "small": -(2**63), "double": 1e308, "tiny": 5e-324, "text": "ü\n", "on": True}
    await publish([{"timestamp": START.isoformat(), "parameters": values}])
    [found], _ = await ask_page(f"telemetry.list.{SC}")
    assert found["parameters"] == values


async def test_an_answer_stops_before_it_is_too_large_and_the_cursor_goes_on(ask_page, publish):
    for number in range(4):
        await publish([snapshot(number, id=f"n{number}", text="") | {"parameters": {"text": "x" * 400_000}}])
    answers = await pages(ask_page, f"telemetry.list.{SC}", limit=1000)
    assert [[item["id"] for item in answer] for answer in answers] == [["n3", "n2"], ["n1", "n0"]]


async def test_a_snapshot_larger_than_any_nats_answer_is_refused_by_name_of_the_way_out(ask_page, publish):
    await publish([{"timestamp": START.isoformat(), "parameters": {"text": "x" * 1_046_000}}])
    answer, _ = await ask_page(f"telemetry.list.{SC}")
    assert answer["error"]["code"] == "too_large"
    assert "HTTP" in answer["error"]["message"]


@pytest.fixture
async def limits(ask_page) -> None:
    reply, _ = await ask_page(f"config.set.{SC}", parameters={"temp": {"warnHigh": 45, "critHigh": 70}})
    assert reply["version"] == 1


async def test_stored_anomalies_newest_first_and_oldest_first(ask_page, limits, publish):
    await publish([snapshot(number, 46 + number % 2 * 30, id=f"n{number}") for number in range(5)])
    listed = await pages(ask_page, f"anomalies.list.{SC}", limit=2)
    assert [[item["snapshotId"] for item in answer] for answer in listed] == [["n4", "n3"], ["n2", "n1"], ["n0"]]
    between = {"from": "2025-01-01T00:00:01Z", "to": "2025-01-01T00:00:03Z"}
    [timeline] = await pages(ask_page, f"anomalies.timeline.{SC}", **between)
    assert [item["id"] for item in timeline] == ["n1:temp:CRIT_HIGH", "n2:temp:WARN_HIGH", "n3:temp:CRIT_HIGH"]


async def test_anomalies_of_one_time_come_in_the_order_of_their_ids(ask_page, publish):
    rules = {"parameters": {name: {"warnHigh": 0} for name in ("temp", "temp1", "temp-2", "z")}}
    await ask_page(f"config.set.{SC}", **rules)
    values = {"temp": 1, "temp1": 1, "temp-2": 1, "z": 1}
    await publish([{"timestamp": START.isoformat(), "id": name, "parameters": values} for name in ("a", "a-b", "a0")])
    found = [item["id"] for answer in await pages(ask_page, f"anomalies.list.{SC}", limit=5) for item in answer]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 12


async def test_analysis_judges_what_is_stored_by_the_config_of_today(ask_page, limits, publish):
    await publish([snapshot(number, 40 + number, id=f"n{number}") for number in range(10)])
    await ask_page(f"config.set.{SC}", parameters={"temp": {"warnHigh": 41}})
    newest, _ = await ask_page(f"telemetry.analyze.{SC}", limit=3)
    assert [(item["snapshotId"], item["configVersion"]) for item in newest] == [("n9", 2), ("n8", 2), ("n7", 2)]
    between = {"from": "2025-01-01T00:00:00Z", "to": "2025-01-01T00:00:03Z"}
    ranged, _ = await ask_page(f"telemetry.analyze.{SC}", **between)
    assert [item["snapshotId"] for item in ranged] == ["n2", "n3"]


async def test_a_long_analysis_is_cut_and_taken_up_without_a_gap(ask_page, publish, monkeypatch):
    await ask_page(f"config.set.{SC}", parameters={name: {"warnHigh": 0} for name in "abc"})
    await publish(
        [snapshot(number, id=f"n{number:02}") | {"parameters": dict.fromkeys("cba", 1)} for number in range(9)]
    )
    whole = [f"n{number:02}:{name}:WARN_HIGH" for number in range(9) for name in "abc"]
    monkeypatch.setattr(telemetry_operations, "_SCANNED", 2)
    monkeypatch.setattr("missionops.operations.pagination.MAX_ITEMS", 4)
    between = {"from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}
    ranged = await pages(ask_page, f"telemetry.analyze.{SC}", **between)
    assert [item["id"] for answer in ranged for item in answer] == whole
    assert len(ranged) > 6
    newest = await pages(ask_page, f"telemetry.analyze.{SC}", limit=3)
    newest_first = [f"n{number:02}:{name}:WARN_HIGH" for number in (8, 7, 6) for name in "abc"]
    assert [item["id"] for answer in newest for item in answer] == newest_first


@pytest.mark.shared_service
@pytest.mark.parametrize(
    ("subject", "request_", "path"),
    [
        ("telemetry.list", {"limit": 0}, "limit"),
        ("telemetry.list", {"limit": 1001}, "limit"),
        ("telemetry.list", {"limit": "5"}, "limit"),
        ("telemetry.list", {"offset": 1}, "offset"),
        ("telemetry.list", {"from": "2025-01-01T00:00:00"}, "from"),
        ("telemetry.list", {"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z"}, "to"),
        ("telemetry.list", {"cursor": "nonsense"}, "cursor"),
        ("telemetry.list", {"cursor": "W10="}, "cursor"),
        ("telemetry.analyze", {"from": "2025-01-01T00:00:00Z"}, "to"),
        ("telemetry.analyze", {"to": "2025-01-01T00:00:00Z"}, "from"),
        ("anomalies.timeline", {"from": "2025-01-01T00:00:00Z"}, "to"),
        ("anomalies.list", {"cursor": "a\0b"}, "cursor"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(ask_page, subject, request_, path):
    answer, _ = await ask_page(f"{subject}.{SC}", **request_)
    assert answer["error"]["code"] == "invalid_request"
    assert [detail["path"] for detail in answer["error"]["details"]] == [path]


async def test_who_was_never_heard_has_empty_lists(ask_page):
    for subject in ("telemetry.list", "telemetry.analyze", "anomalies.list"):
        assert await ask_page(f"{subject}.nobody") == ([], None)


async def test_status_follows_what_is_registered_heard_ruled_and_found(ask_page, publish, database):
    async def monitoring():
        return (await ask_page(f"spacecraft.status.{SC}"))[0]["monitoring"]

    assert await monitoring() == "UNKNOWN"
    await ask_page(f"spacecraft.register.{SC}", name="First", missionType="LEO")
    assert await monitoring() == "SILENT"
    await publish([snapshot(0)])
    assert await monitoring() == "NOT_CONFIGURED"
    await ask_page(f"config.set.{SC}", parameters={"other": {"warnHigh": 45}})
    assert await monitoring() == "NOT_CONFIGURED"
    await ask_page(f"config.set.{SC}", parameters={"temp": {"warnHigh": 45, "critHigh": 70}})
    assert await monitoring() == "ACTIVE"
    await database.execute("UPDATE app.reception SET last_received_at = now() - interval '25 hours'")
    assert await monitoring() == "SILENT"


async def test_status_knows_names_that_many_spacecraft_report(ask_page, publish, client, database):
    await publish([snapshot(second) for second in range(64)])  # so many make a parameter set in the decoder
    await client.request("telemetry.SC-002", json.dumps(snapshot(0)).encode())
    await publish([snapshot(64)])
    await ask_page("config.set.SC-002", parameters={"temp": {"warnHigh": 45}})
    assert await database.fetch("SELECT names FROM app.parameter_set") == [(["temp"],)]
    assert (await ask_page("spacecraft.status.SC-002"))[0]["monitoring"] == "ACTIVE"
    await ask_page("config.set.SC-002", parameters={"other": {"warnHigh": 45}})
    assert (await ask_page("spacecraft.status.SC-002"))[0]["monitoring"] == "NOT_CONFIGURED"


async def test_status_counts_the_anomalies_of_the_last_hours_by_both_times(ask_page, limits, publish, database):
    now = datetime.now(UTC)
    ago = {"hot": (30, 80), "warm": (120, 50), "warm2": (600, 50), "old": (1500, 80), "future": (-60, 80)}
    await publish(
        [
            {"id": name, "timestamp": (now - timedelta(minutes=minutes)).isoformat(), "parameters": {"temp": temp}}
            for name, (minutes, temp) in ago.items()
        ]
    )
    status, _ = await ask_page(f"spacecraft.status.{SC}")
    assert status["anomalies"] == {"last1h": 5, "last6h": 5, "last24h": 5}  # all were detected now
    await database.execute("UPDATE app.anomaly SET detected_at = detected_at - interval '30 hours'")
    await database.execute("DELETE FROM app.misdated_anomaly")
    status, _ = await ask_page(f"spacecraft.status.{SC}")
    assert status["anomalies"] == {"last1h": 1, "last6h": 2, "last24h": 3}
    assert (status["highestSeverityLast24h"], status["overallStatus"]) == ("HIGH", "CRITICAL")


async def test_registrations_come_by_id_with_their_configs(ask_page, limits):
    await ask_page("spacecraft.register.SC-000", name="Zero")
    found, _ = await ask_page("spacecraft.list", limit=1)
    assert (found["total"], found["count"], found["items"][0]["name"]) == (2, 1, "Zero")
    assert found["items"][0]["config"] is None
    found, _ = await ask_page("spacecraft.list", offset=1)
    assert [(item["spacecraftId"], item["version"]) for item in found["items"]] == [(SC, 1)]
    again, _ = await ask_page("spacecraft.register.SC-000", missionType="GEO")
    assert (again["name"], again["missionType"]) == ("Zero", "GEO")
    for request in ({}, {"name": "Zero", "missionType": "GEO"}):  # nothing is changed by it, nor said to be
        assert (await ask_page("spacecraft.register.SC-000", **request))[0] == again
    assert (await ask_page("spacecraft.register.SC-000", name="One"))[0]["updatedAt"] > again["updatedAt"]


async def test_a_fleet_with_large_configs_is_listed_in_answers_that_nats_carries(service, client, database):
    await database.execute(
        "INSERT INTO app.spacecraft (spacecraft_id) SELECT 'A-' || n FROM generate_series(1, 90) AS n"
    )
    await database.execute(
        """
        WITH large AS (
            INSERT INTO app.spacecraft (spacecraft_id, config_version)
            SELECT 'L-' || n, 1 FROM generate_series(1, 30) AS n
            RETURNING spacecraft_id
        )
        INSERT INTO app.config (spacecraft_id, version, document, source, recorded_by)
        SELECT spacecraft_id, 1, json_build_object('notes', repeat('x', 100000)), 'test', 'test' FROM large
        """
    )
    seen: list[str] = []
    counts: list[int] = []
    while len(seen) < 120:
        body = json.dumps({"limit": 1000, "offset": len(seen)}).encode()
        reply = await client.request("missionops.spacecraft.list", body, timeout=6)
        assert len(reply.data) <= 900_000
        found = json.loads(reply.data)
        assert (found["total"], found["count"]) == (120, len(found["items"]))
        counts.append(found["count"])
        seen += [item["spacecraftId"] for item in found["items"]]
    assert seen == sorted(set(seen))
    assert counts == [98, 8, 8, 6]
