"""Reads and checks requests, from a JSON body or the fields of a query; each error names the path of its field."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import EnumType
from types import MappingProxyType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from missionops.domain import spacecraft, timestamp
from missionops.domain.access import Caller
from missionops.errors import Detail, Forbidden, InvalidRequest
from missionops.wire.text import utf8, why_not_json

MAX_SOURCE = 128
MAX_REASON = 1_024
_ITEMS = re.compile(r"((?:\\[,\\]|[^,])*),")
_ESCAPED = re.compile(r"\\([,\\])")
_VERSION = re.compile('(?:W/)?"?([0-9]{1,9})"?')

By = Annotated[str, Meta(min_length=1, max_length=256, description="Who does it, where no token says so.")]

R = TypeVar("R", bound=msgspec.Struct)

Limit = Annotated[int, Meta(ge=1, le=1000)]
Moment = Annotated[str, Meta(description="RFC 3339 with an offset", extra_json_schema={"format": "date-time"})]
"""A time in a request; `at` reads it."""


def from_body(body: bytes, request_type: type[R]) -> R:
    """The request in a JSON body; an empty body is `{}`."""
    try:
        request = msgspec.json.decode(utf8(body).strip() or b"{}", type=request_type)
    except msgspec.ValidationError as error:
        _refuse(error, request_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused("body", f"is not JSON: {why_not_json(error)}") from None
    except RecursionError:
        raise refused("body", "is nested too deeply") from None
    if b"\\u0000" in body:
        refuse_nul(msgspec.to_builtins(request, builtin_types=(msgspec.Raw,)))  # the operation itself reads a Raw
    return request


def from_fields(fields: Mapping[str, str], request_type: type[R], given: Mapping[str, Any] = MappingProxyType({})) -> R:
    r"""The request in the fields of a query string; the items of a list stand between commas.

    `\,` is a comma within an item, `\\` a backslash; before anything else a backslash stands for itself.
    `given`: values of fields that the query must not have.
    """
    for name in given.keys() & fields.keys():
        raise refused(name, "is no field of this query")
    values: dict[str, str | list[str]] = dict(fields)
    for field in msgspec.structs.fields(request_type):
        if field.encode_name in fields and _is_list(field.type):
            items = _ITEMS.findall(fields[field.encode_name] + ",")
            values[field.encode_name] = [_ESCAPED.sub(r"\1", item) for item in items]
    try:
        request = msgspec.convert(values, type=request_type, strict=False)
    except msgspec.ValidationError as error:
        _refuse(error, request_type)
    for field in msgspec.structs.fields(request_type):
        if field.encode_name in fields and getattr(request, field.name) is None:  # the text null is nothing of the kind
            raise refused(field.encode_name, "must not be null")
        text = fields.get(field.encode_name, "0")
        if type(getattr(request, field.name)) is int and not re.fullmatch("-?[0-9]+", text):  # 1.0 is no int in JSON
            raise refused(field.encode_name, "must be a whole number")
    refuse_nul(dict(fields))
    return msgspec.structs.replace(request, **given)


def _is_list(type_: Any) -> bool:
    """Whether a field takes a list, or may: `list[str] | None`, `Annotated[list[str], …]`."""
    return get_origin(type_) is list or (get_origin(type_) is not None and any(map(_is_list, get_args(type_))))


def spacecraft_id(text: str, *, or_fleet: bool = False) -> str:
    """`text` itself if it can name a spacecraft, or is `_fleet` where that is taken."""
    if spacecraft.is_id(text) or (or_fleet and text == spacecraft.FLEET):
        return text
    raise refused("spacecraftId", f"must be {spacecraft.rule(or_fleet=or_fleet)}")


def source(headers: Mapping[str, str]) -> str:
    """Where a request comes from: what its header `Missionops-Source` says, else `manual`."""
    return _text_header(headers, "Missionops-Source", MAX_SOURCE) or "manual"


def reason(headers: Mapping[str, str]) -> str | None:
    """Why the caller wants the change: what the header `Missionops-Reason` says, if it is there."""
    return _text_header(headers, "Missionops-Reason", MAX_REASON) or None


def if_version(headers: Mapping[str, str]) -> int | None:
    """The version that has to be in force, 0 for none, from `Missionops-If-Version` or HTTP's `If-Match`."""
    versions = set()
    for name in ("Missionops-If-Version", "If-Match"):
        if (text := _header(headers, name)) is None:
            continue
        if not (found := _VERSION.fullmatch(text)):
            raise refused(name, "must be the number of a config version")
        versions.add(int(found[1]))
    if len(versions) > 1:
        raise refused("If-Match", "names another version than Missionops-If-Version")
    return next(iter(versions), None)


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    """A header's value, whatever the case of its name; None where it is not there."""
    return next((value.strip() for name, value in headers.items() if name.lower() == wanted.lower()), None)


def _text_header(headers: Mapping[str, str], name: str, longest: int) -> str:
    text = _header(headers, name) or ""
    if len(text) > longest or "\0" in text:
        raise refused(name, f"may have at most {longest} characters, none of them U+0000")
    return text


def by(caller: Caller, given: str | None) -> str:
    """Who does something: as the token says; without one as the request says, else the way that it came."""
    if given is None or given == caller.name:
        return caller.name
    if caller.is_known:
        raise refused("by", f"must be {caller.name}, who asks, or not be given")
    return given


def at(text: str | None, path: str) -> datetime | None:
    """The time that a field holds."""
    if text is None:
        return None
    try:
        return timestamp.parse(text)
    except timestamp.InvalidTimestamp as error:
        raise refused(path, str(error)) from None


def between(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """Both ends of a range of times, which is closed; all of time where an end is not given."""
    first, last = at(start, "from") or timestamp.EARLIEST, at(end, "to") or timestamp.LATEST
    if first > last:
        raise refused("to", "must not be before from")
    return first, last


def refused(path: str, message: str) -> InvalidRequest:
    """The refusal of one field."""
    return InvalidRequest(f"{path} {message}", (Detail(path, message),))


def out_of_reach(caller: Caller, spacecraft_id: str | None) -> Forbidden:
    """The refusal of what is about a spacecraft, or with None about no one, that a caller is not limited to."""
    what = "what is about no one spacecraft" if spacecraft_id is None else spacecraft_id
    return Forbidden(f"The token {caller.name} is limited to some spacecraft, and {what} is not among them.")


def refuse_nul(value: object, path: str = "") -> None:
    """Refuse U+0000 in any string or name, by the path of the first."""
    if isinstance(value, str) and "\0" in value:
        raise refused(path or "body", "holds U+0000, which no string may")
    if isinstance(value, dict):
        for name, inner in value.items():
            refuse_nul(name, path)
            refuse_nul(inner, f"{path}.{name}" if path else name)
    if isinstance(value, list):
        for index, inner in enumerate(value):
            refuse_nul(inner, f"{path}.{index}" if path else str(index))


_TYPES = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "object": "an object",
    "array": "an array", "null": "null",
}  # fmt: skip
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_PARTS = {"str": "character", "array": "item", "object": "key"}


def _refuse(error: msgspec.ValidationError, request_type: type[msgspec.Struct]) -> NoReturn:
    """Refuse what msgspec refuses, in words for people. Its own are like: Expected `int` <= 1000 - at `$.limit`."""
    found = re.fullmatch(r"(?s)(.*) - at `(?:key in )?`?\$\.?(.*)`", str(error))
    message, path = (found[1], re.sub(r"\[([0-9]+)\]", r".\1", found[2])) if found else (str(error), "")
    unknown = re.search(r"unknown field `(.*)`", message)
    missing = re.search(r"missing required field `(.*)`", message)
    if unknown:
        raise refused(_join(path, unknown[1]), "is no field of this request")
    if missing:
        raise refused(_join(path, missing[1]), "is required")
    if message.startswith("Invalid enum value"):
        name = path.partition(".")[0]
        pending = [field.type for field in msgspec.structs.fields(request_type) if field.encode_name == name]
        texts: list[str] = []
        while pending:  # the type may stand in a list, and beside None
            one = pending.pop()
            if isinstance(one, EnumType):
                texts += map(str, one)
            elif get_origin(one) is Literal:
                texts += get_args(one)
            else:
                pending += get_args(one)
        raise refused(path, f"must be one of {', '.join(texts)}")
    expected = re.match(r"Expected `([a-z |]+)`( of length)?(?: (>=|<=|>|<) ([^ ]+))?", message)
    if not expected:
        raise refused(path or "body", f"is refused: {message[:1].lower()}{message[1:]}")
    sentence = f"must be {' or '.join(_TYPES.get(name, name) for name in expected[1].split(' | '))}"
    if expected[3]:
        sentence += f" of {_BOUNDS[expected[3]]} {expected[4]}"
    if expected[2]:
        sentence += f" {_PARTS[expected[1]]}{'' if expected[4] == '1' else 's'}"
    raise refused(path or "body", sentence)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
