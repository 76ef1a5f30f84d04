"""Arrays: each item stands alone, whatever its neighbours are."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from missionops.domain.snapshot import Snapshot
from missionops.wire import decoder
from missionops.wire.fault import Fault
from tests.unit.wire.decoders import decode

TIME = b'"2025-01-01T00:00:00Z"'
PACKED_TIME = msgspec.msgpack.encode("2025-01-01T00:00:00Z")


def snapshot(value: bytes) -> bytes:
    return b'{"timestamp":%s,"parameters":{"a, [\\"":%s}}' % (TIME, value)


def packed(value: bytes, time: bytes = PACKED_TIME) -> bytes:
    return b"\x82\xa9timestamp" + time + b"\xaaparameters\x81\xa1a" + value


def array(parts: list[bytes]) -> bytes:
    head = b"\xdc" + len(parts).to_bytes(2, "big") if len(parts) > 15 else bytes([0x90 + len(parts)])
    return head + b"".join(parts)


GOOD = [snapshot(value) for value in (b"1", b"2.5", b"true", b'"]},{\\\\"', '"é😀"'.encode(), b"18446744073709551616")]
GOOD += [snapshot(value) for value in (b"null", b"NaN", b"-Infinity", b'"],NaN"')]
BAD = {
    "lone surrogate": snapshot(b'"\\ud800"'),
    "invalid UTF-8": snapshot(b'"\xff\xc0"'),
    "deep nesting": snapshot(b"[" * 3_000 + b"]" * 3_000),
    "deep objects": snapshot(b'{"a":' * 3_000 + b"1" + b"}" * 3_000),
    "1e400": snapshot(b"1e400"),
    "U+0000": snapshot(b'"\\u0000"'),
    "bad escape": snapshot(b'"\\x"'),
    "line end in a string": snapshot(b'"\n"'),
    "no value": snapshot(b""),
    "two values": snapshot(b"1 2"),
    "null": b"null",
    "number": b"5",
    "string": b'"x]"',
    "word": b"nil",
    "form feed": b"\x0c5\x0b",
    "array": b"[%s]" % snapshot(b"1"),
    "empty array": b"[]",
    "empty object": b"{}",
    "no timestamp": b'{"parameters":{}}',
    "no parameters": b'{"timestamp":%s}' % TIME,
    "naive time": b'{"timestamp":"2025-01-01T00:00:00","parameters":{}}',
    "other spacecraft": b'{"timestamp":%s,"parameters":{},"spacecraftId":"SC-2"}' % TIME,
}
PACKED_GOOD = [
    packed(value) for value in (b"\x01", b"\xcb\x40\x04" + b"\0" * 6, b"\xc3", b"\xa1x", b"\xcf" + b"\xff" * 8)
]
PACKED_GOOD += [packed(value) for value in (b"\xc0", b"\xcb\x7f\xf8" + b"\0" * 6, b"\xca\x7f\x80\0\0")]
PACKED_BAD = {
    "invalid UTF-8": packed(b"\xa1\xff"),
    "deep nesting": packed(b"\x91" * 3_000 + b"\x01"),
    "deep maps": packed(b"\x81\x01" * 3_000 + b"\x01"),
    "U+0000": packed(b"\xa1\0"),
    "never used": packed(b"\xc1"),
    "unhashable key": packed(b"\x81\x80\x01"),
    "null": b"\xc0",
    "number": b"\x05",
    "binary": b"\xc4\x02[]",
    "wide nesting": b"\xdd\0\0\0\x02\xde\0\x01\xd9\x01a\xc5\0\x01b\xdf\0\0\0\x01\x01\xc7\x01\x05\0",
    "array": array([PACKED_GOOD[0]]),
    "empty map": b"\x80",
    "key of bytes": b"\x81\xc4\x01a\x01",
    "bad extension": packed(b"\x01", b"\xd4\xff\0"),
    "other spacecraft": b"\x83" + packed(b"\x01")[1:] + b"\xacspacecraftId\xa4SC-2",
}


def expected(part: bytes, index: int, encoding: decoder.Encoding) -> Snapshot | Fault:
    """What an item says alone; that it is bad where it should be is pinned by the tests of single snapshots."""
    if not encoding.is_array(part):
        (alone,) = decode(part, encoding)
        return alone._replace(item=index) if isinstance(alone, Fault) else alone
    return Fault("invalid", "body: must be an object with timestamp and parameters", index, part)


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"[\n]\t"])
def test_an_empty_array_says_nothing(body):
    assert decode(body) == []


@pytest.mark.parametrize("body", [b"\x90", b"\xdc\0\0", b"\xdd\0\0\0\0"])
def test_an_empty_messagepack_array_says_nothing(body):
    assert decode(body, decoder.MSGPACK) == []


@pytest.mark.parametrize("name", BAD)
def test_good_neighbours_survive_a_bad_item(name):
    bad = BAD[name]
    first, fault, last, again = decode(b"[%s, %s\n,%s,%s]" % (GOOD[0], bad, GOOD[3], bad))
    assert (first, last) == (decode(GOOD[0])[0], decode(GOOD[3])[0])
    assert isinstance(first, Snapshot)
    assert isinstance(last, Snapshot)
    assert isinstance(fault, Fault)
    assert isinstance(again, Fault)
    assert (fault.item, fault.body) == (1, bad)
    assert (again.item, again.body) == (3, bad)
    assert fault.reason.isprintable()


@pytest.mark.parametrize("name", PACKED_BAD)
def test_good_neighbours_survive_a_bad_messagepack_item(name):
    bad = PACKED_BAD[name]
    body = array([PACKED_GOOD[0], bad, PACKED_GOOD[1]])
    first, fault, last = decode(body, decoder.MSGPACK)
    assert isinstance(first, Snapshot)
    assert isinstance(last, Snapshot)
    assert isinstance(fault, Fault)
    assert (first.parameters, last.parameters) == ({"a": 1}, {"a": 2.5})
    assert (fault.item, fault.body) == (1, bad)
    assert fault.reason.isprintable()


@given(
    st.lists(st.sampled_from([*GOOD, *BAD.values()]), max_size=20),
    st.lists(st.sampled_from([b"", b" ", b"\r\n\t "]), min_size=4, max_size=4),
)
@settings(max_examples=50)
def test_every_item_is_judged_as_if_it_came_alone(parts, spaces):
    before, after, start, end = spaces
    body = start + b"[" + before + (after + b"," + before).join(parts) + after + b"]" + end
    assert decode(body) == [expected(part, index, decoder.JSON) for index, part in enumerate(parts)]


@given(st.lists(st.sampled_from([*PACKED_GOOD, *PACKED_BAD.values()]), max_size=20))
@settings(max_examples=50)
def test_every_messagepack_item_is_judged_as_if_it_came_alone(parts):
    assert decode(array(parts), decoder.MSGPACK) == [
        expected(part, index, decoder.MSGPACK) for index, part in enumerate(parts)
    ]


PACKED_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
    | st.builds(msgspec.msgpack.Ext, st.integers(0, 127), st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20),
    max_leaves=30,
)  # fmt: skip


@given(st.lists(PACKED_VALUES.map(msgspec.msgpack.encode), max_size=20))
@settings(max_examples=50)
def test_an_odd_messagepack_array_is_cut_where_its_items_end(parts):
    # 0xC1 alone sends the whole array to be cut by lengths.
    faults = decode(array([b"\xc1", *parts]), decoder.MSGPACK)
    assert [fault.body for fault in faults if isinstance(fault, Fault)] == [b"\xc1", *parts]


# One object of every format in MessagePack's specification, in the order of its table.
EVERY_FORMAT = [
    b"\x7f", b"\x81\x01\x02", b"\x92\x01\x02", b"\xa2ab", b"\xc0", b"\xc1", b"\xc2", b"\xc3",
    b"\xc4\x02ab", b"\xc5\0\x02ab", b"\xc6\0\0\0\x02ab",
    b"\xc7\x02\x05ab", b"\xc8\0\x02\x05ab", b"\xc9\0\0\0\x02\x05ab",
    b"\xca1234", b"\xcb12345678", b"\xcc1", b"\xcd12", b"\xce1234", b"\xcf12345678",
    b"\xd01", b"\xd112", b"\xd21234", b"\xd312345678",
    b"\xd4\x051", b"\xd5\x0512", b"\xd6\x051234", b"\xd7\x0512345678", b"\xd8\x051234567812345678",
    b"\xd9\x02ab", b"\xda\0\x02ab", b"\xdb\0\0\0\x02ab",
    b"\xdc\0\x02\x01\x02", b"\xdd\0\0\0\x02\x01\x02", b"\xde\0\x01\x01\x02", b"\xdf\0\0\0\x01\x01\x02", b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("part", EVERY_FORMAT, ids=lambda part: part[:1].hex())
def test_an_odd_messagepack_array_is_cut_behind_every_format(part):
    results = decode(array([b"\xc1", part, PACKED_GOOD[0]]), decoder.MSGPACK)
    assert [result.body for result in results[:2] if isinstance(result, Fault)] == [b"\xc1", part]
    assert isinstance(results[2], Snapshot)


@pytest.mark.parametrize(("encoding", "part"), [(decoder.JSON, GOOD[0]), (decoder.MSGPACK, PACKED_GOOD[0])])
def test_ten_thousand_items_are_taken_and_one_more_is_too_large(encoding, part):
    def body(count: int) -> bytes:
        return b"[" + b",".join([part] * count) + b"]" if encoding is decoder.JSON else array([part] * count)

    assert len(decode(body(10_000), encoding)) == 10_000
    assert decode(body(10_001), encoding) == [
        Fault("too_large", "body: 10001 snapshots, at most 10000 may come in one message", None, body(10_001))
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"[[",
        b"[}",
        b"[{]",
        b"[%s" % GOOD[0],
        b"[%s}" % GOOD[0],
        b"[%s}" % BAD["lone surrogate"],
        b"[%s,]" % GOOD[0],
        b"[,%s]" % GOOD[0],
        b"[%s,,%s]" % (GOOD[0], GOOD[0]),
        b"[,]",
        b"[%s]]" % GOOD[0],
        b"[%s] x" % GOOD[0],
        b"[%s][]" % BAD["lone surrogate"],
        b'[%s,"]' % GOOD[0],
        b'["\\"]',
    ],
)
def test_what_does_not_end_as_an_array_is_malformed_as_a_whole(body):
    (fault,) = decode(body)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.item, fault.body) == ("malformed", None, body)
    assert fault.reason.startswith("body: not JSON: ")


@pytest.mark.parametrize(
    "body",
    [
        b"\x91",
        b"\x92" + PACKED_GOOD[0],
        b"\x91" + PACKED_GOOD[0][:-1],
        b"\x91" + PACKED_GOOD[0] * 2,
        b"\x90\0",
        b"\xdc",
        b"\xdc\0",
        b"\xdd\xff\xff\xff\xff",
        b"\x91\xdf\xff\xff\xff\xff",
        b"\x91\xc6\xff\xff\xff\xff",
        b"\x91\xd9",
        b"\x91\xd8\xff",
    ],
)
def test_what_does_not_end_as_a_messagepack_array_is_malformed_as_a_whole(body):
    (fault,) = decode(body, decoder.MSGPACK)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.item, fault.body) == ("malformed", None, body)
    assert fault.reason.startswith("body: not MessagePack: ")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", [b"[", b"{", b'["', b"[1,", b"[]", b'"', b'\\"', b"NaN,", b'"\\u0000",', b"\\", b"]"])
def test_long_nonsense_takes_linear_time(piece):
    for body in (b"[" + piece * (100_000 // len(piece)), b'["' + piece * (300_000 // len(piece)) + b'"]'):
        assert all(isinstance(part, Fault) for part in decode(body))
