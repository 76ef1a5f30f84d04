"""A message from NATS as one line: for a person, or as JSON."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from nats.aio.msg import Msg

from missionops.cli import terminal
from missionops.domain import number
from missionops.wire import telemetry

MOST = 160
"""Characters of what may be of any length."""

_COLOURS = {"LOW": "cyan", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "red"}
_BOLD = {"CRITICAL"}


def as_json(message: Msg) -> str:
    """The body on one line; what is not JSON becomes JSON: MessagePack by its content, all else as a string."""
    try:
        if telemetry.encoding_of(_content_type(message)) is telemetry.MSGPACK:
            return msgspec.json.encode(msgspec.msgpack.decode(message.data)).decode()
        return msgspec.json.format(message.data, indent=-1).decode()
    except (msgspec.DecodeError, RecursionError, TypeError, ValueError):
        return msgspec.json.encode(message.data.decode("utf-8", "backslashreplace")).decode()


def as_line(message: Msg) -> str:
    """Time, whose it is, and what it says."""
    kind, _, rest = message.subject.partition(".")
    try:
        body = _decoded(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    write = _KINDS.get(kind, _anything)
    try:
        return write(message, rest, body)
    except (AttributeError, LookupError, TypeError, ValueError):
        return _anything(message, rest, body)  # Anybody may publish anything there.


def _anomaly(_: Msg, spacecraft_id: str, body: Any) -> str:
    severity = str(body["severity"])
    told = terminal.paint(f"{_short(severity):<8}", _COLOURS.get(severity), bold=severity in _BOLD)
    description = _short(str(body["description"]))
    return f"{_time(body['timestamp'])}  {_short(spacecraft_id):<12} {told} {description}, is {_value(body['value'])}"


def _telemetry(_: Msg, spacecraft_id: str, body: Any) -> str:
    first = body[0] if isinstance(body, list) else body
    more = f"  (and {len(body) - 1} more)" if isinstance(body, list) and len(body) > 1 else ""
    values = " ".join(f"{name}={_value(value)}" for name, value in first["parameters"].items())
    return f"{_time(first['timestamp'])}  {_short(spacecraft_id):<12} {_short(values)}{more}"


def _event(_: Msg, spacecraft_id: str, body: Any) -> str:
    severity = str(body["severity"])
    told = terminal.paint(f"{_short(severity):<8}", _COLOURS.get(severity), bold=severity in _BOLD)
    said = _short(f"{body['type']}: {body['message']}")
    return f"{_time(body['timestamp'])}  {_short(spacecraft_id):<12} {told} {said}"


def _dead_letter(message: Msg, source: str, _: Any) -> str:
    headers = message.headers or {}
    code = terminal.paint(f"{_short(headers['Missionops-Error-Code']):<8}", "yellow")
    item = f" item {headers['Missionops-Item']}:" if "Missionops-Item" in headers else ""
    reason = _short(f"{item} {headers['Missionops-Error']}".strip())
    return f"{_now()}  {_short(source.rpartition('.')[2]):<12} {code} {reason}"


def _anything(message: Msg, _: str, __: Any) -> str:
    text = message.data.decode("utf-8", "backslashreplace")
    return f"{_now()}  {_short(message.subject)}  {_short(text)}"


_KINDS: Mapping[str, Callable[[Msg, str, Any], str]] = {
    "anomalies": _anomaly,
    "telemetry": _telemetry,
    "events": _event,
    "deadletters": _dead_letter,
}


def _decoded(message: Msg) -> Any:
    if telemetry.encoding_of(_content_type(message)) is telemetry.MSGPACK:
        return msgspec.msgpack.decode(message.data)
    return msgspec.json.decode(message.data)


def _content_type(message: Msg) -> str | None:
    return next((value for name, value in (message.headers or {}).items() if name.lower() == "content-type"), None)


def _time(timestamp: object) -> str:
    if isinstance(timestamp, datetime):
        timestamp = timestamp.astimezone(UTC).isoformat()
    return _short(str(timestamp)).replace("T", " ").replace("Z", "").replace("+00:00", "").ljust(23)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return number.text(value) if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return terminal.printable(text if len(text) <= MOST else f"{text[:MOST]}…")
