"""Pages of a list, bounded in number and size, and the cursors that continue it while new rows arrive."""

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from missionops.domain import timestamp
from missionops.domain.timestamp import InvalidTimestamp
from missionops.operations.operation import Request, Response
from missionops.operations.request_parsing import refused

CURSOR_HEADER = "Missionops-Next-Cursor"
MAX_ITEMS = 10_000
_MOST = 1 << 63
"""The end of PostgreSQL's bigint."""

T = TypeVar("T")


class PageItem(NamedTuple):
    """One item of a listing, as JSON, and the cursor that continues after it."""

    body: bytes
    after: Sequence[Any]


async def page(request: Request, items: AsyncIterator[PageItem], limit: int) -> Response:
    """The first of `items` that fit, as a JSON array.

    Whatever comes first, `limit`, 10,000 or the request's `max_bytes`, ends it.
    """
    bodies: list[bytes] = []
    size = 2
    after: Sequence[Any] = ()
    async for item in items:
        size += len(item.body) + 1
        is_full = len(bodies) == min(limit, MAX_ITEMS)
        is_cut = not is_full and size > request.max_bytes and bool(bodies)
        if is_full or is_cut:
            cursor = written(after, request.listing) if after else None
            return Response(b"[%b]" % b",".join(bodies), cursor, is_cut=is_cut)
        bodies.append(item.body)
        after = item.after
    return Response(b"[%b]" % b",".join(bodies))


def read(cursor: str | None, cursor_type: type[T], listing: str) -> T | None:
    """The position in a cursor; None without a cursor. One that this service did not make for the listing is refused.

    Anyone can write one, so its values go to the database only if the database could hold them.
    """
    if cursor is None:
        return None
    try:
        of, body = msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=tuple[str, msgspec.Raw])
        if of != listing:
            raise refused("cursor", f"is none that this service gave out for {listing}")
        position = msgspec.json.decode(body, type=cursor_type)
        _check(position)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise refused("cursor", "is none that this service gave out") from None
    return position


def _check(value: object) -> None:
    """ValueError for a text, a time or a number that no row holds, anywhere in a position."""
    match value:
        case tuple() | list():
            for inner in value:
                _check(inner)
        case str() if "\0" in value:
            raise ValueError("U+0000 is in no text")
        case datetime() if value.tzinfo is None:
            raise InvalidTimestamp("has no offset")
        case datetime():
            timestamp.within(value)
        case int() if not 0 <= value < _MOST:
            raise ValueError("is no count, version or sequence")


def written(after: Sequence[Any], listing: str) -> str:
    """The cursor that continues a listing after a position, and no other listing."""
    return base64.urlsafe_b64encode(msgspec.json.encode((listing, after))).decode()


class TimeCursor(NamedTuple):
    """A position in a listing: by time, then by id."""

    timestamp: datetime
    id: str
