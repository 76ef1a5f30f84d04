"""A message from NATS as one line: for a person, or as JSON."""

import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from missionops.cli.output import terminal
from missionops.domain import dead_letter
from missionops.wire import decoder

MOST = 160
"""Characters of a text of any length, where the output is no terminal."""

_COLOURS = {"LOW": "cyan", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "red"}
_BOLD = {"CRITICAL"}
_MILLISECONDS = len("2025-01-01 00:00:00.000")


class Message(Protocol):
    """A message that arrived, or that a stream keeps."""

    @property
    def subject(self) -> str: ...

    @property
    def data(self) -> bytes: ...

    @property
    def headers(self) -> dict[str, str] | None: ...


def as_json(message: Message) -> bytes:
    """The body as one line of JSON: MessagePack by its content, anything else that is not JSON as a string."""
    try:
        if decoder.encoding_of(_content_type(message)) is decoder.MSGPACK:
            return msgspec.json.encode(msgspec.msgpack.decode(message.data))
        return msgspec.json.format(message.data, indent=-1)
    except (msgspec.DecodeError, RecursionError, TypeError, ValueError):
        return msgspec.json.encode(message.data.decode("utf-8", "backslashreplace"))


def as_line(message: Message) -> str:
    """One line: the time, the spacecraft, and the content."""
    channel, _, rest = message.subject.partition(".")
    try:
        return _WRITERS[channel](message, rest)
    except (AttributeError, LookupError, TypeError, ValueError, msgspec.DecodeError, RecursionError):
        # Another kind of message, or one whose content is not what is published on this subject.
        return _line(_received(message), message.subject, "", message.data.decode("utf-8", "backslashreplace"))


def _alarm(message: Message, spacecraft_id: str) -> str:
    body = _decoded(message)
    alarm, severity = body["alarm"], str(body["alarm"]["severity"])
    by = f" by {body['by']}" if body["by"] else ""
    shelved = ", shelved" if alarm["shelved"] else ""
    masked = ", masked" if alarm["masked"] else ""
    why = str(alarm["description"]).removeprefix("Parameter ")  # of 80 columns half are left for it
    text = f"{body['transition']}{by}{shelved}{masked}: {why}"
    if alarm["last"]:
        text += f", now {terminal.plain_value(alarm['last']['value'])}"
    return _line(_time(body["at"]), spacecraft_id, severity, f"{text} ({str(alarm['id'])[:11]})", severity)


def _anomaly(message: Message, spacecraft_id: str) -> str:
    body = _decoded(message)
    severity, parameter = str(body["severity"]), str(body["parameter"])
    why = str(body["description"]).removeprefix(f"Parameter {parameter} ")
    text = f"{parameter} {terminal.plain_value(body['value'])} {why}"
    return _line(_time(body["timestamp"]), spacecraft_id, severity, text, severity)


def _telemetry(message: Message, spacecraft_id: str) -> str:
    body = _decoded(message)
    first = body[0] if isinstance(body, list) else body
    more = f"(and {len(body) - 1} more)  " if isinstance(body, list) and len(body) > 1 else ""
    # A text in quotes, so that it is not taken for a number.
    values = " ".join(
        f"{name}={msgspec.json.encode(value).decode() if isinstance(value, str) else terminal.plain_value(value)}"
        for name, value in first["parameters"].items()
    )
    return _line(_time(first["timestamp"]), spacecraft_id, "", more + values)


def _event(message: Message, spacecraft_id: str) -> str:
    body = _decoded(message)
    severity = str(body["severity"])
    return _line(_time(body["timestamp"]), spacecraft_id, severity, f"{body['type']}: {body['message']}", severity)


def _dead_letter(message: Message, rest: str) -> str:
    headers = message.headers or {}
    item = f"item {headers[dead_letter.ITEM]}: " if dead_letter.ITEM in headers else ""
    text = f"{item}{headers[dead_letter.ERROR]}"
    return _line(_received(message), rest.rpartition(".")[2], headers[dead_letter.ERROR_CODE], text, "MEDIUM")


_WRITERS: Mapping[str, Callable[[Message, str], str]] = {
    "alarms": _alarm,
    "anomalies": _anomaly,
    "telemetry": _telemetry,
    "events": _event,
    "deadletters": _dead_letter,
}


def _line(time: str, spacecraft_id: str, mark: str, text: str, colour: str = "") -> str:
    """One line, not wider than the terminal."""
    about, mark = f"{_short(spacecraft_id, MOST):<8}", f"{_short(mark, MOST):<8}" if mark else ""
    used = len(time) + len(about) + len(mark) + 2 + bool(mark)
    room = max(shutil.get_terminal_size().columns - used, 20) if sys.stdout.isatty() else MOST
    painted = f" {terminal.paint(mark, _COLOURS.get(colour), bold=colour in _BOLD)}" if mark else ""
    return f"{time} {about}{painted} {_short(text, room)}"


def _decoded(message: Message) -> Any:
    if decoder.encoding_of(_content_type(message)) is decoder.MSGPACK:
        return msgspec.msgpack.decode(message.data)
    return msgspec.json.decode(message.data)


def _content_type(message: Message) -> str | None:
    return next((value for name, value in (message.headers or {}).items() if name.lower() == "content-type"), None)


def _time(timestamp: object) -> str:
    """A time in milliseconds, which are enough to tell one line from another."""
    if isinstance(timestamp, datetime):
        timestamp = timestamp.astimezone(UTC).isoformat()
    written = str(timestamp).replace("T", " ").replace("Z", "").replace("+00:00", "")
    return _short(written[:_MILLISECONDS], MOST).ljust(_MILLISECONDS)


def _received(message: Message) -> str:
    """When the stream took the message, or now for one that has just arrived."""
    stored = (message.headers or {}).get("Nats-Time-Stamp")
    return _time(stored) if stored else f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"[:_MILLISECONDS]


def _short(text: str, most: int) -> str:
    """A text on one line and not longer than `most`."""
    shown = terminal.printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
