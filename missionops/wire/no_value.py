"""`NaN`, `Infinity` and `-Infinity` in JSON, which knows no such numbers: programs write them for no value."""

import re
from collections.abc import Mapping

_TOKEN = re.compile(rb"NaN|-?Infinity")
_NULL = {b"-Infinity": b"null     ", b"Infinity": b"null    ", b"NaN": b"null"}
_TEXT = {b"-Infinity": b'""       ', b"Infinity": b'""      ', b"NaN": b'"" '}


def as_null(body: bytes) -> bytes:
    """JSON with `null` in place of each of them; the very same bytes if none is in it."""
    return _replaced(body, _NULL) if b"NaN" in body or b"Infinity" in body else body


def as_text(body: bytes) -> bytes:
    """JSON as long as `body`, with an empty string in place of each of them: what is wrong elsewhere stays there."""
    return _replaced(body, _TEXT)


def _replaced(body: bytes, replacements: Mapping[bytes, bytes]) -> bytes:
    """Replace the tokens that stand outside of strings, as an even number of quotes before them shows."""
    plain = body.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in body else body
    pieces: list[bytes] = []
    end = quotes = counted = 0
    for token in _TOKEN.finditer(plain):
        quotes += plain.count(b'"', counted, token.start())
        counted = token.start()
        if quotes % 2 == 0:
            pieces += body[end : token.start()], replacements[token[0]]
            end = token.end()
    return b"".join([*pieces, body[end:]])
