"""Dead letters on `deadletters.telemetry.<spacecraftId>`: what can never be stored, as it came, with the reason.

One message may hold ten thousand bad items, and 64 kB of headers. So of an array the first letter alone carries the
headers that it came with, and all its letters together have a bound in bytes: what goes beyond is one letter.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from missionops.ingest.batch import DeadLetter, Delivery
from missionops.wire import headers as wire_headers
from missionops.wire.decoder import JSON, MSGPACK, Encoding
from missionops.wire.headers import is_broken
from missionops.wire.text import printable
from publishers.exactly_once import Message

MOST_BYTES = 8_000_000
"""What all letters of one array may hold, with their headers."""

_REASON_BYTES = 512
_REASON_BYTES_OF_OTHERS = 128
_HEADER_BYTES = 65_535  # a stream takes no more
_RESERVED = 1_024  # for the headers that publishing adds
_PUBLISHED = 256  # what they take, about, of each letter
_REST = 1_024  # headers of the letter that holds the rest
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # what nats-py can send; one it cannot would stop the stream
_ORIGINAL_ID = "Missionops-Original-Msg-Id"
_CONTENT_TYPE = "Missionops-Content-Type"
_ITEMS = "Missionops-Items"
_UNKNOWN = "_unknown"
_OURS = frozenset({
    "missionops-error-code", "missionops-error", "missionops-stream-sequence", "missionops-item",
    "missionops-truncated", _ORIGINAL_ID.lower(), _CONTENT_TYPE.lower(), _ITEMS.lower(),
})  # fmt: skip


def messages(letters: Iterable[DeadLetter], stream: str, max_payload: int) -> Iterator[Message]:
    """Dead letters of the stream that was created at `stream`, each cut where the server would refuse it.

    Letters of one message stand together, in the order of its items. They are made one by one: whoever publishes holds
    no more of them than it sends at once.
    """
    for _, letters_of_one in groupby(letters, key=lambda letter: letter.delivery.sequence):
        found = [*letters_of_one]
        if found[0].fault.item is None:
            yield _message(found[0], stream, max_payload - _RESERVED, _headers(found[0], max_payload - _RESERVED))
        else:
            yield from _of_array(found, stream, max_payload - _RESERVED)


def _of_array(letters: Sequence[DeadLetter], stream: str, room: int) -> Iterator[Message]:
    """A letter for each bad item, as long as all of them and one that holds the others stay within the bound."""
    encoding = wire_headers.encoding_of(letters[0].delivery.block) or JSON
    left = MOST_BYTES
    waiting = sum(len(letter.fault.body) + 1 for letter in letters)
    # Of what is larger than the bound, something has to be cut: then half of it is for letters of single items.
    is_cut = waiting + _HEADER_BYTES > MOST_BYTES
    for index, letter in enumerate(letters):
        headers = _headers_of_other(letter, encoding) if index else _headers(letter, room)
        message = _message(letter, stream, min(room, left - _PUBLISHED), headers)
        size = len(message.body) + _size(message.headers) + _PUBLISHED
        waiting -= len(letter.fault.body) + 1
        if waiting and size + (MOST_BYTES // 2 if is_cut else waiting + _REST) > left:
            yield _rest(letters[index:], stream, min(room, left - _PUBLISHED), headers, encoding)
            return
        left -= size
        yield message


def _rest(
    letters: Sequence[DeadLetter], stream: str, room: int, headers: Mapping[str, str], encoding: Encoding
) -> Message:
    """One letter that holds these items, as an array of their own bytes; `headers` are those of the first of them."""
    (fault, delivery), last, count = letters[0], letters[-1].fault, len(letters)
    said = f"body: {count} bad items of it, from {fault.item} to {last.item}, are in this letter; the first: "
    reason = _one_line(said + fault.reason, _REASON_BYTES_OF_OTHERS)
    whole = DeadLetter(fault._replace(body=encoding.array([letter.fault.body for letter in letters])), delivery)
    message = _message(whole, stream, room, {**headers, "Missionops-Error": reason, _ITEMS: str(count)})
    # Of exactly these items: should others be refused when the message is handled again, theirs is another letter.
    items = " ".join(str(letter.fault.item) for letter in letters)
    return message._replace(id=_id(delivery, stream, f"rest {items}"))


def _message(letter: DeadLetter, stream: str, room: int, headers: dict[str, str]) -> Message:
    fault, delivery = letter
    token = delivery.spacecraft_id or _UNKNOWN
    if len(fault.body) > room - _size(headers):
        headers = {**headers, "Missionops-Truncated": str(len(fault.body))}
    body = fault.body[: room - _size(headers)]
    return Message(f"deadletters.telemetry.{token}", _id(delivery, stream, fault.item), body, headers)


def _headers(letter: DeadLetter, room: int) -> dict[str, str]:
    """Ours, and as many of the original ones as there is room for."""
    headers = _ours(letter, _REASON_BYTES)
    room = min(room, _HEADER_BYTES - _RESERVED) - _size(headers)
    for name, value in _original(letter.delivery.headers):
        if name == _ORIGINAL_ID:
            value = _cut(value, room - _size({name: ""}))  # noqa: PLW2901 - an id of 64 kB is kept as far as it goes
        if (size := _size({name: value})) <= room:
            headers[name] = value
            room -= size
    return headers


def _headers_of_other(letter: DeadLetter, encoding: Encoding) -> dict[str, str]:
    """Ours alone; how its bytes are written stood in the original ones."""
    headers = _ours(letter, _REASON_BYTES_OF_OTHERS)
    if encoding is MSGPACK:
        headers[_CONTENT_TYPE] = "application/msgpack"
    return headers


def _ours(letter: DeadLetter, reason_bytes: int) -> dict[str, str]:
    fault, delivery = letter
    headers = {
        "Missionops-Error-Code": fault.code,
        "Missionops-Error": _one_line(fault.reason, reason_bytes),
        "Missionops-Stream-Sequence": str(delivery.sequence),
    }
    if fault.item is not None:
        headers["Missionops-Item"] = str(fault.item)
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


def _one_line(reason: str, size: int) -> str:
    return printable(reason).encode("ascii", "backslashreplace")[:size].decode()


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())


def _id(delivery: Delivery, stream: str, part: object) -> str:
    # Its time too: a stream that went back uses its sequences again, for other messages.
    text = f"{stream} {delivery.sequence} {delivery.time} {part}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
