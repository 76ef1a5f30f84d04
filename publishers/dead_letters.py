"""Dead letters on `deadletters.telemetry.<spacecraftId>`: what can never be stored, as it came, with the reason.

One message may hold ten thousand bad items and 64 kB of headers. Therefore only the first dead letter of an array
carries the original headers, and all dead letters of one array together have a bound in bytes: the items beyond it
share one dead letter.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from missionops.domain import dead_letter
from missionops.ingest.batch import DeadLetter, Delivery
from missionops.wire import headers as wire_headers
from missionops.wire.decoder import JSON, MSGPACK, Encoding
from missionops.wire.headers import is_broken
from missionops.wire.text import printable
from publishers.exactly_once import Message

MOST_BYTES = 8_000_000
"""What all dead letters of one array may hold, with their headers."""

_REASON_BYTES = 512
_SHORT_REASON_BYTES = 128
_HEADER_BYTES = 65_535  # a stream takes no more
_RESERVED = 1_024  # for the headers that publishing adds
_PUBLISHED = 256  # about how many bytes of these headers each dead letter takes
_REST = 1_024  # bytes of headers of the dead letter that holds the remaining items
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # nats-py cannot send any other header name
_OURS = frozenset(name.lower() for name in dead_letter.HEADERS)


def messages(letters: Iterable[DeadLetter], stream: str, max_payload: int) -> Iterator[Message]:
    """Dead letters as messages, each cut to the size that the server takes; `stream` is when TELEMETRY was created.

    The dead letters of one message stand together, in the order of its items. They are made one by one, so the
    publisher holds no more of them than it sends at once.
    """
    room = max_payload - _RESERVED
    for _, letters_of_one in groupby(letters, key=lambda letter: letter.delivery.sequence):
        found = [*letters_of_one]
        delivery, is_array = found[0].delivery, found[0].fault.item is not None
        encoding = wire_headers.encoding_of(delivery.block) or JSON
        left = MOST_BYTES if is_array else room + _PUBLISHED
        waiting = sum(len(letter.fault.body) + 1 for letter in found)
        # Where the items are larger than the bound, half of it is for single items, because the rest is cut anyway.
        is_cut = waiting + _HEADER_BYTES > MOST_BYTES
        for index, letter in enumerate(found):
            headers = _headers(letter, room, is_first=index == 0)
            if index and encoding is MSGPACK:
                headers[dead_letter.CONTENT_TYPE] = "application/msgpack"
            message = _message(letter, stream, min(room, left - _PUBLISHED), headers)
            size = len(message.body) + _size(message.headers) + _PUBLISHED
            waiting -= len(letter.fault.body) + 1
            if waiting and size + (MOST_BYTES // 2 if is_cut else waiting + _REST) > left:
                yield _of_items(found[index:], stream, min(room, left - _PUBLISHED), headers, encoding)
                break
            left -= size
            yield message


def _of_items(
    letters: Sequence[DeadLetter], stream: str, room: int, headers: dict[str, str], encoding: Encoding
) -> Message:
    """One dead letter that holds several items as an array; `headers` are those of the first of them."""
    (fault, delivery), last, count = letters[0], letters[-1].fault, len(letters)
    text = f"body: {count} bad items of it, from {fault.item} to {last.item}, are in this letter; the first: "
    reason = _one_line(text + fault.reason, _SHORT_REASON_BYTES)
    whole = DeadLetter(fault._replace(body=encoding.array([letter.fault.body for letter in letters])), delivery)
    message = _message(whole, stream, room, {**headers, dead_letter.ERROR: reason, dead_letter.ITEMS: str(count)})
    # The id names exactly these items: if the message is handled again and other items are refused, the dead letter
    # that holds those has another id.
    items = " ".join(str(letter.fault.item) for letter in letters)
    return message._replace(id=_id(delivery, stream, f"rest {items}"))


def _message(letter: DeadLetter, stream: str, room: int, headers: dict[str, str]) -> Message:
    fault, delivery = letter
    if len(fault.body) > room - _size(headers):
        headers = {**headers, dead_letter.TRUNCATED: str(len(fault.body))}
    body = fault.body[: room - _size(headers)]
    subject = f"{dead_letter.SUBJECT}{delivery.spacecraft_id or dead_letter.UNKNOWN}"
    return Message(subject, _id(delivery, stream, fault.item), body, headers)


def _headers(letter: DeadLetter, room: int, *, is_first: bool) -> dict[str, str]:
    """The service's headers; in the first dead letter of a message also as many of the original ones as fit."""
    fault, original = letter.fault, letter.delivery.headers
    headers = {
        dead_letter.ERROR_CODE: fault.code,
        dead_letter.ERROR: _one_line(fault.reason, _REASON_BYTES if is_first else _SHORT_REASON_BYTES),
        dead_letter.STREAM_SEQUENCE: str(letter.delivery.sequence),
    }
    if fault.item is not None:
        headers[dead_letter.ITEM] = str(fault.item)
    if not is_first or is_broken(original):
        return headers
    left = min(room, _HEADER_BYTES - _RESERVED) - _size(headers)
    # The stream would obey a header that begins with `Nats-`; one with a name of ours would look like ours.
    kept = {
        name: value
        for name, value in original.items()
        if _NAME.fullmatch(name) and not name.lower().startswith("nats-") and name.lower() not in _OURS
    }
    ids = [value for name, value in original.items() if name.lower() == "nats-msg-id"]
    if ids:  # an id of 64 kB is cut to what fits
        most = max(0, left - _size({dead_letter.ORIGINAL_ID: ""}))
        kept = {dead_letter.ORIGINAL_ID: ids[-1].encode()[:most].decode(errors="ignore"), **kept}
    for name, value in kept.items():
        if (size := _size({name: value})) <= left:
            headers[name] = value
            left -= size
    return headers


def _one_line(reason: str, size: int) -> str:
    return printable(reason).encode("ascii", "backslashreplace")[:size].decode()


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value.encode()) + 4 for name, value in headers.items())


def _id(delivery: Delivery, stream: str, part: object) -> str:
    # With the message's time, because a stream that was restored uses its sequences again for other messages.
    text = f"{stream} {delivery.sequence} {delivery.time} {part}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
