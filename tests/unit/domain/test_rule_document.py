"""Section 1 of alarms.md: what a rule may hold, and the path of what it may not."""

from typing import Any

import pytest

from missionops.domain import limits, rule, rule_document
from missionops.errors import InvalidRequest

BAND: dict[str, Any] = {"warnHigh": 5}
STATES: dict[str, Any] = {"states": {"SAFE": "HIGH"}}


def compiled(**given: Any) -> rule.Rule:
    return limits.compile_rules({"parameters": {"p": given}})["p"]


def fault(given: Any) -> tuple[str, str]:
    """Path below the rule, and message, of its only fault."""
    with pytest.raises(InvalidRequest) as refused:
        limits.compile_rules({"parameters": {"p": given}})
    (found,) = refused.value.details
    return found.path.removeprefix("parameters.p."), found.message


@pytest.mark.parametrize(
    "given",
    [
        {"severeLow": 1, "critLow": 2, "warnLow": 3, "watchLow": 4, "watchHigh": 5, "warnHigh": 6, "critHigh": 7,
         "severeHigh": 8},
        {"states": {"SAFE": "HIGH", "true": None}, "otherwise": "LOW"},
        {"states": {"SAFE": "HIGH"}, "otherwise": None},
        {"change": {"per": "second", "watch": 1, "warn": 2, "crit": 3, "severe": 3, "within": 2_592_000,
                    "raise": {"samples": 2}, "clear": {"seconds": 3}}},
        {"staleAfter": 0.1, "staleSeverity": "CRITICAL"},
        BAND | {"raise": {"samples": 1000, "seconds": 3600}, "clear": {}, "acknowledge": False},
        {"warnLow": 1, "warnHigh": 5, "deadband": 2},
        BAND | {"deadband": 1e300},
        BAND | {"maskedBy": "q", "unit": "°C", "description": "x" * 4096, "subsystem": "", "guidance": "g",
                "documents": ["a"] * 16},
        BAND | {"when": [{"if": {"q": 1, "r": {"below": 1}, "s": {"above": 0, "below": 1}}, "warnHigh": None}] * 16},
        {"when": [{"if": {"q": True}, "staleAfter": 9}]},
    ],
)  # fmt: skip
def test_what_the_contract_lists_is_taken(given):
    assert compiled(**given)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"watchHigh": 6, "warnHigh": 5}, "warnHigh"),
        ({"severeLow": 2, "critLow": 1}, "critLow"),
        ({"watchLow": 2, "watchHigh": 1}, "watchHigh"),
        ({"warnLow": 1, "warnHigh": 5, "deadband": 2.1}, "deadband"),
        (BAND | {"deadband": -1}, "deadband"),
        ({"states": []}, "states"),
        ({"states": {}}, "states"),
        ({"states": {"A": "BAD"}}, "states.A"),
        ({"otherwise": "LOW"}, "otherwise"),
        (STATES | {"otherwise": "low"}, "otherwise"),
        ({"change": {"warn": 1}}, "change.per"),
        ({"change": {"per": "hour", "warn": 1}}, "change.per"),
        ({"change": {"per": "second"}}, "change"),
        ({"change": {"per": "second", "warn": 0}}, "change.warn"),
        ({"change": {"per": "second", "warn": 2, "crit": 1}}, "change.crit"),
        ({"change": {"per": "second", "warn": 2, "within": 0.5}}, "change.within"),
        ({"change": {"per": "second", "warn": 2, "high": 1}}, "change.high"),
        ({"change": {"per": "second", "warn": 2, "raise": {"samples": 0}}}, "change.raise.samples"),
        ({"staleAfter": 0}, "staleAfter"),
        ({"staleAfter": True}, "staleAfter"),
        ({"staleAfter": 1, "staleSeverity": None}, "staleSeverity"),
        (BAND | {"raise": {"samples": 1001}}, "raise.samples"),
        (BAND | {"raise": {"samples": 1.5}}, "raise.samples"),
        (BAND | {"clear": {"seconds": 3601}}, "clear.seconds"),
        (BAND | {"clear": 3}, "clear"),
        (BAND | {"acknowledge": "yes"}, "acknowledge"),
        (BAND | {"maskedBy": ""}, "maskedBy"),
        (BAND | {"unit": "x" * 4097}, "unit"),
        (BAND | {"documents": ["a"] * 17}, "documents"),
        (BAND | {"documents": ["a", "no id!"]}, "documents.1"),
        (BAND | {"when": {}}, "when"),
        (BAND | {"when": [{"if": {"q": 1}}] * 17}, "when"),
        (BAND | {"when": [3]}, "when.0"),
        (BAND | {"when": [{"warnHigh": 1}]}, "when.0.if"),
        (BAND | {"when": [{"if": {}}]}, "when.0.if"),
        (BAND | {"when": [{"if": {"q": None}}]}, "when.0.if.q"),
        (BAND | {"when": [{"if": {"q": {}}}]}, "when.0.if.q"),
        (BAND | {"when": [{"if": {"q": {"over": 1}}}]}, "when.0.if.q.over"),
        (BAND | {"when": [{"if": {"q": {"below": 1, "above": 1}}}]}, "when.0.if.q"),
        (BAND | {"when": [{"if": {"q": 1}, "when": []}]}, "when.0.when"),
        (BAND | {"when": [{"if": {"q": 1}, "off": "why"}]}, "when.0.off"),
        (BAND | {"when": [{"if": {"q": 1}, "critHigh": 4}]}, "when.0.critHigh"),
        (STATES | {"otherwise": "LOW", "when": [{"if": {"q": 1}, "states": None}]}, "when.0.otherwise"),
        ({"off": ""}, "off"),
    ],
)
def test_a_contradiction_or_a_wrong_type_is_refused_with_its_path(given, path):
    assert fault(given)[0] == path


def test_a_rule_that_is_off_checks_nothing_and_is_validated_all_the_same():
    rules = limits.compile_rules({"parameters": {"p": BAND | {"off": "sensor is broken"}}})
    assert (dict(rules), rules.off) == ({}, {"p"})
    assert fault({"off": "broken", "warnHigh": "x"})[0] == "warnHigh"


def test_a_rule_of_texts_alone_checks_nothing():
    assert limits.compile_rules({"parameters": {"p": {"unit": "V", "guidance": "wait"}}}) == {}


@pytest.mark.parametrize(
    ("masks", "path"),
    [
        ({"p": "p"}, "p"),
        ({"p": "q", "q": "p"}, "p"),
        ({"p": "q", "q": "r", "r": "q"}, "q"),
        ({"p": "q", "q": "r"}, None),
    ],
)
def test_parameters_that_mask_one_another_are_refused(masks, path):
    document = {"parameters": {name: BAND | {"maskedBy": other} for name, other in masks.items()} | {"other": BAND}}
    found = [detail.path for detail in rule_document.faults(document)]
    assert found == ([f"parameters.{path}.maskedBy"] if path else [])
