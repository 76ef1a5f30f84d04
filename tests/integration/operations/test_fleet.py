"""`fleet.status`: all spacecraft, the worst first, each in the state that its own status says."""

import json

import pytest

LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}


@pytest.fixture
async def fleet(ask, publish):
    """One spacecraft in each state."""
    for name in ("CRIT", "WARN", "PART", "OK"):
        await ask(f"config.set.{name}", **LIMITS)
    await ask("config.set.PART", parameters={**LIMITS["parameters"], "pressure": {"warnHigh": 1}})
    await ask("config.set.QUIET", **LIMITS)
    await ask("spacecraft.register.OK", name="Morning star", missionType="LEO imaging")
    await publish("CRIT", temp=99)
    await publish("WARN", temp=46)
    await publish("PART", temp=20)
    await publish("OK", temp=20)
    await publish("BARE", temp=20)


STATES = {
    "CRIT": "CRITICAL", "WARN": "WARNING", "QUIET": "SILENT", "BARE": "NOT_CONFIGURED", "PART": "PARTIAL",
    "OK": "NOMINAL",
}  # fmt: skip


async def test_every_state_the_worst_first(ask, fleet):
    found = await ask("fleet.status")
    assert {item["spacecraftId"]: item["state"] for item in found["items"]} == STATES
    assert [item["spacecraftId"] for item in found["items"]] == list(STATES)
    assert found["counts"] == dict.fromkeys(STATES.values(), 1)
    assert found["items"][-1]["name"] == "Morning star"
    for item in found["items"]:  # the same as each one's own status
        status = await ask(f"spacecraft.status.{item['spacecraftId']}")
        assert {name: item[name] for name in status} == status


async def test_pages_and_filters(ask, client, fleet):
    names, cursor = [], None
    while True:
        request = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        reply = await client.request("missionops.fleet.status", json.dumps(request).encode(), timeout=6)
        names += [item["spacecraftId"] for item in json.loads(reply.data)["items"]]
        cursor = (reply.headers or {}).get("Missionops-Next-Cursor")
        if cursor is None:
            break
    assert names == list(STATES)
    assert [item["spacecraftId"] for item in (await ask("fleet.status", q="MORNING"))["items"]] == ["OK"]
    partial = await ask("fleet.status", state="PARTIAL")
    assert [item["spacecraftId"] for item in partial["items"]] == ["PART"]
    assert sum(partial["counts"].values()) == len(STATES)


async def test_a_rule_that_begins_to_work_counts_at_once_after_a_new_config(ask, publish, fleet):
    assert (await ask("fleet.status", q="PART"))["items"][0]["state"] == "PARTIAL"
    await ask("config.set.PART", **LIMITS)
    assert (await ask("fleet.status", q="PART"))["items"][0]["state"] == "NOMINAL"


async def test_ten_thousand_spacecraft(ask, database, publish):
    await publish("SC-00001", temp=20)
    await database.execute("""
        INSERT INTO app.spacecraft (spacecraft_id, config_version)
        SELECT 'SC-' || lpad(n::text, 5, '0'), 1 FROM generate_series(2, 10000) AS _ (n)
    """)
    await database.execute("""
        INSERT INTO app.config (spacecraft_id, version, document, source, recorded_by)
        SELECT spacecraft_id, 1, '{"parameters":{"temp":{"warnHigh":45}}}', 'manual', 'test'
        FROM app.spacecraft WHERE config_version = 1
    """)
    await database.execute("""
        INSERT INTO app.reception (spacecraft_id, last_received_at, last_received_timestamp, last_timestamp)
        SELECT spacecraft_id, now(), now(), now() FROM app.spacecraft WHERE config_version = 1
    """)
    await database.execute("""
        INSERT INTO app.spacecraft_parameter_set
        SELECT s.spacecraft_id, parameter_set_id FROM app.spacecraft AS s, app.spacecraft_parameter_set
        WHERE config_version = 1
    """)
    await database.execute("""
        INSERT INTO app.snapshot
        SELECT now(), now(), 1, parameter_set_id, s.spacecraft_id, 'a', numbers, others
        FROM app.spacecraft AS s, app.snapshot WHERE s.config_version = 1
    """)
    while "UNKNOWN" in (found := await ask("fleet.status", limit=1000))["counts"]:
        pass  # each request finds out about more of them
    assert found["counts"] == {"NOT_CONFIGURED": 1, "NOMINAL": 9999}
    assert len(found["items"]) == 1000
