"""Dead letters on `deadletters.telemetry.<spacecraftId>`: what can never be stored, as it came, with the reason."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from missionops.batch import Letter
from missionops.domain import spacecraft
from missionops.nats_guard import is_broken
from publishers.fenced import Message

_REASON_BYTES = 512
_HEADER_BYTES = 65_535  # a stream takes no more
_RESERVED = 1_024  # for the headers that publishing adds
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # what nats-py can send; one it cannot would stop the stream
_ORIGINAL_ID = "Missionops-Original-Msg-Id"
_OURS = frozenset({
    "missionops-error-code", "missionops-error", "missionops-stream-sequence", "missionops-item",
    "missionops-truncated", _ORIGINAL_ID.lower(),
})  # fmt: skip


def messages(letters: Iterable[Letter], stream: str, max_payload: int) -> Iterator[Message]:
    """Dead letters of the incarnation `stream`, each cut where the server would refuse it."""
    for letter in letters:
        yield _message(letter, stream, max_payload - _RESERVED)


def _message(letter: Letter, stream: str, room: int) -> Message:
    fault, delivery = letter
    token = delivery.token if spacecraft.is_id(delivery.token) else "_unknown"
    headers = _headers(letter, min(room, _HEADER_BYTES - _RESERVED))
    room -= _size(headers)
    if len(fault.body) > room:
        headers["Missionops-Truncated"] = str(len(fault.body))
    return Message(f"deadletters.telemetry.{token}", _id(letter, stream), fault.body[:room], headers)


def _headers(letter: Letter, room: int) -> dict[str, str]:
    """Ours, and as many of the original ones as there is room for."""
    fault, delivery = letter
    headers = {
        "Missionops-Error-Code": fault.code,
        "Missionops-Error": _one_line(fault.reason),
        "Missionops-Stream-Sequence": str(delivery.sequence),
    }
    if fault.item is not None:
        headers["Missionops-Item"] = str(fault.item)
    room -= _size(headers)
    for name, value in _original(delivery.headers):
        if name == _ORIGINAL_ID:
            value = _cut(value, room - _size({name: ""}))  # noqa: PLW2901 - an id of 64 kB is kept as far as it goes
        if (size := _size({name: value})) <= room:
            headers[name] = value
            room -= size
    return headers


def _original(headers: Mapping[str, str] | None) -> Iterator[tuple[str, str]]:
    """The headers it came with, first its id under the name that we give it.

    Those that begin with `Nats-` would be obeyed by the stream of dead letters; those named as ours would pass for
    ours.
    """
    if headers is None or is_broken(headers):
        return
    yield from ((_ORIGINAL_ID, value) for name, value in headers.items() if name.lower() == "nats-msg-id")
    for name, value in headers.items():
        if _NAME.fullmatch(name) and not name.lower().startswith("nats-") and name.lower() not in _OURS:
            yield name, value


def _one_line(reason: str) -> str:
    printable = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in reason)
    return printable.encode("ascii", "backslashreplace")[:_REASON_BYTES].decode()


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())


def _id(letter: Letter, stream: str) -> str:
    # Its time too: a stream that went back uses its sequences again, for other messages.
    text = f"{stream} {letter.delivery.sequence} {letter.delivery.time} {letter.fault.item}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
