"""Decoders that learn: what they say never depends on what they have seen before; only how it is held does."""

import gc
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from missionops.domain import anomaly, limits
from missionops.domain.snapshot import ParameterValues, Snapshot
from missionops.wire import decoder as wire_decoder
from missionops.wire import schema_decoder
from tests.unit.wire.decoders import decode, is_by_position, said, taught

LESSONS = 64
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=3)
VALUES = (
    st.booleans()
    | st.integers(-(2**64), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=4)
)
KNOWS_ALL = taught("a", "b", "c", "d")
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=6)


def body(parameters: dict[str, Any], **fields: Any) -> bytes:
    return msgspec.json.encode({"timestamp": "2025-01-01T00:00:00Z", "parameters": parameters, **fields})


def are_met(rules: limits.Rules, values: Any) -> bool:
    return anomaly.fast_check(rules, values.__class__)(values)


def one(decoder: wire_decoder.Decoder, parameters: dict[str, Any], spacecraft_id: str = "SC-1") -> Snapshot:
    [found] = decoder.decode(spacecraft_id, body(parameters), wire_decoder.JSON)
    assert isinstance(found, Snapshot)
    assert found.parameters == parameters
    return found


@given(PARAMETERS, st.sampled_from([wire_decoder.JSON, wire_decoder.MSGPACK]))
@example({"a": "\0"}, wire_decoder.JSON)
@example({"a": "\\u0000", 'q"': 1, "b": "null"}, wire_decoder.JSON)
@settings(max_examples=200)
def test_a_decoder_that_knows_the_names_says_the_same(parameters, encoding):
    encode = msgspec.json.encode if encoding is wire_decoder.JSON else msgspec.msgpack.encode
    for value in parameters.values():
        if isinstance(value, int) and not -(2**63) <= value < 2**64:  # msgspec writes no such number
            return
    decode(encode({"timestamp": "2025-01-01T00:00:00Z", "parameters": parameters}), encoding)


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), VALUES.filter(lambda value: value != "\0"), max_size=6)))
def test_nor_does_it_matter_what_came_between(many):
    decoder = taught("a", "b", "c")
    bodies = [body(parameters) for parameters in many if _can_be_written(parameters)]
    for written in bodies:
        [found] = decoder.decode("SC-1", written, wire_decoder.JSON)
        [alone] = wire_decoder.decode("SC-1", written)
        assert said(found) == said(alone)


def _can_be_written(parameters: dict[str, Any]) -> bool:
    return all(not isinstance(value, int) or -(2**63) <= value < 2**64 for value in parameters.values())


def test_names_that_come_again_are_held_by_position():
    decoder = wire_decoder.Decoder()
    held = [is_by_position(one(decoder, {"b": 1, "a": "x"})) for _ in range(LESSONS + 1)]
    assert held == [False] * (LESSONS - 1) + [True] * 2


def test_of_names_that_are_stored_one_snapshot_is_enough():
    decoder = wire_decoder.Decoder()
    decoder.trust("SC-1", {"a", "b"})  # nothing has come yet
    assert not is_by_position(one(decoder, {"b": 1, "a": "x"}))
    decoder.trust("SC-1", {"a"})
    assert not is_by_position(one(decoder, {"b": 1, "a": "x"}))
    decoder.trust("SC-1", {"a", "b", "c"})
    assert is_by_position(one(decoder, {"b": 1, "a": "x"}))
    assert not is_by_position(one(decoder, {"new": 1}))


def test_packets_of_different_kinds_share_the_vocabulary_of_their_spacecraft():
    decoder = wire_decoder.Decoder()
    kinds: list[dict[str, Any]] = [{"a": 1}, {"b": 2.5, "c": True}, {"a": 3, "d": "x"}]
    for _ in range(LESSONS):
        for kind in kinds:
            one(decoder, kind)
    assert all(is_by_position(one(decoder, kind)) for kind in [*kinds, {}, {"c": False, "a": 0}])


def test_spacecraft_that_report_the_same_names_learn_from_each_other():
    decoder = taught("a", "b")
    assert is_by_position(one(decoder, {"a": 1, "b": 2}, "SC-2"))
    assert is_by_position(one(decoder, {"b": 2}, "SC-2"))
    assert not is_by_position(one(decoder, {"b": 2}, "SC-3"))  # never told of a
    assert not is_by_position(one(decoder, {"b": 2}, "SC-3"))


def test_a_name_that_is_new_is_learned_too():
    decoder = taught("a")
    held = [is_by_position(one(decoder, {"a": 1, "new": 2})) for _ in range(LESSONS + 1)]
    assert held == [False] * (LESSONS - 1) + [True] * 2
    assert is_by_position(one(decoder, {"a": 1}))


def test_too_many_names_for_a_vocabulary_are_taken_as_they_come():
    decoder = wire_decoder.Decoder()
    many = {f"p{number}": number for number in range(501)}
    assert not any(is_by_position(one(decoder, many)) for _ in range(LESSONS + 1))
    assert not is_by_position(one(decoder, {"p1": 1}))


def test_names_without_end_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(schema_decoder, "_MOST_NAMES_AT_ALL", 10)
    decoder = taught("a", "b")
    for number in range(50):
        one(decoder, {f"p{number}": 1}, f"SC-{number}x")
    assert sum(map(len, decoder._schemas._by_names)) <= 10
    assert is_by_position(one(decoder, {"a": 1}))  # what was known first stays known


def test_new_names_of_one_spacecraft_take_no_room_but_their_own(monkeypatch):
    monkeypatch.setattr(schema_decoder, "_MOST_NAMES_AT_ALL", 1_000)
    decoder = wire_decoder.Decoder()
    for number in range(700):
        one(decoder, {f"p{number}": 1})
    assert sum(map(len, decoder._schemas._by_names)) == 0  # past 500 names it has no vocabulary
    many = {f"p{number}": number for number in range(400)}
    assert [is_by_position(one(decoder, many, "SC-2")) for _ in range(LESSONS)][-1]


def test_what_finds_no_room_is_learned_after_a_while(monkeypatch):
    monkeypatch.setattr(schema_decoder, "_MOST_NAMES_AT_ALL", 3)
    monkeypatch.setattr(schema_decoder, "_PASSED_OVER", 10)
    decoder = taught("a", "b")
    assert not any(is_by_position(one(decoder, {"c": 1, "d": 2}, "SC-2")) for _ in range(10))
    assert [is_by_position(one(decoder, {"c": 1, "d": 2}, "SC-2")) for _ in range(LESSONS)][-1]


def test_classes_that_nobody_uses_are_freed(monkeypatch):
    monkeypatch.setattr(schema_decoder, "_MOST_GARBAGE", 30)
    gc.collect()
    before = len(ParameterValues.__subclasses__())
    decoder, rules = wire_decoder.Decoder(), limits.compile_rules({"parameters": {"p0": {"warnHigh": 1}}})
    gc.disable()
    try:
        for names in range(1, 30):
            for _ in range(LESSONS):
                are_met(rules, one(decoder, {f"p{number}": 1 for number in range(names)}).values)
    finally:
        gc.enable()
    assert len(ParameterValues.__subclasses__()) - before <= 10


def test_spacecraft_without_end_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(schema_decoder, "_MOST_SPACECRAFT", 10)
    decoder = taught("a")
    for number in range(50):
        one(decoder, {"a": 1}, f"SC-{number}x")
        assert len(decoder._schemas._sets) <= 10


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.integers(-3, 3) | st.floats(-3, 3) | st.booleans() | st.sampled_from(["", "x"])
    ),
    st.dictionaries(st.sampled_from("abce"), st.sampled_from([{"warnLow": -1}, {"critHigh": 1}, {"warnHigh": 0}])),
)
def test_values_by_position_meet_rules_when_nothing_is_found_in_them(parameters, config):
    rules = limits.compile_rules({"parameters": config})
    snapshot = one(KNOWS_ALL, parameters)
    assert isinstance(snapshot.values, ParameterValues)
    found = anomaly.judge(snapshot, rules, 1, 0)
    by_name = anomaly.judge(Snapshot(snapshot.identity, parameters), rules, 1, 0)
    assert found == by_name
    if are_met(rules, snapshot.values):
        assert not found


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"a": 5, "b": 1.5}, True),
        ({"a": 5.000001, "b": 1.5}, False),
        ({"a": 5}, True),  # b was not reported
        ({"b": 1.5}, True),
        ({"c": 99}, True),  # has no rule
        ({"a": True, "b": 1.5}, True),
    ],
)
def test_what_is_within_its_limits_takes_no_closer_look(parameters, expected):
    rules = limits.compile_rules({"parameters": {"a": {"warnHigh": 5}, "b": {"critLow": 1}, "e": {"critLow": 1}}})
    assert are_met(rules, one(KNOWS_ALL, parameters).values) is expected


def test_without_rules_all_are_met():
    rules = limits.compile_rules({"parameters": {}})
    assert are_met(rules, one(KNOWS_ALL, {"a": 1}).values)
    assert are_met(rules, {"a": 1})


def test_rules_keep_no_vocabulary_for_ever():
    rules = limits.compile_rules({"parameters": {"a": {"warnHigh": 5}}})
    for number in range(10):
        names = {"a": 6, f"b{number}": 1}
        assert not are_met(rules, one(taught(*names), names).values)
    gc.collect()
    assert len(rules.fast_checks) == 0


def test_any_number_of_large_spacecraft_have_no_form():
    many = {f"p{number}": number for number in range(501)}
    decoder = wire_decoder.Decoder()
    for number in range(LESSONS + 1):
        one(decoder, many, f"SC-{number}")
    assert decoder._schemas.get(f"SC-{LESSONS}") is None
