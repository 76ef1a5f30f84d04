"""What is not checked says so: `config.check`, the warnings of `config.set`, and `monitoring` in the status."""

import json
import time
from typing import Any

import pytest
from nats.aio.client import Client

from missionops.domain.rule_coverage import COUNTED
from missionops.operations import config_check
from tests.system import installed
from tests.wait import until_async

SC = "SC-001"


async def ask(client: Client, subject: str, body: Any = None, **headers: str) -> Any:
    reply = await client.request(f"missionops.{subject}", json.dumps(body or {}).encode(), 6, headers=headers or None)
    return json.loads(reply.data)


async def report(client: Client, *snapshots: dict[str, Any]) -> None:
    """Publish snapshots, a second apart, and wait until the newest is stored."""
    known = len(await ask(client, f"telemetry.list.{SC}", {"limit": 1000}))
    for second, parameters in enumerate(snapshots, known):
        body = {"timestamp": f"2025-01-01T00:{second // 60:02}:{second % 60:02}Z", "parameters": parameters}
        await client.jetstream().publish(f"telemetry.{SC}", json.dumps(body).encode())

    async def are_stored() -> bool:
        return len(await ask(client, f"telemetry.list.{SC}", {"limit": 1000})) >= known + len(snapshots)

    await until_async(are_stored, f"{known + len(snapshots)} snapshots")


async def limit(client: Client, *names: str) -> Any:
    return await ask(client, f"config.set.{SC}", {"parameters": {name: {"critHigh": 5000} for name in names}})


async def monitoring(client: Client) -> str:
    return str((await ask(client, f"spacecraft.status.{SC}"))["monitoring"])


async def why(client: Client) -> dict[str, str | None]:
    return {rule["parameter"]: rule["why"] for rule in (await ask(client, f"config.check.{SC}"))["rules"]}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("operation", ["set", "preview"])
async def test_a_name_that_stands_twice_is_refused(client: Client, operation: str):
    """Of the rules of one name decoding keeps the last alone, so limits would vanish without a word."""
    document = b'{"parameters":{"temp":{"critHigh":70},"volt":{"warnLow":3},"temp":{"warnHigh":45}}}'
    body = (
        document
        if operation == "set"
        else b'{"from":"2025-01-01T00:00:00Z","to":"2025-01-02T00:00:00Z","config":' + document + b"}"
    )
    reply = json.loads((await client.request(f"missionops.config.{operation}.{SC}", body, 6)).data)
    assert "has the name 'temp' twice in one object: only the last of them would count" in reply["error"]["message"]
    assert (await ask(client, f"config.get.{SC}"))["error"]["message"] == "Config not found"


@pytest.mark.usefixtures("service")
async def test_each_rule_says_what_it_does(client: Client, database: Any):
    assert (await ask(client, f"config.check.{SC}"))["error"]["message"] == "Config not found"
    rules: dict[str, Any] = {
        "bus_v": {"critLow": 6},
        "Bus_V": {"critLow": 6},
        "rpm": {"critHigh": 5},
        "sun": {"critHigh": 5},
    }
    rules |= {"temp": {"critHigh": 5, "off": "The sensor is broken."}, "mode": {}}
    reply = await ask(client, f"config.set.{SC}", {"parameters": rules})
    assert [warning["path"] for warning in reply["warnings"]] == ["parameters.mode"]  # nothing was stored yet
    await report(
        client,
        {"bus_v": 7, "rpm": "6100", "temp": 3, "mode": "FINE"},
        {"bus_v": 7.5, "rpm": "--", "sun": 1},
    )
    no_value = "UPDATE app.snapshot SET others = replace(others::text, '\"sun\":1', '\"sun\":null')::json"
    await database.execute(no_value)  # the numbers of so few snapshots have no place yet
    first, second = "2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z"
    assert await ask(client, f"config.check.{SC}") == {
        "rules": [
            {"parameter": "Bus_V", "met": 0, "lastValue": None, "lastTimestamp": None, "why": "never seen"},
            {"parameter": "bus_v", "met": 2, "lastValue": 7.5, "lastTimestamp": second, "why": None},
            {"parameter": "rpm", "met": 0, "lastValue": "--", "lastTimestamp": second, "why": "text"},
            {"parameter": "sun", "met": 0, "lastValue": None, "lastTimestamp": second, "why": "no value"},
            {"parameter": "temp", "met": 0, "lastValue": 3, "lastTimestamp": first, "why": "off"},
        ],
        "unruled": ["mode"],
    }
    assert await monitoring(client) == "PARTIAL"
    reply = await ask(client, f"config.set.{SC}", {"parameters": rules})
    assert {warning["path"]: warning["message"] for warning in reply["warnings"]} == {
        "parameters.mode": "has no limit, so nothing is checked",
        "parameters.Bus_V": "was never seen in this spacecraft's telemetry: did you mean bus_v?",
        "parameters.rpm": 'only texts were seen in this spacecraft\'s telemetry, the last "--": limits judge numbers',
        "parameters.sun": "only null (no value) was seen in this spacecraft's telemetry: limits judge numbers",
    }


@pytest.mark.usefixtures("service")
async def test_monitoring_is_partial_until_every_rule_works(client: Client):
    await report(client, {"bus_v": 7, "rpm": "6100"})
    for names, expected in {
        (): "NOT_CONFIGURED",
        ("Bus_V",): "NOT_CONFIGURED",
        ("Bus_V", "bus_v"): "PARTIAL",
        ("rpm",): "PARTIAL",
        ("bus_v", "rpm"): "PARTIAL",
        ("bus_v",): "ACTIVE",
    }.items():
        await limit(client, *names)
        assert await monitoring(client) == expected, names
    await limit(client, "bus_v", "rpm")
    await report(client, {"rpm": 6100})
    assert await monitoring(client) == "ACTIVE"
    await ask(client, f"config.set.{SC}", {"parameters": {"bus_v": {"off": "No."}}})
    assert await monitoring(client) == "PARTIAL"


@pytest.mark.usefixtures("service")
async def test_a_parameter_that_came_no_more_for_a_day(client: Client, database: Any):
    await limit(client, "bus_v", "rpm")
    await report(client, {"bus_v": 7, "rpm": 6100})
    await database.execute("UPDATE app.snapshot SET received_at = now() - interval '25 hours'")
    assert await why(client) == {"bus_v": None, "rpm": None}  # nothing else came either
    await report(client, {"bus_v": 7})
    assert await why(client) == {"bus_v": None, "rpm": "not for long"}
    assert await monitoring(client) == "PARTIAL"
    await report(client, {"rpm": 6100})
    assert await monitoring(client) == "ACTIVE"


_STORE = """
INSERT INTO app.snapshot (spacecraft_id, "timestamp", id, others, received_at, config_version)
SELECT 'SC-001', '2025-01-01Z'::timestamptz + number * interval '1 second', 'n' || number, $1::json, now(), 0
FROM generate_series(60, $2) AS _ (number)
"""


@pytest.mark.usefixtures("service")
async def test_what_comes_seldom_is_searched_for(client: Client, database: Any):
    await limit(client, "bus_v", "rpm")
    await report(client, {"bus_v": 7, "rpm": 6100})
    parameters = json.dumps({"bus_v": 7} | {f"p{number}": number / 7 for number in range(20)})
    await database.execute(_STORE, parameters, 60 + 15_000)
    assert (await ask(client, f"config.check.{SC}"))["rules"] == [
        {"parameter": "bus_v", "met": COUNTED, "lastValue": 7, "lastTimestamp": "2025-01-01T04:11:00Z", "why": None},
        {"parameter": "rpm", "met": 0, "lastValue": 6100, "lastTimestamp": "2025-01-01T00:00:00Z", "why": None},
    ]
    assert await monitoring(client) == "ACTIVE"
    await database.execute("DELETE FROM app.snapshot WHERE \"timestamp\" = '2025-01-01Z'")
    assert await why(client) == {"bus_v": None, "rpm": "not for long"}
    await limit(client, "rpm", "bus_v")
    assert [await monitoring(client) for _ in range(2)] == ["PARTIAL"] * 2
    body = {"timestamp": "2025-01-02T00:00:00Z", "parameters": {"rpm": 6100}}
    await client.jetstream().publish(f"telemetry.{SC}", json.dumps(body).encode())

    async def is_active() -> bool:
        return await monitoring(client) == "ACTIVE"

    await until_async(is_active, "an active monitoring")


@pytest.mark.usefixtures("service")
async def test_many_unknown_names_are_answered_in_time(client: Client, monkeypatch: pytest.MonkeyPatch):
    await report(client, {f"parameter_{number}": number for number in range(2_000)})
    began = time.monotonic()
    reply = await limit(client, *(f"Parametr-{number}-x" for number in range(3_000)), "Parameter.7")
    assert len(reply["warnings"]) == 1_001
    assert reply["warnings"][-1]["message"].startswith("2001 more warnings are left out")
    assert time.monotonic() - began < installed.busy(4.5)
    reply = await limit(client, "Parameter.7")
    assert reply["warnings"][0]["message"].endswith("did you mean parameter_7?")
    monkeypatch.setattr(config_check, "_WARNING_SECONDS", 0)
    assert [warning["path"] for warning in (await limit(client, "x"))["warnings"]] == ["parameters"]
