"""Dead letters on `deadletters.telemetry.<spacecraftId>`: what can never be stored, as it came, with the reason."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from missionops.batch import Letter
from missionops.domain import spacecraft
from missionops.nats_guard import is_broken
from publishers.fenced import Message

_REASON_BYTES = 512
_RESERVED = 1_024  # for the headers that publishing adds
_NAME = re.compile(r"[!#-9;-~]+")  # what a header's name may be: printable ASCII without `"` and `:`


def messages(letters: Iterable[Letter], stream: str, max_payload: int) -> Iterator[Message]:
    """Dead letters of the incarnation `stream`, each cut where the server would refuse it."""
    for letter in letters:
        yield _message(letter, stream, max_payload - _RESERVED)


def _message(letter: Letter, stream: str, room: int) -> Message:
    fault, delivery = letter
    token = delivery.token if spacecraft.is_id(delivery.token) else "_unknown"
    ours, original = _headers(letter), _original(delivery.headers)
    if _size(ours) + _size(original) > room:
        original = {}
    room -= _size(ours) + _size(original)
    if len(fault.body) > room:
        ours["Missionops-Truncated"] = str(len(fault.body))
    return Message(f"deadletters.telemetry.{token}", _id(letter, stream), fault.body[:room], original | ours)


def _headers(letter: Letter) -> dict[str, str]:
    fault, delivery = letter
    headers = {
        "Missionops-Error-Code": fault.code,
        "Missionops-Error": _one_line(fault.reason),
        "Missionops-Stream-Sequence": str(delivery.sequence),
    }
    if fault.item is not None:
        headers["Missionops-Item"] = str(fault.item)
    for name, value in (delivery.headers or {}).items():
        if name.lower() == "nats-msg-id":
            headers["Missionops-Original-Msg-Id"] = value
    return headers


def _original(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers it came with; those that begin with `Nats-` would be obeyed by the stream of dead letters."""
    if headers is None or is_broken(headers):
        return {}
    return {
        name: value for name, value in headers.items() if not name.lower().startswith("nats-") and _NAME.fullmatch(name)
    }


def _one_line(reason: str) -> str:
    printable = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in reason)
    return printable.encode("ascii", "backslashreplace")[:_REASON_BYTES].decode()


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())


def _id(letter: Letter, stream: str) -> str:
    text = f"{stream} {letter.delivery.sequence} {letter.fault.item}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
