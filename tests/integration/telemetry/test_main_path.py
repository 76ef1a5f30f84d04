"""Telemetry in, anomalies out: what any NATS client sees."""

import json

from missionops.app import Service
from tests.wait import PATIENCE


async def test_a_snapshot_outside_its_limits_is_stored_and_told(service: Service, client, database):
    told = await client.subscribe("anomalies.*")
    limits = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}
    reply = await client.request("missionops.config.set.SC-001", json.dumps(limits).encode())
    assert json.loads(reply.data)["version"] == 1

    body = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 46, "mode": "CRUISE"}, "id": "one"}
    await client.publish("telemetry.SC-001", json.dumps(body).encode())

    anomaly = json.loads((await told.next_msg(PATIENCE)).data)
    assert anomaly.pop("detectedAt").endswith("Z")
    assert anomaly == {
        "id": "one:temp:WARN_HIGH",
        "spacecraftId": "SC-001",
        "timestamp": "2025-01-01T00:00:00Z",
        "parameter": "temp",
        "value": 46,
        "severity": "MEDIUM",
        "description": "Parameter temp above warnHigh 45",
        "limit": {"name": "warnHigh", "value": 45},
        "snapshotId": "one",
        "configVersion": 1,
    }
    stored = await database.fetch("SELECT id, parameters->>'mode' AS mode FROM app.telemetry")
    assert [tuple(row) for row in stored] == [("one", "CRUISE")]


async def test_a_config_counts_for_what_is_published_after_its_reply(service: Service, client, database):
    """Among snapshots that come all the time, so that batches are under way while configs change."""
    told = await client.subscribe("anomalies.CHANGED")
    for number in range(30):
        for other in range(20):
            await client.publish("telemetry.OTHER", snapshot(f"o{number}-{other}"))
        limits = json.dumps({"parameters": {"temp": {"warnHigh": number}}}).encode()
        reply = json.loads((await client.request("missionops.config.set.CHANGED", limits, timeout=5)).data)
        await client.publish("telemetry.CHANGED", snapshot(f"c{number}"))
        anomaly = json.loads((await told.next_msg(PATIENCE)).data)
        assert (anomaly["snapshotId"], anomaly["configVersion"]) == (f"c{number}", reply["version"])
        assert anomaly["limit"] == {"name": "warnHigh", "value": number}


def snapshot(name: str) -> bytes:
    return json.dumps({"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 100}, "id": name}).encode()
