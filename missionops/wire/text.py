"""Text as files and clients write it: UTF-8, with or without a mark before it."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def printable(text: str) -> str:
    """Text from outside on one line, with an escape in place of each character that would steer a terminal or a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def utf8(body: bytes) -> bytes:
    """The body without the byte order mark that some programs put before UTF-8 and JSON has no place for."""
    return body.removeprefix(BYTE_ORDER_MARK)


def utf16(head: bytes) -> str | None:
    """The codec of a text whose first bytes these are, if it is UTF-16, with a mark or as ASCII shows; else None."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    if len(head) > 1 and head[0] and not head[1]:
        return "utf-16-le"
    return "utf-16-be" if len(head) > 1 and not head[0] and head[1] else None
