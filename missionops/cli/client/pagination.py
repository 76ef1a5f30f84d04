"""Listings, as many answers' worth as wanted, and single answers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection
from missionops.cli.output import terminal

CURSOR = "Missionops-Next-Cursor"
LARGEST_PAGE = 1000

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class CollectedPages(NamedTuple):
    """Items, each as the service wrote it."""

    items: list[msgspec.Raw]
    more: bool
    """Whether there were more than wanted."""

    def decoded(self) -> list[dict[str, Any]]:
        """The items, to be shown."""
        return [msgspec.json.decode(item) for item in self.items]


async def collect(
    subject: str, request: Mapping[str, Any], server_url: str, *, at_most: int | None = None, by_limit: bool = True
) -> CollectedPages:
    """Follows the cursors up to `at_most` items; `by_limit`: the request's limit is what a page may hold."""
    async with connection.connected(server_url) as client:
        return await _collect(client, subject, request, at_most, by_limit=by_limit)


async def _collect(
    client: Client, subject: str, request: Mapping[str, Any], at_most: int | None, *, by_limit: bool
) -> CollectedPages:
    items: list[msgspec.Raw] = []
    asked = {name: value for name, value in request.items() if value is not None}
    while True:
        if by_limit and at_most is not None:
            asked["limit"] = min(at_most - len(items), LARGEST_PAGE)
        reply = await connection.ask(client, subject, msgspec.json.encode(asked))
        items += _items(reply.data)
        cursor = (reply.headers or {}).get(CURSOR)
        if cursor is None or (at_most is not None and len(items) >= at_most):
            more = cursor is not None or (at_most is not None and len(items) > at_most)
            return CollectedPages(items[:at_most], more)
        asked["cursor"] = cursor


async def answer(subject: str, request: Mapping[str, Any], server_url: str) -> bytes:
    """One answer, as it came."""
    asked = {name: value for name, value in request.items() if value is not None}
    async with connection.connected(server_url) as client:
        return await connection.request(client, subject, msgspec.json.encode(asked))


def print_json(listing: CollectedPages) -> None:
    """All items as one array."""
    terminal.json(b"[" + b",".join(map(bytes, listing.items)) + b"]")


def _items(reply: bytes) -> list[msgspec.Raw]:
    try:
        return _decode_items(reply)
    except msgspec.DecodeError as error:
        raise errors.Unavailable(f"The answer is no list ({error}): is another program listening there?") from None


def say_rest(listing: CollectedPages, nothing: str) -> None:
    """What the items alone do not say: that there are none, or more."""
    if not listing.items:
        terminal.note(nothing)
    elif listing.more:
        terminal.note(f"There are more than these {len(listing.items):,}: --limit shows them.")
