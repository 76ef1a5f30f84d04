"""Telemetry bodies: bytes in, snapshots and faults out.

Most bodies are good and have the parameters of earlier ones, so a decoder made for these names takes them whole; else
one that takes any names. What both refuse goes to strict_decoder, which is slow, decides in case of doubt, and names
what is wrong.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw

from missionops.domain import snapshot, timestamp
from missionops.domain.parameter_set import Value
from missionops.domain.snapshot import ParameterValues, Snapshot
from missionops.wire import array_items, no_value, schema_decoder, strict_decoder
from missionops.wire.fault import Fault, Faulty
from missionops.wire.schema_decoder import SchemaDecoder, SchemaDecoders
from missionops.wire.text import utf8

MAX_ITEMS = array_items.MAX_ITEMS

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
    # Nearly all are written like this, and msgspec reads them as we do; in others it rounds digits or takes +0100.
    if len(written) <= _MOST_DIGITS + 2 and written.endswith(b'Z"'):
        time = timestamp.to_microseconds(_json_instant(written))
        if _EARLIEST <= time <= _LATEST:
            return time
    return timestamp.to_microseconds(strict_decoder.json_timestamp(raw))


def _msgpack_time(raw: Raw) -> int:
    """Microseconds since 1970."""
    written = bytes(raw)
    if len(written) <= _MOST_DIGITS + 1 and written.endswith(b"Z") and written[0] == 0xA0 + len(written) - 1:
        time = timestamp.to_microseconds(_msgpack_instant(written))  # a short text; as above
        if _EARLIEST <= time <= _LATEST:
            return time
    return timestamp.to_microseconds(strict_decoder.msgpack_timestamp(raw))


class Encoding(NamedTuple):
    """How a body is written."""

    name: str
    slot: int
    """Which field of a SchemaDecoder takes it."""
    time: Callable[[Raw], int]
    strict: strict_decoder.Codec
    is_array: Callable[[bytes], bool]
    items: Callable[[bytes], list[bytes]]
    """The bytes of each item of an array."""
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
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return MSGPACK if media_type in {"application/msgpack", "application/x-msgpack"} else JSON


def decode(spacecraft_id: str, body: bytes, encoding: Encoding = JSON) -> list[Snapshot | Fault]:
    """The snapshots and faults of one body, without anything learned from earlier ones."""
    return Decoder().decode(spacecraft_id, body, encoding)


class Decoder:
    """Decodes bodies, the faster the more of a spacecraft's bodies it has seen."""

    def __init__(self) -> None:
        self._schemas = SchemaDecoders()
        self.trust = self._schemas.trust
        """Note names that a spacecraft is known to have reported before: such bodies need not come often again."""

    def read(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot | None:
        """The snapshot of a body that is one snapshot with known names, as nearly all are; else None: `decode` it."""
        schema = self._schemas.get(spacecraft_id)
        return schema and _read(schema, spacecraft_id, body, encoding)

    def decode(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> list[Snapshot | Fault]:
        """The snapshots of one body, and a fault for each part that is none, in the body's order."""
        return [*self.decode_each(spacecraft_id, body, encoding)]

    def decode_each(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> Iterator[Snapshot | Fault]:
        """The same one by one, so that an event loop gets to other work between two of ten thousand bad ones."""
        try:
            plain = utf8(body) if encoding is JSON else body
            is_array = encoding.is_array(plain)
            items = encoding.items(plain) if is_array else [plain]
        except Faulty as faulty:
            yield Fault(faulty.code, faulty.reason, None, body)
            return
        for index, item in enumerate(items):
            try:
                yield self._snapshot(spacecraft_id, item, encoding)
            except Faulty as faulty:
                yield Fault(faulty.code, faulty.reason, *((index, item) if is_array else (None, body)))

    def _snapshot(self, spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot:
        if known := self.read(spacecraft_id, body, encoding):
            return known
        plain = no_value.as_null(body) if encoding is JSON else body
        if plain is not body and (known := self.read(spacecraft_id, plain, encoding)):
            return known
        # The strict decoder gets the body as it came: it names where in it something is wrong.
        found = _read(schema_decoder.ANY, spacecraft_id, plain, encoding) or strict_decoder.decode(
            spacecraft_id, body, encoding.strict
        )
        is_known = self._schemas.learn(spacecraft_id, found.parameters)
        return (is_known and self.read(spacecraft_id, plain, encoding)) or found


def _read(schema: SchemaDecoder, spacecraft_id: str, body: bytes, encoding: Encoding) -> Snapshot | None:
    """The snapshot in `body`; None if it is in doubt."""
    try:
        read = schema[encoding.slot](body)
        time = encoding.time(read.timestamp)
    except _REFUSALS:
        return None
    given, text = read.id, b""
    # A text is made where it is needed: for a derived id, for U+0000, which JSON writes with a backslash, and for NaN
    # and the like, which MessagePack has. What only looks like U+0000 is good, as the strict decoder finds out.
    if given is UNSET or encoding is MSGPACK or _BACKSLASH in body:
        text = snapshot.text(read.parameters)
        if b"\\u0000" in text:
            return None
        if encoding is MSGPACK and (nulls := text.count(b"null")):
            _remove_infinite(read.parameters, nulls)
    if read.spacecraft_id is not UNSET and read.spacecraft_id != spacecraft_id:
        return None
    if given is UNSET:
        given = snapshot.derived_id(time, text)
    elif "\0" in given:
        return None
    return Snapshot((spacecraft_id, time, given), read.parameters)


def _remove_infinite(parameters: ParameterValues | dict[str, Value], nulls: int) -> None:
    """Put None in place of NaN and the infinities, in whose place `null` stands in the text that has so many of it."""
    if isinstance(parameters, dict):
        parameters.update({name: None for name, value in parameters.items() if _is_infinite(value)})
        return
    if msgspec.structs.astuple(parameters).count(None) == nulls:
        return
    for attribute in parameters.fields.values():
        if _is_infinite(getattr(parameters, attribute)):
            setattr(parameters, attribute, None)


def _is_infinite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
