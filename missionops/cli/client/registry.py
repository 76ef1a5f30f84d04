"""The registered spacecraft, page by page."""

from typing import NamedTuple

import msgspec

from missionops import errors
from missionops.cli.client import connection
from missionops.cli.client.pagination import LARGEST_PAGE


class Fleet(NamedTuple):
    """Some of the registered spacecraft, by id, each as the service wrote it."""

    items: list[msgspec.Raw]
    total: int


class _Page(msgspec.Struct):
    total: int
    items: list[msgspec.Raw]


async def collect(at_most: int, server_url: str) -> Fleet:
    """The first ones by id."""
    items: list[msgspec.Raw] = []
    async with connection.connected(server_url) as client:
        while True:
            request = {"limit": min(at_most - len(items), LARGEST_PAGE), "offset": len(items)}
            reply = await connection.request(client, "missionops.spacecraft.list", msgspec.json.encode(request))
            page = _decoded(reply)
            items += page.items
            if not page.items or len(items) >= min(at_most, page.total):
                return Fleet(items, page.total)


def _decoded(reply: bytes) -> _Page:
    try:
        return msgspec.json.decode(reply, type=_Page)
    except msgspec.DecodeError as error:
        raise errors.Unavailable(f"The answer is no list ({error}): is another program listening there?") from None
