"""One snapshot in a body: what is taken, and how what is not taken is named."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from missionops.domain.snapshot import Snapshot
from missionops.wire import decoder
from missionops.wire.fault import Fault
from tests.unit.wire.decoders import decode

TIME = "2025-01-01T00:00:00Z"
AT = datetime(2025, 1, 1, tzinfo=UTC)
BOTH = pytest.mark.parametrize("encoding", [decoder.JSON, decoder.MSGPACK], ids=lambda encoding: encoding.name)


def written(body: object, encoding: decoder.Encoding) -> bytes:
    return msgspec.json.encode(body) if encoding is decoder.JSON else msgspec.msgpack.encode(body)


def one(body: bytes, encoding: decoder.Encoding = decoder.JSON) -> Snapshot | Fault:
    (result,) = decode(body, encoding)
    return result


def taken(body: bytes, encoding: decoder.Encoding = decoder.JSON) -> Snapshot:
    result = one(body, encoding)
    assert isinstance(result, Snapshot), result
    assert result.spacecraft_id == "SC-1"
    return result


def refused(body: bytes, encoding: decoder.Encoding = decoder.JSON) -> tuple[str, str]:
    result = one(body, encoding)
    assert isinstance(result, Fault), result
    assert result.item is None
    assert result.body == body
    assert result.reason.isprintable()
    return result.code, result.reason


def said(**fields: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "parameters": {"temp": 42}} | fields


def with_value(text: str | bytes) -> bytes:
    value = text.encode() if isinstance(text, str) else text
    return b'{"timestamp":"%s","parameters":{"temp":%s}}' % (TIME.encode(), value)


@BOTH
def test_a_snapshot_is_taken(encoding):
    parameters = {"temp": 42, "mode": "CRUISE", "heater": True, "volts": 3.25}
    snapshot = taken(written(said(parameters=parameters, id="x", spacecraftId="SC-1"), encoding), encoding)
    assert (snapshot.timestamp, snapshot.id, snapshot.parameters) == (AT, "x", parameters)


@BOTH
def test_parameters_may_be_empty(encoding):
    assert taken(written(said(parameters={}), encoding), encoding).parameters == {}


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, decoder.JSON),
        ("", decoder.JSON),
        ("application/json", decoder.JSON),
        ("text/plain", decoder.JSON),
        ("application/msgpackx", decoder.JSON),
        (";application/msgpack", decoder.JSON),
        ("application/msgpack", decoder.MSGPACK),
        ("application/x-msgpack", decoder.MSGPACK),
        (" Application/MsgPack ; charset=utf-8", decoder.MSGPACK),
    ],
)
def test_the_content_type_names_the_encoding(content_type, encoding):
    assert decoder.encoding_of(content_type) is encoding


# The derived id


def test_order_white_space_escapes_and_encoding_make_no_difference_to_the_derived_id():
    bodies = [
        b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":1,"b":2.5,"c":"A"}}',
        b' {\n"parameters" :\t{"c":"\\u0041", "b":25e-1 ,"a":1 }, "timestamp":"2025-01-01T00:00:00Z"}\r\n',
        b'{"timestamp":"2025-01-01T01:00:00.0000009+01:00","parameters":{"c":"A","b":2.50,"b":2.5,"a":1},"x":[]}',
    ]
    ids = {taken(body).id for body in bodies}
    packed = msgspec.msgpack.encode({"parameters": {"c": "A", "b": 2.5, "a": 1}, "timestamp": AT})
    ids.add(taken(packed, decoder.MSGPACK).id)
    assert len(ids) == 1
    assert ids.pop().startswith("ts_")


def test_an_integer_and_a_float_make_a_difference_to_the_derived_id():
    values = ["1", "1.0", "true", '"1"', "2"]
    assert len({taken(with_value(value)).id for value in values}) == len(values)
    assert taken(with_value("1e0")).id == taken(with_value("1.0")).id


@BOTH
def test_a_given_id_is_kept(encoding):
    assert taken(written(said(id="my own"), encoding), encoding).id == "my own"


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-0", 0),
        ("42.0", 42.0),
        ("1E5", 1e5),
        ("-1.5e-3", -0.0015),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2**63),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("-9223372036854775809", -(2.0**63)),
        ("1" + "0" * 300, 1e300),
        ("0." + "0" * 300 + "1", 1e-301),
        ("2.2250738585072011e-308", 2.2250738585072011e-308),
        ("true", True),
        ("null", None),
        ("NaN", None),
        (" -Infinity ", None),
        ("Infinity", None),
        ('"NaN"', "NaN"),
        (r'"\"Infinity,NaN"', '"Infinity,NaN'),
        ('""', ""),
        ('"null"', "null"),
        (r'"\\u0000"', r"\u0000"),
        (r'"\ud83d\ude00"', "😀"),
        ('"a\\nb"', "a\nb"),
    ],
)
def test_values_are_kept_as_the_contract_says(text, value):
    kept = taken(with_value(text)).parameters["temp"]
    assert kept == value
    assert type(kept) is type(value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[NaN]", "must be a number, a string, a boolean or null"),
        ("[]", "must be a number, a string, a boolean or null"),
        ('{"a":[1]}', "must be a number, a string, a boolean or null"),
        ("1e400", "is beyond what a double can hold"),
        ("-1e309", "is beyond what a double can hold"),
        ("1" + "0" * 400, "is beyond what a double can hold"),
        ("1" + "0" * 20_000, "is beyond what a double can hold"),
        (r'"a\u0000b"', "U+0000 is no part of a string"),
    ],
)
def test_a_value_against_the_rules_is_invalid_and_named(text, fault):
    assert refused(with_value(text)) == ("invalid", f"parameters.temp: {fault}")


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "+NaN",
        "-NaN",
        "NaN1",
        "--Infinity",
        "Infinit",
        "01",
        "1.",
        ".5",
        "+1",
        "0x1",
        "True",
        "'a'",
        '"a',
        '"\n"',
        r'"\x"',
        "",
    ],
)
def test_what_json_does_not_know_is_malformed(text):
    code, reason = refused(with_value(text))
    assert code == "malformed"
    # A string without an end takes all that follows it.
    assert reason.startswith("body: not JSON: " if text == '"a' else "parameters.temp: not JSON: ")


@pytest.mark.parametrize(
    ("body", "field", "breaks_at"),
    [
        (b'{"timestamp":2025-01-01,"parameters":{}}', "timestamp", b'-01-01,"parameters":{}}'),
        (b'{"parameters":{"sun\\n_x":NaN,"bus_v":.5}}', "parameters.bus_v", b".5}}"),
        (b'{"parameters":{"a":"NaN","b":Infinity,"c\\u00e9":4.x}}', "parameters.cé", b"x}}"),
        (b'{"parameters":.5}', "parameters", b".5}"),
        (b'{"parameters":{},"id":x}', "id", b"x}"),
        (b'{"more":{"id":x}}', "body", b"x}}"),
        (b'{"parameters":{"a":1,}}', "body", b"}}"),
        (b'{"parameters":{"a":{"b":x}}}', "body", b"x}}}"),
    ],
)
def test_the_reason_names_the_field_and_the_byte_where_json_breaks(body, field, breaks_at):
    code, reason = refused(body)
    assert code == "malformed"
    assert reason.startswith(f"{field}: not JSON: ")
    assert reason.endswith(f"(byte {len(body) - len(breaks_at)})")


@BOTH
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_no_value_costs_nothing_else(value, encoding):
    parameters = {"bus_v": 4.9, "mode": "null", "sun_x": value}
    if encoding is decoder.MSGPACK:
        body = msgspec.msgpack.encode(said(parameters=parameters))
    else:
        body = json.dumps(said(parameters=parameters)).encode()  # Python, too, writes NaN and Infinity
    snapshot = taken(body, encoding)
    assert snapshot.parameters == {"bus_v": 4.9, "mode": "null", "sun_x": None}
    assert snapshot.id == taken(written(said(parameters=snapshot.parameters), decoder.JSON)).id


def test_a_field_that_must_have_a_value_may_not_be_nan():
    assert refused(b'{"timestamp":NaN,"parameters":{}}')[1].startswith("timestamp: must be a string")
    assert refused(b'{"timestamp":"%s","parameters":NaN}' % TIME.encode())[1].startswith(
        "parameters: must be an object"
    )
    assert refused(b"NaN") == ("invalid", "body: must be an object with timestamp and parameters")


@pytest.mark.parametrize("text", [rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud800\\udc00"', b'"\xed\xa0\x80"'])
def test_half_a_surrogate_pair_is_malformed_by_name(text):
    code, reason = refused(with_value(text))
    assert code == "malformed"
    assert reason.partition(": ")[2] == "a string holds half of a surrogate pair"


@pytest.mark.parametrize("text", [b'"\xff"', b'"\xc0\x80"', b'"a\xe2\x82"'])
def test_a_string_that_is_not_utf_8_is_malformed(text):
    code, reason = refused(with_value(text))
    assert code == "malformed"
    assert reason.startswith("parameters.temp: not JSON: ")


@pytest.mark.parametrize(
    ("packed", "code", "fault"),
    [
        (b"\x90", "invalid", "must be a number, a string, a boolean or null"),
        (b"\x81\x90\x01", "invalid", "must be a number, a string, a boolean or null"),
        (b"\xc4\x01a", "invalid", "must be a number, a string, a boolean or null"),
        (b"\xd4\x05\0", "invalid", "must be a number, a string, a boolean or null"),
        (b"\xd4\xff\0", "invalid", "must be a number, a string, a boolean or null"),
        (b"\xd6\xff\0\0\0\0", "invalid", "must be a number, a string, a boolean or null"),
        (b"\xa1\0", "invalid", "U+0000 is no part of a string"),
        (b"\xa1\xff", "malformed", "not MessagePack: "),
        (b"\xa3\xed\xa0\x80", "malformed", "not MessagePack: "),
    ],
)
def test_a_messagepack_value_against_the_rules_is_named(packed, code, fault):
    body = msgspec.msgpack.encode(said(parameters={"temp": 0}))[:-1] + packed
    found = refused(body, decoder.MSGPACK)
    assert found[0] == code
    assert found[1].startswith(f"parameters.temp: {fault}")


@pytest.mark.parametrize(
    ("packed", "value"),
    [
        (b"\xca\x3f\xc0\0\0", 1.5),
        (b"\xcf" + b"\xff" * 8, 2**64 - 1),
        (b"\xd3\x80" + b"\0" * 7, -(2**63)),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", None),
        (b"\xcb\x7f\xf0\0\0\0\0\0\0", None),
        (b"\xca\xff\x80\0\0", None),
        (b"\xc0", None),
    ],
)
def test_messagepack_numbers_of_every_width_are_taken(packed, value):
    body = msgspec.msgpack.encode(said(parameters={"temp": 0}))[:-1] + packed
    assert taken(body, decoder.MSGPACK).parameters == {"temp": value}


# Names and ids


@BOTH
@pytest.mark.parametrize("name", ["x", "x" * 256, "😀" * 256, "a b.c/d", "a\nb", "null", r"\u0000"])
def test_a_name_has_1_to_256_characters(name, encoding):
    assert taken(written(said(parameters={name: 1}), encoding), encoding).parameters == {name: 1}


@BOTH
@pytest.mark.parametrize("name", ["", "x" * 257, "😀" * 257, "x" * 100_000])
def test_a_name_of_any_other_length_is_invalid(name, encoding):
    code, reason = refused(written(said(parameters={"good": 1, name: 1}), encoding), encoding)
    assert code == "invalid"
    assert reason.startswith(f"parameters.{name[:256]}")
    assert reason.endswith(": a name has 1 to 256 characters")
    assert len(reason) < 320


@BOTH
def test_u_0000_is_refused_in_a_name_a_string_and_an_id(encoding):
    assert [
        refused(written(said(**fields), encoding), encoding)
        for fields in ({"parameters": {"a\0": 1}}, {"parameters": {"a": "\0"}}, {"id": "a\0"})
    ] == [
        ("invalid", r"parameters.a\x00: U+0000 is no part of a name"),
        ("invalid", "parameters.a: U+0000 is no part of a string"),
        ("invalid", "id: U+0000 is no part of a string"),
    ]


@BOTH
@pytest.mark.parametrize("given", ["a", "x" * 128, "😀" * 128, "a\nb", r"\u0000"])
def test_an_id_has_1_to_128_characters(given, encoding):
    assert taken(written(said(id=given), encoding), encoding).id == given


@BOTH
@pytest.mark.parametrize("given", ["", "x" * 129, "😀" * 129, None, 5, True, [], {"a": 1}])
def test_any_other_id_is_invalid(given, encoding):
    assert refused(written(said(id=given), encoding), encoding) == (
        "invalid",
        "id: must be a string of 1 to 128 characters",
    )


@BOTH
def test_a_control_character_in_a_name_does_not_break_the_reason_into_lines(encoding):
    code, reason = refused(written(said(parameters={"a\r\nMissionops-Error: b": []}), encoding), encoding)
    assert code == "invalid"
    assert reason.startswith(r"parameters.a\r\nMissionops-Error: b: must be")


@BOTH
def test_ten_thousand_parameters_are_taken_and_one_more_is_too_large(encoding):
    many = {f"p{index}": index for index in range(10_000)}
    for last in (1, 2**64 - 1):  # the second takes the careful path
        many["p9999"] = last
        assert len(taken(written(said(parameters=many), encoding), encoding).parameters) == 10_000
    assert refused(written(said(parameters=many | {"x": 1}), encoding), encoding) == (
        "too_large",
        "parameters: 10001 of them, at most 10000 may come in a snapshot",
    )


def test_a_name_repeated_counts_once_and_the_last_wins():
    assert taken(b'{"timestamp":"%s","parameters":{"a":null,"b":1,"a":"x"}}' % TIME.encode()).parameters == {
        "a": "x",
        "b": 1,
    }
    many = b",".join([b'"a":1'] * 10_000 + [b'"a":2,"b":3'])
    assert taken(b'{"timestamp":"%s","parameters":{%s}}' % (TIME.encode(), many)).parameters == {"a": 2, "b": 3}
    twice = b"\x82" + msgspec.msgpack.encode("a") + b"\xc0" + msgspec.msgpack.encode("a") + b"\x07"
    body = msgspec.msgpack.encode(said(parameters={}))[:-1] + twice
    assert taken(body, decoder.MSGPACK).parameters == {"a": 7}


def test_a_field_repeated_the_last_wins():
    body = b'{"timestamp":5,"timestamp":"%s","id":"","id":"b","parameters":[],"parameters":{}}' % TIME.encode()
    snapshot = taken(body)
    assert (snapshot.timestamp, snapshot.id, snapshot.parameters) == (AT, "b", {})


# Fields


@BOTH
@pytest.mark.parametrize("missing", ["timestamp", "parameters"])
def test_a_missing_field_is_named(missing, encoding):
    fields = said()
    del fields[missing]
    assert refused(written(fields, encoding), encoding) == ("invalid", f"{missing}: is required")


@BOTH
@pytest.mark.parametrize("parameters", [None, [], [1], "x", 5, True])
def test_parameters_of_another_type_are_invalid(parameters, encoding):
    assert refused(written(said(parameters=parameters), encoding), encoding) == (
        "invalid",
        "parameters: must be an object: name → number, string, boolean or null",
    )


@BOTH
@pytest.mark.parametrize("timestamp", [None, 1735689600, 1.5, True, [], {}])
def test_a_timestamp_of_another_type_is_invalid(timestamp, encoding):
    code, reason = refused(written(said(timestamp=timestamp), encoding), encoding)
    assert code == "invalid"
    assert reason.startswith("timestamp: must be a string such as 2025-01-01T00:00:00Z")


@BOTH
@pytest.mark.parametrize(
    ("timestamp", "fault"),
    [
        ("2025-01-01T00:00:00", "has no offset: end it with Z or +hh:mm"),
        ("2016-12-31T23:59:60Z", "is a leap second (:60), which is not kept"),
        ("2200-01-01T00:00:00Z", "must lie between 1900-01-01 and 2199-12-31 UTC"),
        ("yesterday\n", "is no RFC 3339 time such as 2025-01-01T00:00:00Z"),
    ],
)
def test_a_timestamp_against_the_rules_is_invalid_and_says_why(timestamp, fault, encoding):
    assert refused(written(said(timestamp=timestamp), encoding), encoding) == ("invalid", f"timestamp: {fault}")


@BOTH
def test_another_spacecraft_than_the_subjects_is_a_mismatch(encoding):
    assert refused(written(said(spacecraftId="SC-2"), encoding), encoding) == (
        "subject_mismatch",
        "spacecraftId: the body says SC-2, the subject says SC-1",
    )
    code, reason = refused(written(said(spacecraftId="\n" * 1_000), encoding), encoding)
    assert code == "subject_mismatch"
    assert reason.endswith("…, the subject says SC-1")


@BOTH
@pytest.mark.parametrize("other", [None, 5, ["SC-1"]])
def test_a_spacecraft_id_that_is_no_string_is_invalid(other, encoding):
    assert refused(written(said(spacecraftId=other), encoding), encoding) == (
        "invalid",
        "spacecraftId: must be a string",
    )


@BOTH
def test_unknown_fields_are_ignored(encoding):
    odd: dict[str, Any] = {"x": None, "Timestamp": 5, "": [[{}]], "spacecraft_id": "SC-2", "a\0": "\0", "x" * 1_000: 1}
    assert taken(written(said(**odd), encoding), encoding) == taken(written(said(), encoding), encoding)


@pytest.mark.parametrize("odd", [b"1e999", b'"\\u0000"', b'"\xff"', b"1" + b"0" * 5_000, b'{"parameters":null}'])
def test_unknown_fields_are_ignored_with_odd_content(odd):
    body = b'{"x":%s,"timestamp":"%s","parameters":{"temp":42}}' % (odd, TIME.encode())
    assert taken(body) == taken(json.dumps(said()).encode())


# Bodies


@pytest.mark.parametrize("body", [b"null", b"5", b'"x"', b"true", b"1e400", b" 0 "])
def test_a_body_that_is_no_object_is_invalid(body):
    assert refused(body) == ("invalid", "body: must be an object with timestamp and parameters")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b"}",
        b"hello",
        b"\0",
        b"\xef\xbb\xbf\xef\xbb\xbf" + with_value("1"),
        with_value("1") + b"x",
        with_value("1") + with_value("1"),
        with_value("1")[:-1],
        with_value("1").replace(b'"', b"'"),
        with_value("1").replace(b"}}", b",}}"),
        with_value("1").decode().encode("utf-16"),
        b"\xa0" + with_value("1"),
        b"\x0c" + with_value("1"),
    ],
)
def test_what_is_no_json_is_malformed(body):
    code, reason = refused(body)
    assert code == "malformed"
    assert reason.startswith("body: not JSON: ")


def test_json_may_stand_in_white_space():
    assert taken(b" \t\r\n" + with_value(" \n1\t") + b"\n\n ") == taken(with_value("1"))


def test_a_byte_order_mark_before_json_is_passed_over():
    assert taken(b"\xef\xbb\xbf" + with_value("1")) == taken(with_value("1"))
    marked = b"\xef\xbb\xbf[" + with_value("1") + b"," + with_value("2") + b"]"
    assert len(decoder.decode("SC-001", marked)) == 2


def test_what_is_written_otherwise_is_named():
    for body in (written(said(), decoder.MSGPACK), written([said()], decoder.MSGPACK)):
        assert "looks like MessagePack" in refused(body)[1]
        assert "Content-Type: application/msgpack" in refused(body)[1]
    assert "UTF-16" in refused(with_value("1").decode().encode("utf-16"))[1]
    assert "UTF-32" in refused(with_value("1").decode().encode("utf-32"))[1]
    assert refused(gzip.compress(b"{}"))[1] == "body: not JSON: it looks like gzip, which has to be unpacked first"
    latin1 = with_value('"ü"').decode().encode("latin-1")
    assert refused(latin1)[1].endswith("not JSON: it is not UTF-8 text")
    for body in (with_value("1"), b" [" + with_value("1") + b"]"):
        assert "looks like JSON" in refused(body, decoder.MSGPACK)[1]
    for body, encoding in ((b"", decoder.JSON), (b" \n", decoder.JSON), (b"", decoder.MSGPACK)):
        assert refused(body, encoding) == ("malformed", f"body: not {encoding.name}: it is empty")


@pytest.mark.parametrize("body", [b"\xc1", b"", b"\x81", b"[1", written(said(), decoder.MSGPACK) + b"\0"])
def test_what_is_no_messagepack_is_malformed(body):
    code, reason = refused(body, decoder.MSGPACK)
    assert code == "malformed"
    assert reason.startswith("body: not MessagePack: ")


@BOTH
def test_one_encoding_is_not_taken_for_the_other(encoding):
    other = decoder.MSGPACK if encoding is decoder.JSON else decoder.JSON
    assert refused(written(said(), encoding), other)[0] in {"malformed", "invalid"}


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_what_is_nested_too_deeply_is_malformed_and_harmless(depth):
    assert refused(with_value("[" * depth + "]" * depth))[0] == "malformed"
    packed = msgspec.msgpack.encode(said(parameters={"temp": 0}))[:-1] + b"\x91" * depth + b"\x01"
    assert refused(packed, decoder.MSGPACK)[0] == "malformed"
    unknown = b'{"x":' + b"[" * depth + b"]" * depth + b"," + with_value("1")[1:]
    assert refused(unknown) == ("malformed", "body: nested too deeply")
