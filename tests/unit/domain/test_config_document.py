"""Config documents: envelopes, settings, and keys that look like rules."""

from typing import Any

import pytest

from missionops.domain import config_document, limits
from missionops.errors import InvalidRequest

RULES = {"parameters": {"bus_v": {"critLow": 6}}}
REPLY = {
    "spacecraftId": "SC-001",
    "config": RULES,
    "status": "approved",
    "source": "manual",
    "version": 7,
    "updatedAt": "2025-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    "given",
    [
        RULES,
        {"config": RULES},
        {"config": RULES, "version": "any"},
        REPLY,
        REPLY | {"warnings": []},
        {"config": REPLY},
    ],
)
def test_an_envelope_is_unwrapped(given: dict[str, Any]) -> None:
    assert config_document.unwrap(given, "SC-001") == (RULES, [])


@pytest.mark.parametrize(
    "given",
    [
        {"config": RULES, "mission": "x"},
        {"config": RULES, "warnings": []},
        {"config": RULES, "parameters": {}},
        {"config": [RULES]},
        {"config": "a text"},
        {"version": 7},
    ],
)
def test_any_other_document_is_what_it_is(given: dict[str, Any]) -> None:
    assert config_document.unwrap(given, "SC-001") == (given, [])


@pytest.mark.parametrize("spacecraft_id", ["SC-002", "", None, 1])
def test_an_envelope_of_another_spacecraft_is_a_fault(spacecraft_id: object) -> None:
    _, [fault] = config_document.unwrap(REPLY | {"spacecraftId": spacecraft_id}, "SC-001")
    assert fault.path == "spacecraftId"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clock": {}, "silentAfter": 60},
        {"clock": {"ahead": 0, "from": "2020-01-01T00:00:00Z"}, "silentAfter": 3600.5},
    ],
)
def test_settings_that_are_valid(settings: dict[str, Any]) -> None:
    assert list(config_document.setting_faults(settings)) == []


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"silentAfter": 59}, "silentAfter"),
        ({"silentAfter": True}, "silentAfter"),
        ({"silentAfter": "60"}, "silentAfter"),
        ({"silentAfter": 1e300}, "silentAfter"),
        ({"silentAfter": None}, "silentAfter"),
        ({"clock": 600}, "clock"),
        ({"clock": {"ahead": -1}}, "clock.ahead"),
        ({"clock": {"ahead": None}}, "clock.ahead"),
        ({"clock": {"behind": 1}}, "clock.behind"),
        ({"clock": {"from": "2020-01-01"}}, "clock.from"),
        ({"clock": {"from": 1577836800}}, "clock.from"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], path: str) -> None:
    assert [fault.path for fault in config_document.setting_faults(settings)] == [path]


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"bus_v": {"critLow": 6}, "wheel_rpm": {"crit_high": 5000}}, ["bus_v", "wheel_rpm"]),
        ({"Parameters": {"bus_v": {"critLow": 6}}}, ["Parameters"]),
        ({"paramaters": {}}, ["paramaters"]),
        ({"limits": {"bus_v": {"min": 6}}}, ["limits"]),
        ({"config": {"parameters": {"bus_v": {"critLow": 6}}}, "mission": "x"}, ["config"]),
        ({"parameters": {}, "bus_v": {"critLow": 6}}, ["bus_v"]),
        ({"wheel": {"states": {"ON": "HIGH"}}, "a": {"change": {"per": "second", "crit": 2}}}, ["wheel", "a"]),
        ({"bus_v": {"staleAfter": 60}, "rules": [{"name": "temp", "min": 6}]}, ["bus_v", "rules"]),
        ({"parameters": {"temp": {"warnLow": 1}}, "bus_v": {"critLow": 6}}, ["bus_v"]),
        ({"parameters": {"temp": {"warnLow": 1}}, "parameter": {"bus_v": {"staleAfter": 6}}}, ["parameter"]),
        ({"parameters": {"temp": {"warnLow": 1}}, "params": {}, "orbit": {"min": 1}}, []),  # the user's, beside rules
        ({"mission": "x", "notes": {"pump": {"flow": 3}}, "orbit": {"altitude": 500}, "params": [1]}, []),
        ({}, []),
    ],
)
def test_keys_that_look_like_rules(document: dict[str, Any], paths: list[str]) -> None:
    assert [detail.path for detail in config_document.suspicious_keys(document)] == paths


def test_limits_of_rules_that_are_off_do_not_count() -> None:
    rules = {"a": {"critLow": 1, "critHigh": 2}, "b": {"critLow": 1, "off": "being repaired"}, "c": {}}
    assert config_document.count_limits({"parameters": rules}) == 2
    compiled = limits.compile_rules({"parameters": rules})
    assert (set(compiled), compiled.off) == ({"a"}, {"b"})


@pytest.mark.parametrize("off", ["", None, True, "x" * 4097])
def test_off_is_a_text_that_says_why(off: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        limits.compile_rules({"parameters": {"a": {"off": off}}})
    assert [detail.path for detail in refused.value.details] == ["parameters.a.off"]
