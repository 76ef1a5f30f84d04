"""Lists of the service, collected from as many responses as they take."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection

CURSOR = "Missionops-Next-Cursor"
LEFT_OUT = "Missionops-Left-Out"
LARGEST_PAGE = 1000

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Pages(NamedTuple):
    """Items of a list, each as the service wrote it."""

    items: list[msgspec.Raw]
    has_more: bool
    """Whether the list has more items than were wanted."""
    left_out: int = 0
    """Items that were wanted and did not fit into a response that no cursor continues."""

    @property
    def body(self) -> bytes:
        """All items as one JSON array."""
        return b"[" + b",".join(map(bytes, self.items)) + b"]"


async def collect(
    client: Client, subject: str, request: Mapping[str, Any], *, at_most: int | None = None, by_limit: bool = True
) -> Pages:
    """The items of a list, up to `at_most` of them, by following its cursors.

    `by_limit`: the request has a field `limit`, which says how many items a page may hold.
    """
    items: list[msgspec.Raw] = []
    fields = {name: value for name, value in request.items() if value is not None}
    while True:
        if by_limit:
            fields["limit"] = LARGEST_PAGE if at_most is None else min(at_most - len(items), LARGEST_PAGE)
        reply = await connection.ask(client, subject, msgspec.json.encode(fields))
        try:
            items += _decode_items(reply.data)
        except msgspec.DecodeError as error:
            raise errors.Unavailable(
                f"The response is no list ({error}): is another program listening there?"
            ) from None
        headers = reply.headers or {}
        cursor = headers.get(CURSOR)
        if cursor is None or (at_most is not None and len(items) >= at_most):
            has_more = cursor is not None or (at_most is not None and len(items) > at_most)
            return Pages(items[:at_most], has_more, int(headers.get(LEFT_OUT, 0)))
        fields["cursor"] = cursor


class _SpacecraftPage(msgspec.Struct):
    total: int
    items: list[msgspec.Raw]


async def collect_spacecraft(client: Client, at_most: int) -> tuple[list[msgspec.Raw], int]:
    """The first registered spacecraft by id, up to `at_most`, and how many there are in all."""
    items: list[msgspec.Raw] = []
    while True:
        request = {"limit": min(at_most - len(items), LARGEST_PAGE), "offset": len(items)}
        reply = await connection.request(client, "missionops.spacecraft.list", msgspec.json.encode(request))
        try:
            page = msgspec.json.decode(reply, type=_SpacecraftPage)
        except msgspec.DecodeError as error:
            raise errors.Unavailable(
                f"The response is no list ({error}): is another program listening there?"
            ) from None
        items += page.items
        if not page.items or len(items) >= min(at_most, page.total):
            return items, page.total
