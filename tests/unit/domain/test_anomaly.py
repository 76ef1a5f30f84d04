from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from missionops.domain import limits, timestamp
from missionops.domain.anomaly import Anomaly, judge
from missionops.domain.checks.limit import NAMES as LIMITS
from missionops.domain.parameter_set import Value
from missionops.domain.severity import Severity
from missionops.domain.snapshot import Snapshot

AT = datetime(2025, 1, 1, tzinfo=UTC)
RECEIVED = datetime(2025, 1, 1, 0, 0, 1, 200_000, tzinfo=UTC)
FULL = {"critLow": 0, "warnLow": 5, "warnHigh": 45, "critHigh": 70}


def reported(parameters: dict[str, Value]) -> Snapshot:
    return Snapshot(("SC-001", timestamp.to_microseconds(AT), "ts_9f2c"), parameters)


def judged(parameters: dict[str, Value], rules: Mapping[str, object]) -> list[Anomaly]:
    compiled = limits.compile_rules({"parameters": rules})
    return judge(reported(parameters), compiled, 3, timestamp.to_microseconds(RECEIVED))


def kinds(value: Value, **rule: float) -> list[str]:
    return [anomaly.kind for anomaly in judged({"temp": value}, {"temp": rule})]


@pytest.mark.parametrize(
    ("value", "kind", "severity", "description", "limit"),
    [
        (-1, "CRIT_LOW", Severity.HIGH, "Parameter temp below critLow 0", ("critLow", 0)),
        (-5e-324, "CRIT_LOW", Severity.HIGH, "Parameter temp below critLow 0", ("critLow", 0)),
        (0, "WARN_LOW", Severity.MEDIUM, "Parameter temp below warnLow 5", ("warnLow", 5)),
        (4.999999999999999, "WARN_LOW", Severity.MEDIUM, "Parameter temp below warnLow 5", ("warnLow", 5)),
        (45.00000000000001, "WARN_HIGH", Severity.MEDIUM, "Parameter temp above warnHigh 45", ("warnHigh", 45)),
        (70, "WARN_HIGH", Severity.MEDIUM, "Parameter temp above warnHigh 45", ("warnHigh", 45)),
        (70.00000000000001, "CRIT_HIGH", Severity.HIGH, "Parameter temp above critHigh 70", ("critHigh", 70)),
        (2**64 - 1, "CRIT_HIGH", Severity.HIGH, "Parameter temp above critHigh 70", ("critHigh", 70)),
    ],
)
def test_the_first_limit_that_is_broken_names_the_anomaly(value, kind, severity, description, limit):
    (found,) = judged({"temp": value}, {"temp": FULL})
    assert found.id == f"ts_9f2c:temp:{kind}"
    assert (found.kind, found.severity, found.description) == (kind, severity, description)
    assert (found.limit.name, found.limit.value) == limit
    assert (found.parameter, found.value) == ("temp", value)
    assert (found.spacecraft_id, found.timestamp, found.snapshot_id) == ("SC-001", AT, "ts_9f2c")
    assert (found.config_version, found.detected_at) == (3, RECEIVED)


@pytest.mark.parametrize("value", [5, 5.0, 5.000000000000001, 20, 44.99999999999999, 45, 45.0])
def test_between_the_warnings_and_at_them_is_nominal(value):
    assert kinds(value, **FULL) == []


@pytest.mark.parametrize(
    ("name", "kind", "inside"),
    [
        ("critLow", "CRIT_LOW", 11),
        ("warnLow", "WARN_LOW", 11),
        ("warnHigh", "WARN_HIGH", 9),
        ("critHigh", "CRIT_HIGH", 9),
    ],
)
def test_each_limit_judges_alone_and_at_it_is_nominal(name, kind, inside):
    assert kinds(10, **{name: 10}) == []
    assert kinds(10.0, **{name: 10}) == []
    assert kinds(inside, **{name: 10}) == []
    assert kinds(20 - inside, **{name: 10}) == [kind]


def test_where_two_limits_are_equal_the_critical_one_is_found():
    assert kinds(0, critLow=1, warnLow=1) == ["CRIT_LOW"]
    assert kinds(2, warnHigh=1, critHigh=1) == ["CRIT_HIGH"]


def test_only_critical_limits_leave_no_warning():
    assert [kinds(value, critLow=0, critHigh=10) for value in (-1, 0, 5, 10, 11)] == [
        ["CRIT_LOW"], [], [], [], ["CRIT_HIGH"],
    ]  # fmt: skip


@pytest.mark.parametrize("value", [True, False, "1000", "", "NaN", None])
def test_booleans_and_strings_are_never_anomalous(value):
    assert kinds(value, critLow=100, critHigh=200) == []
    assert kinds(value, critHigh=-100) == []


def test_a_parameter_without_a_rule_and_a_rule_without_a_parameter_say_nothing():
    assert judged({"other": 1e9}, {"temp": FULL}) == []
    assert judged({}, {"temp": FULL}) == []
    assert judged({"temp": 1e9}, {}) == []
    assert judged({"temp": 1e9}, {"temp": {}}) == []


def test_the_order_is_that_of_names_by_code_point():
    names = ["b", "a", "Z", "é", "a.b", "ﬀ", "😀", "10", "9", "a b", "ab"]
    found = judged(dict.fromkeys(names, 100), dict.fromkeys(names, FULL))
    # U+FB00 before U+1F600: in UTF-16 it would stand behind it
    assert [anomaly.parameter for anomaly in found] == ["10", "9", "Z", "a", "a b", "a.b", "ab", "b", "é", "ﬀ", "😀"]


@pytest.mark.parametrize(
    ("limit", "printed"),
    [
        (45.0, "45"),
        (-0.5, "-0.5"),
        (1e21, "1e+21"),
        (1e-7, "1e-7"),
        (-0.0, "0"),
        (2**64 - 1, "18446744073709552000"),
        (10**300, "1e+300"),
    ],
)
def test_the_limit_in_the_description_is_printed_as_ecmascript_does(limit, printed):
    (found,) = judged({"p:q": 1.7e308}, {"p:q": {"warnHigh": limit}})
    assert found.description == f"Parameter p:q above warnHigh {printed}"
    assert found.id == "ts_9f2c:p:q:WARN_HIGH"
    assert found.kind == "WARN_HIGH"


@pytest.mark.parametrize(
    ("value", "limit", "anomalous"),
    [
        (2**63 + 1, 2.0**63, True),
        (2**63, 2.0**63, False),
        (2.0**63, 2**63 - 1, True),
        (2.0**53, 2**53 + 1, False),
        (2**53 + 1, 2.0**53, True),
        (2**64 - 1, 2.0**64, False),
        (2**64 - 1, 2**64, False),
    ],
)
def test_integers_and_floats_are_compared_exactly(value, limit, anomalous):
    assert bool(kinds(value, warnHigh=limit)) is anomalous


def test_an_anomaly_on_the_wire_is_the_contracts_example():
    (found,) = judged({"temp": 46}, {"temp": {"warnHigh": 45}})
    assert msgspec.json.encode(found) == (
        b'{"id":"ts_9f2c:temp:WARN_HIGH","spacecraftId":"SC-001","timestamp":"2025-01-01T00:00:00Z","parameter":"temp",'
        b'"value":46,"severity":"MEDIUM","description":"Parameter temp above warnHigh 45",'
        b'"limit":{"name":"warnHigh","value":45},"snapshotId":"ts_9f2c","configVersion":3,'
        b'"detectedAt":"2025-01-01T00:00:01.200000Z"}'
    )


# Rules and parameters from few names and numbers, so that they meet; either side may be the longer one.
NAMES = st.sampled_from("abcdefgh") | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=2
)
NUMBERS = st.sampled_from([-1, 0, -0.0, 1, 1.0, 2, 2**53 + 1, 2.0**53, 2**64 - 1, 2.0**64, 5e-324]) | st.floats(
    allow_nan=False, allow_infinity=False
)
PARAMETERS = st.dictionaries(NAMES, NUMBERS | st.booleans() | st.text(max_size=2), max_size=8)


@st.composite
def rules_in_order(draw: Any) -> dict[str, float]:
    names = [name for name in LIMITS if draw(st.booleans())]
    return dict(zip(names, sorted(draw(NUMBERS) for _ in names), strict=True))


RULES = st.dictionaries(NAMES, rules_in_order(), max_size=8)


def naive(parameters: dict[str, Value], rules: dict[str, dict[str, float]]) -> list[tuple[str, str]]:
    """The contract's table, read aloud."""
    found = []
    for name in sorted(name for name, value in parameters.items() if type(value) in {int, float} and name in rules):
        for limit, sign, kind in (
            ("severeLow", -1, "SEVERE_LOW"), ("critLow", -1, "CRIT_LOW"),
            ("warnLow", -1, "WARN_LOW"), ("watchLow", -1, "WATCH_LOW"),
            ("severeHigh", 1, "SEVERE_HIGH"), ("critHigh", 1, "CRIT_HIGH"),
            ("warnHigh", 1, "WARN_HIGH"), ("watchHigh", 1, "WATCH_HIGH"),
        ):  # fmt: skip
            if limit in rules[name] and sign * parameters[name] > sign * rules[name][limit]:  # type: ignore[operator]
                found.append((name, kind))
                break
    return found


@given(PARAMETERS, RULES)
@example({"a": 5}, {"a": FULL, "b": FULL})
@example({"a": -5, "b": 99, "c": 3}, {"b": FULL, "c": FULL})
def test_judge_agrees_with_a_naive_reading_of_the_table(parameters, rules):
    assert [(found.parameter, found.kind) for found in judged(parameters, rules)] == naive(parameters, rules)


@pytest.mark.parametrize(
    ("value", "kind", "severity"),
    [
        (-9, "SEVERE_LOW", Severity.CRITICAL),
        (-2, "WATCH_LOW", Severity.LOW),
        (2, "WATCH_HIGH", Severity.LOW),
        (9, "SEVERE_HIGH", Severity.CRITICAL),
    ],
)
def test_the_outermost_limits_are_critical_and_the_innermost_low(value, kind, severity):
    (found,) = judged({"t": value}, {"t": {"severeLow": -8, "watchLow": -1, "watchHigh": 1, "severeHigh": 8}})
    assert (found.kind, found.severity) == (kind, severity)


@pytest.mark.parametrize(
    ("value", "limit", "text", "severity"),
    [
        ("SAFE", "states", "SAFE", Severity.HIGH),
        ("LOST", "otherwise", "LOST", Severity.LOW),
        (True, "states", "true", Severity.CRITICAL),
        (False, "otherwise", "false", Severity.LOW),
        (3, "states", "3", Severity.MEDIUM),
        (3.0, "states", "3", Severity.MEDIUM),
        (0.5, "otherwise", "0.5", Severity.LOW),
        (2**63 + 1, "otherwise", "9223372036854775809", Severity.LOW),
        (1e21, "otherwise", "1e+21", Severity.LOW),
    ],
)
def test_a_state_is_a_value_as_text(value, limit, text, severity):
    states = {"SAFE": "HIGH", "true": "CRITICAL", "3": "MEDIUM", "OK": None}
    (found,) = judged({"mode": value}, {"mode": {"states": states, "otherwise": "LOW"}})
    assert (found.id, found.severity) == ("ts_9f2c:mode:STATE", severity)
    assert found.description == f"Parameter mode is {text}"
    assert (found.limit.name, found.limit.value) == (limit, text)
    assert found.value == value


@pytest.mark.parametrize(("value", "rule"), [
    ("OK", {"states": {"OK": None}, "otherwise": "HIGH"}),
    ("ANY", {"states": {"SAFE": "HIGH"}}),
    (None, {"states": {"SAFE": "HIGH"}, "otherwise": "HIGH"}),
    (3, {"states": {"3": "HIGH"}, "otherwise": "HIGH", "warnHigh": 5}),
])  # fmt: skip
def test_a_state_is_nominal_if_listed_so_or_unlisted_and_a_number_under_a_band_is_none(value, rule):
    assert judged({"mode": value}, {"mode": rule}) == []


def test_bands_judge_the_numbers_and_states_the_texts_of_one_rule():
    rule = {"warnHigh": 5, "states": {"NO": "HIGH"}}
    assert [judged({"p": value}, {"p": rule})[0].kind for value in (6, "NO")] == ["WARN_HIGH", "STATE"]


def test_the_first_when_that_holds_takes_the_place_of_the_rules_own_keys_key_by_key():
    rule = {
        "warnHigh": 45,
        "critHigh": 70,
        "when": [{"if": {"mode": "SAFE"}, "warnHigh": 20}, {"if": {"mode": "SAFE"}, "warnHigh": 1}],
    }
    assert judged({"t": 30, "mode": "SAFE"}, {"t": rule})[0].limit.value == 20
    assert judged({"t": 80, "mode": "SAFE"}, {"t": rule})[0].limit.name == "critHigh"
    assert judged({"t": 30, "mode": "RUN"}, {"t": rule}) == []


def test_null_in_a_when_takes_a_key_away():
    rule = {"warnHigh": 45, "when": [{"if": {"eclipse": True}, "warnHigh": None}]}
    assert judged({"t": 50, "eclipse": True}, {"t": rule}) == []
    assert judged({"t": 50, "eclipse": False}, {"t": rule})


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [
        ("A", "A", True), ("1", 1, False), (1, 1.0, True), (1, True, False), (True, True, True), (True, 1, False),
        (0, False, False), ({"below": 5}, 4, True), ({"below": 5}, 5, False), ({"above": 5}, 5.5, True),
        ({"above": 5}, 5, False), ({"below": 5, "above": 3}, 4, True), ({"below": 5, "above": 3}, 3, False),
        ({"below": 5}, "4", False), ({"below": 5}, True, False), ({"below": 5}, None, False), ("A", None, False),
    ],
)  # fmt: skip
def test_a_when_compares_by_kind_and_strictly(wanted, value, holds):
    rule = {"when": [{"if": {"c": wanted}, "warnHigh": 1}]}
    assert bool(judged({"t": 5, "c": value}, {"t": rule})) is holds
    assert judged({"t": 5}, {"t": rule}) == []  # what is absent does not hold


def test_all_of_an_if_has_to_hold():
    rule = {"when": [{"if": {"a": 1, "b": 2}, "warnHigh": 1}]}
    assert judged({"t": 5, "a": 1, "b": 3}, {"t": rule}) == []
    assert judged({"t": 5, "a": 1, "b": 2}, {"t": rule})


@given(PARAMETERS, RULES)
def test_judged_again_in_any_order_it_is_the_same_bytes(parameters, rules):
    once = msgspec.json.encode(judged(parameters, rules))
    backwards = judged(dict(reversed(parameters.items())), dict(reversed(rules.items())))
    assert msgspec.json.encode(backwards) == once
