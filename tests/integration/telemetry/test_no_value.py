"""A parameter without a value costs nothing else in its snapshot: it is kept as null and never judged."""

import json

import httpx
import msgspec
import pytest
from nats.aio.client import Client

from missionops.app import Service
from tests.wait import PATIENCE

LINES = b"""\
{"timestamp":"2031-03-05T11:00:00Z","parameters":{"bus_v":4.9,"sun_x":NaN}}
{"timestamp":"2031-03-05T11:00:10Z","parameters":{"bus_v":4.8,"sensor_b":1,"sun_x":NaN}}
{"timestamp":"2031-03-05T11:00:20Z","parameters":{"bus_v":4.7,"sun_x":-Infinity}}
{"timestamp":"2031-03-05T11:00:30Z","parameters":{"bus_v":4.6,"sun_x":null}}""".splitlines()
LIMITS = json.dumps({"parameters": {"bus_v": {"critLow": 6.0}, "sun_x": {"critLow": 0}}}).encode()


@pytest.fixture
async def limited(service: Service, client: Client) -> Service:
    reply = await client.request("missionops.config.set.SC-1", LIMITS, timeout=5)
    assert json.loads(reply.data)["version"] == 1
    return service


async def _stored(client: Client) -> list[dict[str, object]]:
    reply = await client.request("missionops.telemetry.list.SC-1", b"{}", timeout=5)
    return [snapshot["parameters"] for snapshot in json.loads(reply.data)]


async def test_the_neighbours_of_no_value_are_judged(limited: Service, client: Client, database) -> None:
    found = await client.subscribe("anomalies.SC-1")
    await client.publish("telemetry.SC-1", LINES[0])
    await client.publish("telemetry.SC-1", b"[%s]" % b",".join(LINES[1:3]))
    packed = {"timestamp": "2031-03-05T11:00:30Z", "parameters": {"bus_v": 4.6, "sun_x": float("nan")}}
    headers = {"Content-Type": "application/msgpack"}
    await client.publish("telemetry.SC-1", msgspec.msgpack.encode(packed), headers=headers)

    anomalies = [json.loads((await found.next_msg(PATIENCE)).data) for _ in range(4)]
    assert [(anomaly["parameter"], anomaly["value"]) for anomaly in anomalies] == [
        ("bus_v", 4.9), ("bus_v", 4.8), ("bus_v", 4.7), ("bus_v", 4.6),
    ]  # fmt: skip
    assert await _stored(client) == [
        {"bus_v": 4.6, "sun_x": None},
        {"bus_v": 4.7, "sun_x": None},
        {"bus_v": 4.8, "sensor_b": 1, "sun_x": None},
        {"bus_v": 4.9, "sun_x": None},
    ]
    assert limited.ingest_status.dead_letters.total() == 0
    again = json.loads((await client.request("missionops.telemetry.analyze.SC-1", b"{}", timeout=5)).data)
    assert {anomaly["parameter"] for anomaly in again} == {"bus_v"}


async def test_no_value_is_taken_over_http_too(limited: Service, client: Client) -> None:
    async with httpx.AsyncClient(base_url=limited.http_url, headers={"Content-Type": "application/json"}) as http:
        one = await http.post("/telemetry", content=b'{"spacecraftId":"SC-1",' + LINES[0][1:])
        assert one.status_code in {201, 202}, one.text
        batch = b'{"spacecraftId":"SC-1","snapshots":[%s]}' % b",".join(LINES[1:])
        many = await http.post("/telemetry/batch", content=batch)
        assert many.status_code in {201, 202}, many.text
        same = json.loads(LINES[0])["timestamp"], {"bus_v": 4.9, "sun_x": None}
        body = {"spacecraftId": "SC-1", "timestamp": same[0], "parameters": same[1]}
        assert (await http.post("/telemetry", json=body)).json() == one.json()
    assert len(await _stored(client)) == 4
