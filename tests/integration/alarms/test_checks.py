"""What alarms say of each kind of check, and of rules that mask one another: sections 1 and 3 of alarms.md."""

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
