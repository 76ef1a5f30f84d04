"""The careful path is the rule: the fast one says the same, and no body whatever makes either raise."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from missionops.domain import number, snapshot
from missionops.domain.snapshot import Snapshot
from missionops.wire import decoder, strict_decoder
from missionops.wire.fault import Fault, Faulty
from missionops.wire.text import utf8
from tests.unit.wire.decoders import decode

TIME = "2025-01-01T00:00:00Z"
AT = datetime(2025, 1, 1, tzinfo=UTC)
BOTH = pytest.mark.parametrize("encoding", [decoder.JSON, decoder.MSGPACK], ids=lambda encoding: encoding.name)
REASON = re.compile(r"(body|timestamp|parameters|parameters\..{0,2600}|id|spacecraftId): .+")
CODES = {"malformed", "invalid", "subject_mismatch", "too_large"}


def carefully(body: bytes, encoding: decoder.Encoding) -> Snapshot | Fault:
    try:
        return strict_decoder.decode("SC-1", utf8(body) if encoding is decoder.JSON else body, encoding.strict)
    except Faulty as faulty:
        return Fault(faulty.code, faulty.reason, None, body)


def typed(result: Snapshot | Fault) -> object:
    """With the types of the values, since 1 == 1.0 == True."""
    if isinstance(result, Fault):
        return result
    return result, {name: type(value) for name, value in result.parameters.items()}


def agreed(body: bytes, encoding: decoder.Encoding) -> Snapshot | Fault:
    (result,) = decode(body, encoding)
    assert typed(result) == typed(carefully(body, encoding))
    return result


def checked(body: bytes, encoding: decoder.Encoding) -> None:
    """Whatever the body is: snapshots and faults, and each fault a whole one."""
    results = decode(body, encoding)
    for result in results:
        if isinstance(result, Snapshot):
            assert json.loads(snapshot.text(result.values)) == result.parameters
        else:
            assert result.code in CODES
            assert REASON.fullmatch(result.reason), result.reason
            assert result.reason.isprintable()
            assert result.reason.encode()
            assert result.body in body
            assert result.item is not None or (result.body == body and len(results) == 1)
    if not encoding.is_array(body):
        agreed(body, encoding)


# Snapshots written in every way that JSON has

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["null", "\\u0000", "a\0", "", "é😀", "x" * 257]
)
STRINGS = st.builds(lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only), TEXTS, st.booleans())
NUMBERS = (
    st.integers().map(str)
    | st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400]).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
)
VALUES = (
    NUMBERS
    | STRINGS
    | st.sampled_from(
        ["true", "false", "null", "NaN", "Infinity", "-Infinity", "[]", '{"a":1}', '"NaN\\\\"', '"\\"NaN"']
    )
)
PAIRS = st.lists(st.tuples(STRINGS, VALUES), max_size=6)
SPACES = st.sampled_from(["", " ", "\n", "\t\r\n "])


def _plain(value: str) -> Any:
    return None if value in {"NaN", "Infinity", "-Infinity"} else json.loads(value)


def expected(pairs: list[tuple[str, str]]) -> dict[str, object] | None:
    """What the contract says of these parameters, by way of Python's own JSON; None where one is refused."""
    kept: dict[str, object] = {}
    for name, value in {json.loads(name): _plain(value) for name, value in pairs}.items():
        plain = number.kept(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        is_refused = (plain is None and value is not None) or isinstance(plain, list | dict)
        if is_refused or not 1 <= len(name) <= 256 or "\0" in f"{name}{plain}":
            return None
        kept[name] = plain
    return kept


@given(PAIRS, SPACES)
@example([('"a"', "1"), ('"a"', "1.0")], "")
@example([('"a"', "null"), ('"a"', "-0")], "")
@example([('"NaN\\\\"', "NaN"), ('":NaN,"', "-Infinity"), ('"a"', "1")], "")
@example([('"a"', "0." + "0" * 5_000 + "1e5001")], "")
@example([('"a"', "9007199254740993.00000000000000000000000000000000000000001")], "")
def test_json_says_the_same_fast_carefully_and_by_pythons_own_decoder(pairs, space):
    parameters = f",{space}".join(f"{name}{space}:{space}{value}" for name, value in pairs)
    body = f'{space}{{"parameters":{space}{{{parameters}}}{space},"timestamp":"{TIME}"}}{space}'.encode()
    result = agreed(body, decoder.JSON)
    kept = expected(pairs)
    if kept is None:
        assert isinstance(result, Fault)
        assert result.reason.startswith("parameters.")
    else:
        assert isinstance(result, Snapshot)
        assert result.parameters == kept
        assert [type(result.parameters[name]) for name in kept] == [type(value) for value in kept.values()]


PARAMETERS = st.dictionaries(
    TEXTS, st.integers(-(2**63), 2**64 - 1) | st.floats() | st.booleans() | TEXTS | st.none(), max_size=6
)


@given(PARAMETERS, st.none() | TEXTS, st.sampled_from([None, "SC-1", "SC-2"]))
def test_both_encodings_say_the_same_of_one_snapshot(parameters, given_id, spacecraft_id):
    body = {"timestamp": TIME, "parameters": parameters, "id": given_id, "spacecraftId": spacecraft_id}
    body = {name: value for name, value in body.items() if value is not None}
    packed = agreed(msgspec.msgpack.encode(body), decoder.MSGPACK)
    plain = agreed(msgspec.json.encode(body), decoder.JSON)
    if isinstance(packed, Snapshot):
        assert typed(packed) == typed(plain)
    else:
        assert isinstance(plain, Fault)
        assert (plain.code, plain.reason) == (packed.code, packed.reason)


@given(PARAMETERS)
def test_the_derived_id_is_of_names_values_and_time_alone(parameters):
    bodies = [
        {"timestamp": TIME, "parameters": parameters},
        {"parameters": dict(reversed(parameters.items())), "timestamp": "2025-01-01T01:00:00.0+01:00", "more": 1},
    ]
    one, other = (decode(msgspec.json.encode(body))[0] for body in bodies)
    if isinstance(one, Snapshot):
        assert isinstance(other, Snapshot)
        assert one.identity == other.identity
        assert re.fullmatch("ts_[0-9a-f]{32}", one.id)


@BOTH
def test_a_good_body_takes_the_fast_path(encoding, monkeypatch):
    monkeypatch.setattr(strict_decoder, "decode", None)
    body = {
        "timestamp": "2025-01-01T00:00:00.123456789+01:00",
        "id": "x",
        "spacecraftId": "SC-1",
        "parameters": {"temp": 42, "volts": -1.5e300, "mode": "CRUISE é😀", "heater": True, "least": -(2**63)},
        "more": [None],
    }
    written = msgspec.json.encode(body) if encoding is decoder.JSON else msgspec.msgpack.encode(body)
    (result,) = decode(written, encoding)
    assert isinstance(result, Snapshot)


# Anything at all

GOOD_BODIES = st.sampled_from([
    b'{"timestamp":"2025-01-01T00:00:00.5Z","parameters":{"temp":42.5e0,"mode":"\\u00e9\\ud83d\\ude00","on":true},"id":"x"}',
    b'[{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":1}},{"timestamp":"2025-01-01T00:00:00Z","parameters":{}}]',
    msgspec.msgpack.encode({"timestamp": TIME, "parameters": {"temp": 42.5, "mode": "\u00e9", "on": True}, "id": "x"}),
    msgspec.msgpack.encode([{"timestamp": AT, "parameters": {"a": 1}}, {"timestamp": AT, "parameters": {}}]),
])  # fmt: skip
PIECES = st.binary(max_size=3) | st.sampled_from(
    [
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"NaN",
        b"\\ud800",
        b"\\u0000",
        b"\xff",
        b"\xc1",
        b"\xdf",
        b"\n",
    ]
)


@st.composite
def mutated(draw):
    body = draw(GOOD_BODIES)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        body = body[:start] + draw(PIECES) + body[start + draw(st.integers(0, 4)) :]
    return body


@BOTH
@settings(max_examples=150)
@given(body=st.binary(max_size=200))
def test_no_bytes_make_it_raise(body, encoding):
    checked(body, encoding)


@BOTH
@settings(max_examples=300)
@given(body=mutated())
def test_no_damage_makes_it_raise(body, encoding):
    checked(body, encoding)


# MessagePack's timestamp extension


def timed(extension: bytes) -> bytes:
    return b"\x82" + msgspec.msgpack.encode("timestamp") + extension + msgspec.msgpack.encode("parameters") + b"\x80"


def refused(extension: bytes) -> tuple[str, str]:
    result = agreed(timed(extension), decoder.MSGPACK)
    assert isinstance(result, Fault)
    return result.code, result.reason


def seconds_and_nanoseconds(seconds: int, nanoseconds: int) -> bytes:
    return b"\xc7\x0c\xff" + nanoseconds.to_bytes(4, "big") + seconds.to_bytes(8, "big", signed=True)


@pytest.mark.parametrize(
    ("extension", "at"),
    [
        (b"\xd6\xff\x67\x74\x85\x80", AT),
        (b"\xd6\xff\xff\xff\xff\xff", datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)),
        (b"\xd7\xff" + (1_999 << 34 | 1_735_689_600).to_bytes(8, "big"), AT.replace(microsecond=1)),
        (b"\xd7\xff" + (999_999_999 << 34 | 1_735_689_600).to_bytes(8, "big"), AT.replace(microsecond=999_999)),
        (seconds_and_nanoseconds(1_735_689_600, 999), AT),
        (seconds_and_nanoseconds(-1, 999_999_999), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        (seconds_and_nanoseconds(-2_208_988_800, 0), datetime(1900, 1, 1, tzinfo=UTC)),
        (b"\xc7\x04\xff\x67\x74\x85\x80", AT),
        (b"\xc8\x00\x04\xff\x67\x74\x85\x80", AT),
        (b"\xc9\x00\x00\x00\x04\xff\x67\x74\x85\x80", AT),
    ],
)
def test_the_timestamp_extension_is_a_time_cut_to_the_microsecond(extension, at):
    result = agreed(timed(extension), decoder.MSGPACK)
    assert isinstance(result, Snapshot)
    assert result.timestamp == at


@pytest.mark.parametrize(
    "extension",
    [
        seconds_and_nanoseconds(-2_208_988_801, 999_999_999),
        seconds_and_nanoseconds(7_258_118_400, 0),
        seconds_and_nanoseconds(2**63 - 1, 0),
        seconds_and_nanoseconds(-(2**63), 0),
        b"\xd7\xff" + (2**34 - 1).to_bytes(8, "big"),
        b"\xd7\xff" + (2**33).to_bytes(8, "big"),
    ],
)
def test_a_timestamp_extension_out_of_range_is_invalid(extension):
    assert refused(extension) == (
        "invalid",
        "timestamp: must lie between 1900-01-01 and 2199-12-31 UTC",
    )


@pytest.mark.parametrize(
    "extension",
    [b"\xd4\xff\0", b"\xd5\xff\0\0", b"\xd8\xff" + b"\0" * 16, b"\xc7\0\xff", b"\xc7\x05\xff" + b"\0" * 5],
)
def test_a_timestamp_extension_of_another_length_is_malformed(extension):
    assert refused(extension) == (
        "malformed",
        "timestamp: a timestamp extension has 4, 8 or 12 bytes",
    )


@pytest.mark.parametrize("extension", [b"\xd7\xff" + b"\xff" * 8, seconds_and_nanoseconds(0, 1_000_000_000)])
def test_a_timestamp_extension_with_a_second_of_nanoseconds_is_malformed(extension):
    code, reason = refused(extension)
    assert code == "malformed"
    assert reason.startswith("timestamp: ")


@pytest.mark.parametrize("extension", [b"\xd6\x05\0\0\0\0", b"\xd7\x00" + b"\0" * 8, b"\xc7\x0c\x01" + b"\0" * 12])
def test_another_extension_is_no_time(extension):
    code, reason = refused(extension)
    assert code == "invalid"
    assert reason.startswith("timestamp: must be a string")
