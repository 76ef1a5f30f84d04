"""What alarms say of each kind of check, and of rules that mask one another: sections 1 and 3 of alarms.md."""

import json
from typing import Any

import pytest

from tests.integration.alarms.test_any_order import by_reference, found, until_settled
from tests.integration.alarms.test_told import Alarms


@pytest.fixture
def alarms(service, client) -> Alarms:
    return Alarms(client)


async def raised(alarms: Alarms, **rule: Any) -> dict[str, Any]:
    """The alarm that this rule raises of a few samples of temp."""
    await alarms.configure({"parameters": {"temp": rule}})
    for second, values in ((0, {"temp": 0}), (1, {"temp": 20}), (60, {"volt": 1}), (90, {"volt": 1})):
        await alarms.report(second, **values)
    (message,) = await alarms.until_told("RAISED")
    alarm: dict[str, Any] = message["alarm"]
    return alarm


async def test_a_change_says_which_change_is_too_much_and_per_what(alarms):
    alarm = await raised(alarms, change={"per": "second", "warn": 5, "crit": 10})
    assert (alarm["check"], alarm["severity"], alarm["limit"]) == (
        "CHANGE", "HIGH", {"name": "change.crit", "value": 10},
    )  # fmt: skip
    assert alarm["description"] == "Parameter temp changed by more than change.crit 10"
    assert (alarm["samples"], alarm["peak"]["value"], alarm["start"]) == (1, 20, "2026-01-01T00:00:01Z")


async def test_what_is_stale_has_no_samples_and_begins_when_it_became_so(alarms):
    alarm = await raised(alarms, staleAfter=60, staleSeverity="LOW")
    assert (alarm["check"], alarm["severity"], alarm["limit"]) == ("STALE", "LOW", {"name": "staleAfter", "value": 60})
    assert alarm["description"] == "Parameter temp not reported for longer than staleAfter 60"
    assert (alarm["samples"], alarm["first"], alarm["peak"]) == (0, None, None)
    assert (alarm["start"], alarm["raisedAt"]) == ("2026-01-01T00:01:01Z", "2026-01-01T00:01:30Z")


async def test_a_state_is_named_as_a_text(alarms):
    alarm = await raised(alarms, states={"0": None}, otherwise="CRITICAL")
    assert (alarm["check"], alarm["severity"], alarm["limit"]) == (
        "STATE", "CRITICAL", {"name": "otherwise", "value": "20"},
    )  # fmt: skip
    assert (alarm["description"], alarm["last"]["value"]) == ("Parameter temp is 20", 20)


async def test_a_limit_that_no_double_holds_is_shown_exactly(alarms, ask):
    await alarms.configure({"parameters": {"count": {"critHigh": 2**63 + 1}}})
    await alarms.report(1, count=2**63 + 2)
    (told,) = await alarms.until_told("RAISED")
    limit = {"name": "critHigh", "value": 2**63 + 1}
    assert told["alarm"]["limit"] == limit
    (shown,) = (await ask("list.SC-001")).body
    assert shown["limit"] == limit


async def test_an_alarm_is_told_as_masked_while_the_parameter_that_masks_it_has_one(alarms, ask):
    rules = {"bus": {"warnHigh": 50}, "temp": {"warnHigh": 50, "maskedBy": "bus"}}
    await alarms.configure({"parameters": rules})
    await alarms.report(1, bus=60, temp=60)
    bus, temp = sorted(await alarms.until_told("RAISED", "RAISED"), key=lambda one: one["alarm"]["parameter"])
    assert (bus["alarm"]["masked"], temp["alarm"]["masked"]) == (False, True)  # though both were found at once
    await alarms.report(2, bus=40, temp=60)
    await alarms.until_told("RAISED", "RAISED", "RETURNED")
    assert not (await ask("get.SC-001", id=temp["alarm"]["id"])).body["masked"]
    await alarms.report(3, bus=40, temp=40)
    await alarms.report(4, bus=60, temp=40)
    so_far = ["RAISED", "RAISED", "RETURNED", "RETURNED", "RAISED"]
    await alarms.until_told(*so_far)
    await alarms.report(5, bus=40, temp=60)
    *_, returned, raised = await alarms.until_told(*so_far, "RETURNED", "RAISED")
    assert {one["alarm"]["parameter"]: one["alarm"]["masked"] for one in (returned, raised)} == {
        "bus": False, "temp": False,  # what masked it has returned in the same snapshot
    }  # fmt: skip


async def test_a_rule_that_is_off_raises_nothing_and_ends_what_it_had_raised(alarms):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    await alarms.report(1, temp=60)
    await alarms.until_told("RAISED")
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "off": "sensor is broken"}}})
    told = await alarms.until_told("RAISED", "RETURNED")
    assert told[-1]["alarm"]["reason"] == "unmonitored"


async def test_a_clock_that_jumps_with_every_message_leaves_the_alarms_that_the_contract_gives(alarms, database):
    """2106 cannot be right and counts at its reception; 2000 can, and is late each time."""
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "clear": {"samples": 2}}}})
    for number in range(30):
        year = (2000, 2106, 2026)[number % 3]
        await alarms.report_at(f"{year}-01-01T00:00:{number:02}Z", temp=60 if number % 4 else 40)
    await until_settled(database, 30)
    assert await found(database, alarms.name) == await by_reference(database, alarms.name)


async def test_each_band_and_state_is_an_anomaly_and_an_alarm_of_its_severity(alarms, client):
    bands = dict(
        zip(("severeLow", "critLow", "warnLow", "watchLow", "watchHigh", "warnHigh", "critHigh", "severeHigh"),
            range(-4, 4), strict=True)
    )  # fmt: skip
    severities = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "LOW", "MEDIUM", "HIGH", "CRITICAL")
    words = ("SEVERE_LOW", "CRIT_LOW", "WARN_LOW", "WATCH_LOW", "WATCH_HIGH", "WARN_HIGH", "CRIT_HIGH", "SEVERE_HIGH")
    rules: dict[str, Any] = dict.fromkeys(bands, bands)
    values: dict[str, Any] = {name: at + (0.5 if at > -1 else -0.5) for name, at in bands.items()}
    expected = {
        name: (word, severity, f"Parameter {name} {'below' if name.endswith('Low') else 'above'} {name} {bands[name]}",
               {"name": name, "value": bands[name]}, values[name])
        for name, word, severity in zip(bands, words, severities, strict=True)
    }  # fmt: skip
    for name, value, text, rule in (
        ("mode", "SAFE", "SAFE", {"states": {"SAFE": "LOW"}}),
        ("heater", True, "true", {"states": {"true": "CRITICAL"}}),
        ("count", 2**60 + 1, str(2**60 + 1), {"states": {str(2**60 + 1): "HIGH"}}),
    ):
        rules[name], values[name] = rule, value
        expected[name] = (
            "STATE", rule["states"][text], f"Parameter {name} is {text}", {"name": "states", "value": text}, value,
        )  # fmt: skip
    await alarms.configure({"parameters": rules})
    await alarms.report(1, **values)
    told = await alarms.until_told(*["RAISED"] * len(expected))
    stream = client.jetstream()
    found = [json.loads((await stream.get_msg("ANOMALIES", at)).data) for at in range(1, len(expected) + 1)]
    assert [one["parameter"] for one in found] == sorted(expected)
    for one in found:
        facts = one["id"].rpartition(":")[2], one["severity"], one["description"], one["limit"], one["value"]
        assert facts == expected[one["parameter"]]
    for message in told:
        alarm = message["alarm"]
        check = "STATE" if alarm["limit"]["name"] == "states" else "LIMIT"
        shown = alarm["severity"], alarm["description"], alarm["limit"], alarm["last"]["value"]
        assert (alarm["check"], alarm["level"], shown) == (check, alarm["severity"], expected[alarm["parameter"]][1:])


async def test_a_context_changes_what_is_checked_and_ends_what_it_does_not_check(alarms):
    rule = {
        "warnHigh": 50,
        "when": [{"if": {"mode": "SAFE"}, "warnHigh": None}, {"if": {"mode": "ECO"}, "warnHigh": 30}],
    }
    await alarms.configure({"parameters": {"temp": rule}})
    await alarms.report(1, temp=40, mode="ON")
    await alarms.report(2, temp=40, mode="ECO")
    [raised] = await alarms.until_told("RAISED")
    assert raised["alarm"]["limit"] == {"name": "warnHigh", "value": 30}
    await alarms.report(3, temp=60)  # the mode of an earlier snapshot does not count
    await alarms.report(4, temp=60, mode="SAFE")
    _, returned = await alarms.until_told("RAISED", "RETURNED")
    assert (returned["alarm"]["end"], returned["alarm"]["reason"], returned["alarm"]["samples"]) == (
        "2026-01-01T00:00:04Z", "unmonitored", 2,
    )  # fmt: skip
