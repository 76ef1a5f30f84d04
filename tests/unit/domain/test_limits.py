import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.domain import limits
from missionops.domain.checks.limit import NAMES, Band, LimitCheck
from missionops.domain.rule_document import KEYS, MAX_FAULTS
from missionops.errors import Detail, InvalidRequest

KINDS = ", ".join(NAMES)


def compiled(**rule: object) -> LimitCheck:
    found = limits.compile_rules({"parameters": {"temp": rule}})["temp"].own.limit
    assert found
    return found


def faults(document: dict[str, object]) -> tuple[Detail, ...]:
    with pytest.raises(InvalidRequest) as refused:
        limits.compile_rules(document)
    return refused.value.details


def test_a_full_rule_keeps_its_limits_the_worst_first():
    rule = compiled(critLow=0, warnLow=5, watchLow=6, warnHigh=45.5, critHigh=70, severeHigh=99, deadband=2)
    assert (rule.low, rule.high, rule.deadband) == (6, 45.5, 2)
    assert rule.lows == (Band(3, "critLow", 0), Band(2, "warnLow", 5), Band(1, "watchLow", 6))
    assert rule.highs == (Band(4, "severeHigh", 99), Band(3, "critHigh", 70), Band(2, "warnHigh", 45.5))


@pytest.mark.parametrize("name", NAMES)
def test_each_limit_stands_alone(name):
    rule = compiled(**{name: 3})
    assert (rule.low, rule.high) == ((3, math.inf) if name.endswith("Low") else (-math.inf, 3))
    assert [band[1:] for band in rule.lows + rule.highs] == [(name, 3)]


@pytest.mark.parametrize(
    "rule",
    [
        {"critLow": 1, "warnLow": 1, "warnHigh": 1, "critHigh": 1},
        {"critLow": 1, "warnLow": 1.0},
        {"critLow": 0, "critHigh": 0},
        {"warnLow": -0.0, "warnHigh": 0},
        {"critLow": -1e308, "critHigh": 1e308},
    ],
)
def test_equal_limits_are_in_order(rule):
    assert compiled(**rule)


@pytest.mark.parametrize("document", [{}, {"parameters": {}}, {"parameters": {"temp": {}}}, {"mission": "x"}])
def test_a_document_may_have_no_rule(document):
    assert limits.compile_rules(document) == {}


def test_other_top_level_keys_are_the_users_own():
    document: dict[str, object] = {
        "mission": {"temp": {"warnLow": "x"}},
        "notes": None,
        "warnHigh": True,
        "": [],
        "parameters": {},
    }
    assert limits.compile_rules(document) == {}


def test_every_name_of_the_contract_may_have_a_rule():
    names = ["a", "é.b c", "😀" * 256, "x" * 256, "parameters", "critLow"]
    rules = limits.compile_rules({"parameters": {name: {"warnHigh": 1} for name in names}})
    assert list(rules) == names


def test_integers_of_64_bits_stay_exact_and_longer_ones_become_doubles():
    rule = compiled(critLow=-(2**63), warnLow=2**63 + 1, warnHigh=2**64 - 1, critHigh=10**300)
    assert [band.limit for band in rule.lows] == [-(2**63), 2**63 + 1]
    assert [band.limit for band in rule.highs] == [1e300, 2**64 - 1]
    assert type(rule.highs[0].limit) is float


@pytest.mark.parametrize("parameters", [None, [], "x", 1, True, [{"temp": {}}]])
def test_parameters_must_be_an_object(parameters):
    assert faults({"parameters": parameters}) == (Detail("parameters", "must be an object: parameter name → limits"),)


def test_ten_thousand_parameters_are_taken_and_one_more_is_not():
    many: dict[str, object] = {f"p{index}": {"warnHigh": 1} for index in range(10_000)}
    assert len(limits.compile_rules({"parameters": many})) == 10_000
    many["one more"] = {}
    assert faults({"parameters": many}) == (Detail("parameters", "may hold at most 10000 parameters"),)


@pytest.mark.parametrize("rule", [None, [], "x", 1, True, [1, 2]])
def test_a_rule_must_be_an_object(rule):
    assert faults({"parameters": {"temp": rule}}) == (
        Detail("parameters.temp", f"must be an object with any of {KINDS}, …"),
    )


@pytest.mark.parametrize("key", ["warnhigh", "WARNHIGH", "warn_high", "", "critLow ", "limits"])
def test_an_unknown_key_of_a_rule_is_refused(key):
    assert faults({"parameters": {"temp": {key: 1}}}) == (
        Detail(f"parameters.temp.{key}", f"is no key of a rule; the keys are {', '.join(KEYS)}"),
    )


@pytest.mark.parametrize("limit", [True, False, None, "1", "", [], {}, [1]])
@pytest.mark.parametrize("name", NAMES)
def test_a_limit_must_be_a_number(name, limit):
    assert faults({"parameters": {"temp": {name: limit}}}) == (Detail(f"parameters.temp.{name}", "must be a number"),)


@pytest.mark.parametrize("limit", [10**400, -(10**400), math.inf, -math.inf, math.nan])
def test_a_limit_must_fit_a_double(limit):
    assert faults({"parameters": {"temp": {"warnLow": limit}}}) == (
        Detail("parameters.temp.warnLow", "is beyond what a double can hold"),
    )


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ({"critLow": 2, "warnLow": 1}, "warnLow"),
        ({"critLow": 2, "warnHigh": 1}, "warnHigh"),
        ({"critLow": 2, "critHigh": 1}, "critHigh"),
        ({"warnLow": 2, "warnHigh": 1}, "warnHigh"),
        ({"warnLow": 2, "critHigh": 1}, "critHigh"),
        ({"warnHigh": 2, "critHigh": 1}, "critHigh"),
        ({"critHigh": 1, "warnHigh": 2}, "critHigh"),
        ({"critLow": 2**63 + 1, "critHigh": 2.0**63}, "critHigh"),
    ],
)
def test_limits_out_of_order_are_refused_at_the_upper_one(rule, name):
    (fault,) = faults({"parameters": {"temp": rule}})
    assert fault.path == f"parameters.temp.{name}"
    assert fault.message.endswith(f"; {' ≤ '.join(NAMES)} must hold")
    assert f"{name} {rule[name]} is below" in fault.message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a parameter's name has 1 to 256 characters"),
        ("x" * 257, "a parameter's name has 1 to 256 characters"),
        ("a\0b", "a parameter's name may not hold U+0000"),
    ],
)
def test_a_name_that_no_snapshot_can_have_is_refused(name, message):
    assert faults({"parameters": {name: {}}}) == (Detail(f"parameters.{name[:256]}", message),)


def test_many_faults_are_named_at_once_in_the_order_of_the_document():
    document: dict[str, object] = {
        "parameters": {
            "a": 1,
            "good": {"warnHigh": 1},
            "b": {"warnHigh": "x", "nope": 1, "critHigh": 1},
            "": {},
            "c": {"critLow": 4, "warnLow": 3, "warnHigh": 2, "critHigh": 1},
        }
    }
    assert [fault.path for fault in faults(document)] == [
        "parameters.a",
        "parameters.b.warnHigh",
        "parameters.b.nope",
        "parameters.",
        "parameters.c.warnLow",
        "parameters.c.warnHigh",
        "parameters.c.critHigh",
    ]


def test_the_message_is_the_first_fault():
    with pytest.raises(InvalidRequest, match=r"^Config refused: parameters\.a: must be an object with any of"):
        limits.compile_rules({"parameters": {"a": 1, "b": 2}})


def test_the_faults_of_a_document_of_a_megabyte_fit_into_an_answer():
    document: dict[str, object] = {"parameters": {f"{index}" * 50: {"k" * 1_000: 1} for index in range(1_000)}}
    found = faults(document)
    assert len(found) == MAX_FAULTS
    assert sum(len(fault.path) + len(fault.message) for fault in found) < 100_000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*NAMES, "parameters", "temp"]), inner, max_size=4)
        ),
    ).map(lambda document: {"parameters": {"temp": document}})
)
def test_any_document_is_compiled_or_refused_with_paths(document):
    try:
        rules = limits.compile_rules(document)
    except InvalidRequest as refused:
        paths = [fault.path for fault in refused.details]
    else:
        paths = [f"parameters.{name}" for name in rules] or ["parameters.temp"]
    assert paths
    assert all(path.startswith("parameters.temp") for path in paths)
