"""Telemetry in, anomalies out: what any NATS client sees."""

import json

from missionops.app import Service


async def test_a_snapshot_outside_its_limits_is_stored_and_told(service: Service, client, database):
    told = await client.subscribe("anomalies.*")
    limits = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}
    reply = await client.request("missionops.config.set.SC-001", json.dumps(limits).encode())
    assert json.loads(reply.data)["version"] == 1

    body = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 46, "mode": "CRUISE"}, "id": "one"}
    await client.publish("telemetry.SC-001", json.dumps(body).encode())

    anomaly = json.loads((await told.next_msg(5)).data)
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
