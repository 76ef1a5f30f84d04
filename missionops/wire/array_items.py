"""Arrays cut into their items' own bytes, so that a bad item does not take its neighbours along."""

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from missionops.wire.fault import Faulty

MAX_ITEMS = 10_000

_json_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_msgpack_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode

_WHITE_SPACE = b" \t\n\r"
_OPEN = ord("[")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))


def is_json_array(body: bytes) -> bool:
    """Whether a JSON body is an array, by its first character."""
    first = body[:1]
    return first != b"{" and (first == b"[" or body.lstrip(_WHITE_SPACE)[:1] == b"[")


def is_msgpack_array(body: bytes) -> bool:
    """Whether a MessagePack body is an array, by its first byte."""
    return body[:1] != b"" and (body[0] & 0xF0 == 0x90 or body[0] in {0xDC, 0xDD})  # noqa: PLR2004 - the format's


def of_json_array(body: bytes) -> list[bytes]:
    """The bytes of each item; Faulty if there are more than `MAX_ITEMS`, or it is no array."""
    try:
        items = _json_items(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _of_odd_json_array(body)
    if len(items) > MAX_ITEMS:
        raise _too_many(str(len(items)))
    return [*map(bytes, items)]


def of_msgpack_array(body: bytes) -> list[bytes]:
    """The bytes of each item; Faulty if there are more than `MAX_ITEMS`, or it is no array."""
    try:
        items = _msgpack_items(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _of_odd_msgpack_array(body)
    if len(items) > MAX_ITEMS:
        raise _too_many(str(len(items)))
    return [*map(bytes, items)]


def _too_many(count: str) -> Faulty:
    return Faulty("too_large", f"body: {count} snapshots, at most {MAX_ITEMS} may come in one message")


def json_array(parts: Sequence[bytes]) -> bytes:
    """An array of these items."""
    return b"[" + b",".join(parts) + b"]"


def msgpack_array(parts: Sequence[bytes]) -> bytes:
    """An array of these items."""
    return b"\xdd" + len(parts).to_bytes(4, "big") + b"".join(parts)


def _of_odd_json_array(body: bytes) -> list[bytes]:
    """The items of an array that was refused whole, though the fault may be in one item.

    NaN, half a surrogate pair, deep nesting: it is cut at the commas of the first level, by brackets alone. That is one
    step for each comma and the rest in C, as a publisher of nonsense must not keep all others waiting.
    """
    structure = _without_strings(body).rstrip(_WHITE_SPACE)
    start = stop = body.index(b"[") + 1
    if not structure.endswith(b"]"):
        raise _no_array()
    parts = structure[start:-1].split(b",")
    shapes = structure[start:-1].translate(_BRACKETS, _NO_STRUCTURE).split(b",")
    depth, known, found = 0, dict[bytes, tuple[int, int]](), list[bytes]()
    for part, shape in zip(parts, shapes, strict=True):
        if shape:
            if shape not in known:  # by how much these brackets change the depth, and the least change on the way
                depths = list(accumulate((1 if bracket == _OPEN else -1 for bracket in shape), initial=0))
                known[shape] = depths[-1], min(depths)
            change, lowest = known[shape]
            if depth + lowest < 0:
                raise _no_array()
            depth += change
        stop += len(part)
        if not depth:
            found.append(body[start:stop].strip(_WHITE_SPACE))
            if not found[-1]:
                raise _no_array()
            if len(found) > MAX_ITEMS:
                raise _too_many(f"more than {MAX_ITEMS}")
            start = stop + 1
        stop += 1
    if depth:
        raise _no_array()
    return found


def _no_array() -> Faulty:
    return Faulty("malformed", "body: not JSON: it begins as an array and does not end as one")


def _without_strings(body: bytes) -> bytes:
    """As long as `body`, with nothing in its strings."""
    parts = body.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
    if len(parts) % 2 == 0:
        raise Faulty("malformed", f"body: not JSON: the string at byte {len(body) - len(parts[-1]) - 1} has no end")
    parts[1::2] = map(bytes, map(len, parts[1::2]))
    return b'"'.join(parts)


def _of_odd_msgpack_array(body: bytes) -> list[bytes]:
    """The items of an array that was refused whole, though the fault may be in one item; found by their lengths."""
    count, at = _msgpack_head(body, 0)
    if count > len(body) - at:
        raise Faulty("malformed", "body: not MessagePack: it ends too early")
    if count > MAX_ITEMS:
        raise _too_many(str(count))
    found = []
    for _ in range(count):
        start, pending = at, 1
        while pending:
            # Most objects are of the simple kinds, and a call for each would be most of the work.
            inner, length = _MSGPACK_SIMPLE[body[at]] if at < len(body) else (0, 0)
            if length:
                at += length
            else:
                inner, at = _msgpack_head(body, at)
            pending += inner - 1
        found.append(body[start:at])
    if at != len(body):
        raise Faulty("malformed", "body: not MessagePack: bytes after its end, or none where it should go on")
    return found


# MessagePack's first bytes, from its specification's table: how many bytes hold the length, and follow it uncounted;
# how many bytes follow; how many bytes hold the count, and how many objects each counts for.
_MSGPACK_SIZED = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1), 0xD9: (1, 0), 0xDA: (2, 0),
    0xDB: (4, 0),
}  # fmt: skip
_MSGPACK_FIXED = {
    0xC0: 0, 0xC1: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2,
    0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_MSGPACK_NESTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
# Small ones say all in their first byte: how many objects lie inside, or how many bytes follow.
_MSGPACK_INSIDE = {0x80 + count: 2 * count for count in range(16)} | {0x90 + count: count for count in range(16)}
_MSGPACK_FIXED |= {0xA0 + length: length for length in range(32)} | dict.fromkeys(
    (*range(0x80), *range(0xE0, 0x100)), 0
)


_MSGPACK_SIMPLE = tuple(
    (0, 1 + _MSGPACK_FIXED[first])
    if first in _MSGPACK_FIXED
    else (_MSGPACK_INSIDE.get(first, 0), first in _MSGPACK_INSIDE)
    for first in range(256)
)
"""By its first byte, how many objects lie inside of one, and its own length; 0 where the first byte does not say it."""


def _msgpack_head(body: bytes, at: int) -> tuple[int, int]:
    """How many objects lie inside the one at `at`, and where the next begins (past it, or its first)."""
    if at >= len(body):
        raise Faulty("malformed", "body: not MessagePack: it ends too early")
    first = body[at]
    if first in _MSGPACK_FIXED:
        return 0, at + 1 + _MSGPACK_FIXED[first]
    if first in _MSGPACK_INSIDE:
        return _MSGPACK_INSIDE[first], at + 1
    if first in _MSGPACK_SIZED:
        width, extra = _MSGPACK_SIZED[first]
        return 0, at + 1 + width + extra + _msgpack_length(body, at + 1, width)
    width, unit = _MSGPACK_NESTED[first]
    return unit * _msgpack_length(body, at + 1, width), at + 1 + width


def _msgpack_length(body: bytes, at: int, width: int) -> int:
    return int.from_bytes(body[at : at + width], "big")
