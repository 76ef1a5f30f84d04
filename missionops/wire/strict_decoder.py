"""One snapshot decoded part by part: accepts all that the contract accepts, and names what is wrong with the rest."""

import contextlib
import json
import math
import re
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from missionops.domain import number, snapshot, timestamp
from missionops.domain.parameter_name import MAX_NAME, MAX_PARAMETERS
from missionops.domain.parameter_set import Value
from missionops.domain.snapshot import Snapshot
from missionops.wire import no_value
from missionops.wire.fault import Faulty, shown
from missionops.wire.text import compression, why_not_json, wide_codec

MAX_ID = 128

_skip_messagepack = msgspec.msgpack.Decoder(Raw).decode

# MessagePack's number for timestamps, and where an extension's data begins: its type is the byte before.
_TIMESTAMP_EXTENSION = -1
_EXTENSION_DATA = {0xC7: 3, 0xC8: 4, 0xC9: 6, 0xD4: 2, 0xD5: 2, 0xD6: 2, 0xD7: 2, 0xD8: 2}


_BYTE = re.compile(r"\(byte ([0-9]+)\)$")
"""Where msgspec says that JSON breaks."""
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*'  # all of a string but its last quote
_STRINGS = re.compile(_TEXT + rb'"', re.DOTALL)
_NAME_AND_VALUE = re.compile(rb"(%b\")\s*:\s*(?:%b\\?\"?|[^\s,:{}\[\]\"]*)\s*" % (_TEXT, _TEXT), re.DOTALL)
"""A name, and the beginning of its value as far as that is one text, number or word."""


class _Parts(msgspec.Struct, rename="camel"):
    timestamp: Raw | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    spacecraft_id: Raw | UnsetType = UNSET


class Codec(NamedTuple):
    """How one encoding is decoded part by part."""

    name: str
    parts: Callable[[bytes], _Parts]
    parameters: Callable[[Raw], dict[str, Raw]]
    value: Callable[[Raw], Any]
    timestamp: Callable[[Raw], datetime]


def json_timestamp(raw: Raw) -> datetime:
    """The time that a JSON string names."""
    text = _value(raw, JSON, "timestamp")
    if not isinstance(text, str):
        raise Faulty("invalid", "timestamp: must be a string such as 2025-01-01T00:00:00Z")
    return _parsed(text)


def msgpack_timestamp(raw: Raw) -> datetime:
    """The time that a MessagePack string or timestamp extension names."""
    value = _value(raw, MSGPACK, "timestamp")
    if isinstance(value, str):
        return _parsed(value)
    if not isinstance(value, msgspec.msgpack.Ext) or value.code != _TIMESTAMP_EXTENSION:
        raise Faulty("invalid", "timestamp: must be a string such as 2025-01-01T00:00:00Z or a timestamp extension")
    data = bytes(value.data)
    if len(data) == 4:  # noqa: PLR2004 - the format's lengths
        seconds, nanoseconds = int.from_bytes(data, "big"), 0
    elif len(data) == 8:  # noqa: PLR2004
        both = int.from_bytes(data, "big")
        seconds, nanoseconds = both & (1 << 34) - 1, both >> 34
    elif len(data) == 12:  # noqa: PLR2004 - the only one whose seconds may be negative
        seconds, nanoseconds = int.from_bytes(data[4:], "big", signed=True), int.from_bytes(data[:4], "big")
    else:
        raise Faulty("malformed", "timestamp: a timestamp extension has 4, 8 or 12 bytes")
    if nanoseconds > 999_999_999:  # noqa: PLR2004
        raise Faulty("malformed", "timestamp: a timestamp extension with more than a second of nanoseconds")
    try:
        return timestamp.from_unix(seconds, nanoseconds)
    except timestamp.InvalidTimestamp as error:
        raise Faulty("invalid", f"timestamp: {error}") from None


def _parsed(text: str) -> datetime:
    try:
        return timestamp.parse(text)
    except timestamp.InvalidTimestamp as error:
        raise Faulty("invalid", f"timestamp: {error}") from None


JSON = Codec(
    "JSON",
    msgspec.json.Decoder(_Parts).decode,
    msgspec.json.Decoder(dict[str, Raw]).decode,
    msgspec.json.Decoder().decode,
    json_timestamp,
)


def _msgpack_value(raw: Raw) -> Any:
    """A value; the timestamp extension stays as its bytes, since msgspec would round it."""
    written = bytes(raw)
    start = _EXTENSION_DATA.get(written[0])
    if start and written[start - 1] == 0xFF:  # noqa: PLR2004 - -1 as a byte
        return msgspec.msgpack.Ext(_TIMESTAMP_EXTENSION, written[start:])
    return msgspec.msgpack.decode(raw)


MSGPACK = Codec(
    "MessagePack",
    msgspec.msgpack.Decoder(_Parts).decode,
    msgspec.msgpack.Decoder(dict[str, Raw]).decode,
    _msgpack_value,
    msgpack_timestamp,
)


def decode(spacecraft_id: str, body: bytes, codec: Codec) -> Snapshot:
    """The snapshot in `body`, or Faulty with the first thing that is wrong."""
    parts = _parts(body, codec)
    if isinstance(parts.timestamp, UnsetType):
        raise Faulty("invalid", "timestamp: is required")
    if isinstance(parts.parameters, UnsetType):
        raise Faulty("invalid", "parameters: is required")
    time = timestamp.to_microseconds(codec.timestamp(parts.timestamp))
    parameters = _parameters(parts.parameters, codec)
    given = None
    if not isinstance(parts.id, UnsetType):
        given = _value(parts.id, codec, "id")
        if not isinstance(given, str) or not 1 <= len(given) <= MAX_ID:
            raise Faulty("invalid", f"id: must be a string of 1 to {MAX_ID} characters")
        if "\0" in given:
            raise Faulty("invalid", "id: U+0000 is no part of a string")
    if not isinstance(parts.spacecraft_id, UnsetType):
        says = _value(parts.spacecraft_id, codec, "spacecraftId")
        if not isinstance(says, str):
            raise Faulty("invalid", "spacecraftId: must be a string")
        if says != spacecraft_id:
            reason = f"spacecraftId: the body says {shown(says)}, the subject says {spacecraft_id}"
            raise Faulty("subject_mismatch", reason)
    return Snapshot((spacecraft_id, time, given or snapshot.derived_id(time, snapshot.text(parameters))), parameters)


def _parts(body: bytes, codec: Codec) -> _Parts:
    plain = no_value.as_null(body) if codec is JSON else body
    try:
        return codec.parts(plain)
    except msgspec.ValidationError:
        try:
            _value(Raw(plain), codec, "body")
        except Faulty as faulty:
            if faulty.code == "malformed":  # it only begins as JSON or MessagePack
                raise faulty from None
        raise Faulty("invalid", "body: must be an object with timestamp and parameters") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed_body(body, codec, error) from None
    except RecursionError:
        raise Faulty("malformed", "body: nested too deeply") from None


def _parameters(raw: Raw, codec: Codec) -> dict[str, Value]:
    try:
        named = codec.parameters(raw)
    except msgspec.ValidationError:
        raise Faulty("invalid", "parameters: must be an object: name → number, string, boolean or null") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed("parameters", bytes(raw), codec, error) from None
    except RecursionError:
        raise Faulty("malformed", "parameters: nested too deeply") from None
    if len(named) > MAX_PARAMETERS:
        raise Faulty("too_large", f"parameters: {len(named)} of them, at most {MAX_PARAMETERS} may come in a snapshot")
    return {name: _parameter(name, value, codec) for name, value in named.items()}


def _parameter(name: str, raw: Raw, codec: Codec) -> Value:
    """The value of a parameter, once its name is found good."""
    field = f"parameters.{shown(name)}"
    if not 1 <= len(name) <= MAX_NAME:
        raise Faulty("invalid", f"{field}: a name has 1 to {MAX_NAME} characters")
    if "\0" in name:
        raise Faulty("invalid", f"{field}: U+0000 is no part of a name")
    value = _value(raw, codec, field)
    if isinstance(value, str):
        if "\0" in value:
            raise Faulty("invalid", f"{field}: U+0000 is no part of a string")
        return value
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        raise Faulty("invalid", f"{field}: must be a number, a string, a boolean or null")
    if codec is MSGPACK and not math.isfinite(value):
        return None
    kept = number.kept(value)
    if kept is None:
        raise Faulty("invalid", f"{field}: is beyond what a double can hold")
    return kept


def _value(raw: Raw, codec: Codec, field: str) -> Any:
    try:
        return codec.value(raw)
    except msgspec.ValidationError:  # what decodes as nothing in particular can only be out of a number's range
        raise Faulty("invalid", f"{field}: is beyond what a double can hold") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(field, bytes(raw), codec, error) from None
    except RecursionError:
        raise Faulty("invalid", f"{field}: nested too deeply") from None


def _malformed(field: str, body: bytes, codec: Codec, error: Exception) -> Faulty:
    if field == "body" and not body.strip():
        return Faulty("malformed", f"body: not {codec.name}: it is empty")
    if codec is MSGPACK and field == "body" and body.lstrip()[:1] in {b"{", b"["}:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            msgspec.json.decode(body)
            return Faulty(
                "malformed",
                "body: not MessagePack: it looks like JSON, which has to come without the header "
                "Content-Type: application/msgpack",
            )
    if codec is JSON:
        try:
            json.dumps(json.loads(body), ensure_ascii=False).encode()
        except UnicodeEncodeError:  # msgspec calls JSON truncated that is whole but for a lone surrogate
            return Faulty("malformed", f"{field}: a string holds half of a surrogate pair")
        except (ValueError, RecursionError):
            pass  # it is as msgspec says
    return Faulty("malformed", f"{field}: not {codec.name}: {why_not_json(error)}")


def _malformed_body(body: bytes, codec: Codec, error: Exception) -> Faulty:
    """What is wrong with a body as a whole: with what it probably is instead, else with the field where it breaks."""
    if codec is MSGPACK:
        return _malformed("body", body, codec, error)
    # No text begins as a map or an array of MessagePack does.
    if body and (0x80 <= body[0] <= 0x9F or 0xDC <= body[0] <= 0xDF):  # noqa: PLR2004 - the format's
        with contextlib.suppress(msgspec.DecodeError):
            _skip_messagepack(body)
            return Faulty(
                "malformed",
                "body: not JSON: it looks like MessagePack, which has to come with the header "
                "Content-Type: application/msgpack",
            )
    if codec_name := wide_codec(body):
        return Faulty("malformed", f"body: not JSON: it looks like {codec_name[:6].upper()} text, and JSON is UTF-8")
    if packed := compression(body):
        return Faulty("malformed", f"body: not JSON: it looks like {packed}, which has to be unpacked first")
    plain = no_value.as_text(body)  # as long as the body: the byte that the error names is the body's
    try:
        codec.parts(plain)
    except (msgspec.DecodeError, UnicodeDecodeError) as found:
        error = found
    at = _BYTE.search(str(error))
    return _malformed(_field_at(plain, int(at[1])) if at else "body", plain, codec, error)


def _field_at(body: bytes, at: int) -> str:
    """The field whose value breaks at this byte of JSON; `body` where it is not a value of ours that breaks."""
    found = deque(_NAME_AND_VALUE.finditer(body, 0, at), maxlen=1)
    if not found or found[0].end() != at:
        return "body"
    last = found[0]
    before = body[: last.start()]
    structure = _STRINGS.sub(b"", before)
    depth = structure.count(b"{") + structure.count(b"[") - structure.count(b"}") - structure.count(b"]")
    try:
        name = msgspec.json.decode(last[1], type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "body"
    if depth == 1:
        return name if name in {"timestamp", "parameters", "id", "spacecraftId"} else "body"
    return f"parameters.{shown(name)}" if depth == 2 and b'"parameters"' in before else "body"  # noqa: PLR2004
