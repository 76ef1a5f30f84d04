"""NATS header blocks and subjects: bytes in, text out, whatever bytes a publisher sent (ADR-4)."""

from collections.abc import Mapping
from functools import lru_cache

from missionops.wire import decoder

REQUEST_INFO = "Nats-Request-Info"
"""The header in which the server says who asks."""

_VERSION = b"NATS/1.0"
_FIRST_LINE = _VERSION + b"\r\n"
_BROKEN = "broken headers"  # no publisher can send it: a name with white space is left out when it is read
_STATUS_DIGITS = 3
_REQUEST_INFO_LINE = f"\r\n{REQUEST_INFO}: ".encode()
_SHORT = 128  # bytes of headers


def text(word: bytes) -> str:
    """A subject as text; bytes that are no UTF-8 are written as escapes."""
    return word.decode("utf-8", "backslashreplace")


def read(block: bytes | None) -> dict[str, str]:
    """The headers of a block, with `Status` and `Description` from its first line; none without a block.

    Of a repeated name the last one counts. Of a block that breaks the format the lines that can be read are there, and
    `is_broken` says so.
    """
    if not block:
        return {}
    first, end, rest = block.partition(b"\r\n")
    found = {}
    for line in rest.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.strip()
        if colon and name.isascii() and not any(chr(byte).isspace() for byte in name):  # others are no headers
            found[name.decode()] = value.strip().decode("utf-8", "replace")
    if REQUEST_INFO in found:
        # The server removes such headers of the publisher and adds its own as the last line. It leaves one with white
        # space around its name, which is taken here; and a block without its empty line swallows the beginning of the
        # server's.
        _, of_server, value = block.rpartition(_REQUEST_INFO_LINE)
        if not of_server or value.find(b"\r\n") != len(value) - len(b"\r\n\r\n"):
            del found[REQUEST_INFO]
    if not end or not first.startswith(_VERSION) or first[len(_VERSION) :][:1] not in {b"", b" "}:
        # The lines that can be read stay: the server adds its own to a broken block that it hands out.
        return {**found, _BROKEN: "they do not begin with the line NATS/1.0"}
    try:
        line_of_status = first[len(_VERSION) + 1 :].decode()
    except UnicodeDecodeError as error:
        return {**found, _BROKEN: str(error)}
    status, description = line_of_status[:_STATUS_DIGITS], line_of_status[_STATUS_DIGITS + 1 :]
    of_first_line = {"Status": status} if status.isdigit() else {}
    return of_first_line | ({"Description": description} if description else {}) | found


def is_broken(headers: Mapping[str, str] | None) -> bool:
    """Whether a message's header block could not be read."""
    return headers is not None and _BROKEN in headers


def encoding_of(block: bytes | None) -> decoder.Encoding | None:
    """How a body is written, by its `Content-Type`, in whatever case that header's name is; None if it is unreadable.

    Most blocks are the same, or say nothing of it: to read each would take longer than the body.
    """
    if block is None or (block.startswith(_FIRST_LINE) and b"content-type" not in block.lower()):
        return decoder.JSON
    return _known_encoding(block) if len(block) <= _SHORT else _encoding_of(block)


def _encoding_of(block: bytes) -> decoder.Encoding | None:
    headers = read(block)
    if is_broken(headers):
        return None
    named = [content_type for name, content_type in headers.items() if name.lower() == "content-type"]
    return decoder.encoding_of(named[0] if named else None)


_known_encoding = lru_cache(maxsize=1_024)(_encoding_of)
