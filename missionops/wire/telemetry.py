"""Telemetry bodies: bytes in, snapshots and faults out.

Most bodies are good, so a typed decoder takes them whole. What it refuses goes to `careful`, which is slow, is the
rule in case of doubt, and names what is wrong.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from missionops.domain import moment, snapshot
from missionops.domain.limits import MAX_NAME, MAX_PARAMETERS
from missionops.domain.snapshot import Snapshot
from missionops.wire import careful, items
from missionops.wire.fault import Fault, Faulty

MAX_ITEMS = 10_000

# An integer past 63 bits is left to `careful`: msgspec has no wider bound.
_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Parameters = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=MAX_NAME)], bool | _Integer | float | str],
    Meta(max_length=MAX_PARAMETERS),
]
_Id = Annotated[str, Meta(min_length=1, max_length=careful.MAX_ID)]


class _JsonBody(msgspec.Struct, gc=False, rename="camel"):
    timestamp: str
    parameters: _Parameters
    id: _Id | UnsetType = UNSET
    spacecraft_id: str | UnsetType = UNSET


class _MsgpackBody(msgspec.Struct, gc=False, rename="camel"):
    timestamp: msgspec.Raw  # text, or the timestamp extension, which msgspec would round
    parameters: _Parameters
    id: _Id | UnsetType = UNSET
    spacecraft_id: str | UnsetType = UNSET


class Encoding(NamedTuple):
    """How a body is written."""

    name: str
    decode: Callable[[bytes], _JsonBody | _MsgpackBody]
    moment: Callable[[Any], datetime]
    careful: careful.Notation
    is_array: Callable[[bytes], bool]
    items: Callable[[bytes], list[bytes]]


JSON = Encoding(
    "JSON",
    msgspec.json.Decoder(_JsonBody).decode,
    moment.parse,
    careful.JSON,
    items.is_json_array,
    items.of_json_array,
)
MSGPACK = Encoding(
    "MessagePack",
    msgspec.msgpack.Decoder(_MsgpackBody).decode,
    careful.msgpack_moment,
    careful.MSGPACK,
    items.is_msgpack_array,
    items.of_msgpack_array,
)


def encoding_of(content_type: str | None) -> Encoding:
    """The encoding that a `Content-Type` names; JSON unless it is MessagePack."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return MSGPACK if kind in {"application/msgpack", "application/x-msgpack"} else JSON


def decode(spacecraft_id: str, body: bytes, encoding: Encoding = JSON) -> list[Snapshot | Fault]:
    """The snapshots of one body, and a fault for each part that is none, in the body's order."""
    try:
        if not encoding.is_array(body):
            return [_snapshot(spacecraft_id, body, encoding)]
        parts = _items(body, encoding)
    except Faulty as faulty:
        return [Fault(faulty.code, faulty.reason, None, body)]
    return [_item(spacecraft_id, part, index, encoding) for index, part in enumerate(parts)]


def _items(body: bytes, encoding: Encoding) -> list[bytes]:
    parts = encoding.items(body)
    if len(parts) > MAX_ITEMS:
        raise Faulty("too_large", f"body: {len(parts)} snapshots, at most {MAX_ITEMS} may come in one message")
    return parts


def _item(spacecraft_id: str, part: bytes, index: int, encoding: Encoding) -> Snapshot | Fault:
    try:
        return _snapshot(spacecraft_id, part, encoding)
    except Faulty as faulty:
        return Fault(faulty.code, faulty.reason, index, part)


def _snapshot(spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot:
    try:
        said = encoding.decode(body)
        at = encoding.moment(said.timestamp)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, moment.InvalidMoment, Faulty):
        return careful.decode(spacecraft_id, body, encoding.careful)
    text = snapshot.text(said.parameters)
    # U+0000 and, from MessagePack, NaN: seldom there, and found at once in the text that is made anyway.
    # What else looks like them (a string "null") is good, and decoded again with care.
    if b"\\u0000" in text or b"null" in text:
        return careful.decode(spacecraft_id, body, encoding.careful)
    if said.spacecraft_id is not UNSET and said.spacecraft_id != spacecraft_id:
        return careful.decode(spacecraft_id, body, encoding.careful)
    if said.id is UNSET:
        return Snapshot(spacecraft_id, at, snapshot.derived_id(at, text), said.parameters, text)
    if "\0" in said.id:
        return careful.decode(spacecraft_id, body, encoding.careful)
    return Snapshot(spacecraft_id, at, said.id, said.parameters, text)
