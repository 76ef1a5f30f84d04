"""Text as files and clients write it: UTF-8, with or without a mark before it, and what is something else."""

import codecs

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NOT_UTF8 = "it is not UTF-8 text"

_COMPRESSED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ\0": "xz", b"(\xb5/\xfd": "zstd"}
"""How compressed files begin."""


def printable(text: str) -> str:
    """Text from outside on one line, with an escape in place of each character that would steer a terminal or a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def utf8(body: bytes) -> bytes:
    """The body without the byte order mark that some programs put before UTF-8 and JSON has no place for."""
    return body.removeprefix(BYTE_ORDER_MARK)


def why_not_json(error: Exception) -> str:
    """What a decoder that failed says to people."""
    return NOT_UTF8 if isinstance(error, UnicodeDecodeError) else str(error)


def compression(head: bytes) -> str | None:
    """How a file whose first bytes these are is compressed; None if it is not, as far as that shows."""
    return next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)


def wide_codec(head: bytes) -> str | None:
    """The codec of a text whose first bytes these are, if it is UTF-16 or UTF-32 by its mark or as ASCII shows."""
    if head[:4] in {codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE}:
        return "utf-32"
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    if len(head) > 1 and head[0] and not head[1]:
        return "utf-16-le"
    return "utf-16-be" if len(head) > 1 and not head[0] and head[1] else None
