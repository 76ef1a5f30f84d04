"""Cursors of previews: how far one came, and what is under way there."""

import base64
import binascii
import hashlib
import zlib

import msgspec

from missionops.domain.episodes.episode import Position
from missionops.domain.preview.parameter import OpenCheck
from missionops.operations.request_parsing import refused

MOST_BYTES = 12_000
"""Of a cursor: over HTTP it stands in the query, and the head of a request has room for that."""

_MOST_OPEN = 1 << 20
_CHECKSUM = 16


class PreviewCursor(msgspec.Struct, array_like=True):
    """How far a preview came. Parameters are taken in groups, by name: each group is read through the whole range."""

    version: int
    """Of the config in force when the preview began; 0: none was."""
    first: int
    """The parameter with which the group begins."""
    count: int
    """How many parameters are in the group, at most."""
    position: Position
    """The last snapshot that was read for it."""
    checks: list[tuple[int, list[OpenCheck]]] = []
    """What is under way of each parameter, which is counted in the group."""


_decode = msgspec.json.Decoder(PreviewCursor).decode


def written(cursor: PreviewCursor, request: bytes) -> str:
    """The text of a cursor, which continues this request and no other."""
    packed = zlib.compress(msgspec.json.encode(cursor), 6)
    return base64.urlsafe_b64encode(_checksum(packed, request) + packed).decode()


def read(text: str, request: bytes) -> PreviewCursor:
    """The cursor in a text; one that this service did not make for this request is refused."""
    try:
        data = base64.urlsafe_b64decode(text.encode())
        checksum, packed = data[:_CHECKSUM], data[_CHECKSUM:]
        if checksum != _checksum(packed, request):
            raise refused("cursor", "is none that this service gave out for this config and range")
        return _decode(zlib.decompressobj().decompress(packed, _MOST_OPEN))
    except (binascii.Error, ValueError, zlib.error, msgspec.MsgspecError):
        raise refused("cursor", "is none that this service gave out") from None


def _checksum(packed: bytes, request: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=_CHECKSUM, key=hashlib.blake2b(request).digest()).digest()
