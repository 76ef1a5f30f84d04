"""Telemetry bodies: bytes in, snapshots and faults out.

Most bodies are good and bring what others brought before, so a decoder made for these names takes them whole; else
one that takes any names. What both refuse goes to `careful`, which is slow, is the rule in case of doubt, and names
what is wrong.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw

from missionops.domain import snapshot, timestamp
from missionops.domain.snapshot import Snapshot
from missionops.wire import array_items, schema_decoder, strict_decoder
from missionops.wire.fault import Fault, Faulty
from missionops.wire.schema_decoder import SchemaDecoder, SchemaDecoders
from missionops.wire.text import utf8

MAX_ITEMS = 10_000

_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Faulty)
_EARLIEST, _LATEST = map(timestamp.to_microseconds, (timestamp.EARLIEST, timestamp.LATEST))
_BACKSLASH = ord("\\")
_MOST_DIGITS = len("2025-01-01T00:00:00.000000Z")

_Instant = Annotated[datetime, Meta(tz=True)]
_json_instant = msgspec.json.Decoder(_Instant).decode
_msgpack_instant = msgspec.msgpack.Decoder(_Instant).decode


def _json_time(raw: Raw) -> int:
    """Microseconds since 1970."""
    written = bytes(raw)
    # Nearly all are written like this, and msgspec reads them as we do; of others it rounds digits or takes +0100.
    if len(written) <= _MOST_DIGITS + 2 and written.endswith(b'Z"'):
        time = timestamp.to_microseconds(_json_instant(written))
        if _EARLIEST <= time <= _LATEST:
            return time
    return timestamp.to_microseconds(strict_decoder.json_moment(raw))


def _msgpack_time(raw: Raw) -> int:
    """Microseconds since 1970."""
    written = bytes(raw)
    if len(written) <= _MOST_DIGITS + 1 and written.endswith(b"Z") and written[0] == 0xA0 + len(written) - 1:
        time = timestamp.to_microseconds(_msgpack_instant(written))  # a short text; as above
        if _EARLIEST <= time <= _LATEST:
            return time
    return timestamp.to_microseconds(strict_decoder.msgpack_moment(raw))


class Encoding(NamedTuple):
    """How a body is written."""

    name: str
    slot: int
    """Which decoder of a form takes it."""
    time: Callable[[Raw], int]
    strict: strict_decoder.Codec
    is_array: Callable[[bytes], bool]
    items: Callable[[bytes], list[bytes]]
    array: Callable[[Sequence[bytes]], bytes]
    """The body that holds these items."""


JSON = Encoding(
    "JSON",
    SchemaDecoder._fields.index("json"),
    _json_time,
    strict_decoder.JSON,
    array_items.is_json_array,
    array_items.of_json_array,
    array_items.json_array,
)
MSGPACK = Encoding(
    "MessagePack",
    SchemaDecoder._fields.index("msgpack"),
    _msgpack_time,
    strict_decoder.MSGPACK,
    array_items.is_msgpack_array,
    array_items.of_msgpack_array,
    array_items.msgpack_array,
)


def encoding_of(content_type: str | None) -> Encoding:
    """The encoding that a `Content-Type` names; JSON unless it is MessagePack."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return MSGPACK if kind in {"application/msgpack", "application/x-msgpack"} else JSON


def decode(spacecraft_id: str, body: bytes, encoding: Encoding = JSON) -> list[Snapshot | Fault]:
    """The snapshots of one body, for whoever has no more of them."""
    return Decoder().decode(spacecraft_id, body, encoding)


class Decoder:
    """Decodes bodies; the better, the more it has seen."""

    def __init__(self) -> None:
        self._forms = SchemaDecoders()

    def read(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot | None:
        """The snapshot of a body that is one and brings nothing new, as nearly all; else None: `decode` it."""
        form = self._forms.get(spacecraft_id)
        return form and _read(form, spacecraft_id, body, encoding)

    def decode(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> list[Snapshot | Fault]:
        """The snapshots of one body, and a fault for each part that is none, in the body's order."""
        try:
            plain = utf8(body) if encoding is JSON else body
            if not encoding.is_array(plain):
                return [self._snapshot(spacecraft_id, plain, encoding)]
            parts = _items(plain, encoding)
        except Faulty as faulty:
            return [Fault(faulty.code, faulty.reason, None, body)]
        return [self._item(spacecraft_id, part, index, encoding) for index, part in enumerate(parts)]

    def _item(self, spacecraft_id: str, part: bytes, index: int, encoding: Encoding) -> Snapshot | Fault:
        try:
            return self._snapshot(spacecraft_id, part, encoding)
        except Faulty as faulty:
            return Fault(faulty.code, faulty.reason, index, part)

    def _snapshot(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot:
        if known := self.read(spacecraft_id, body, encoding):
            return known
        found = _read(schema_decoder.ANY, spacecraft_id, body, encoding) or strict_decoder.decode(
            spacecraft_id, body, encoding.strict
        )
        is_known = self._forms.learn(spacecraft_id, found.parameters)
        return (is_known and self.read(spacecraft_id, body, encoding)) or found


def _items(body: bytes, encoding: Encoding) -> list[bytes]:
    parts = encoding.items(body)
    if len(parts) > MAX_ITEMS:
        raise Faulty("too_large", f"body: {len(parts)} snapshots, at most {MAX_ITEMS} may come in one message")
    return parts


def _read(form: SchemaDecoder, spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot | None:
    """The snapshot in `body`; None if it is in doubt."""
    try:
        said = form[encoding.slot](body)
        time = encoding.time(said.timestamp)
    except _REFUSALS:
        return None
    text = snapshot.text(said.parameters)
    # U+0000 and, from MessagePack, NaN: seldom there, and found at once. What else looks like them (a string "null") is
    # good, and decoded again with care. In JSON it takes a backslash: a number is looked for in a tenth of the time.
    if (_BACKSLASH in body or encoding is MSGPACK) and (b"\\u0000" in text or b"null" in text):
        return None
    if said.spacecraft_id is not UNSET and said.spacecraft_id != spacecraft_id:
        return None
    if (given := said.id) is UNSET:
        given = snapshot.derived_id(time, text)
    elif "\0" in given:
        return None
    return Snapshot((spacecraft_id, time, given), said.parameters, text)
