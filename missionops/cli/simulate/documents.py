"""The simulated missions' documents, published."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from missionops import errors
from missionops.cli.client import connection
from missionops.simulator import fleet, handbook


class Published(NamedTuple):
    """What became of one document."""

    document_id: str
    spacecraft_id: str
    title: str
    kept: bool
    """Whether another text stays in its place."""


async def publish(server_url: str, *, overwrite: bool) -> list[Published]:
    """Publishes all of them; one that was changed since stays unless it is overwritten."""
    async with connection.connected(server_url) as client:
        published = []
        for document in _documents():
            body = msgspec.json.encode(document | {"overwrite": overwrite})
            try:
                await connection.request(client, "missionops.docs.create", body)
                kept = False
            except errors.Conflict:
                kept = True
            published.append(Published(document["id"], document["spacecraftId"], document["title"], kept))
        return published


def _documents() -> Iterator[dict[str, Any]]:
    for profile in fleet.PROFILES:
        for document in handbook.documents(profile):
            yield {
                "id": document.id,
                "spacecraftId": document.spacecraft_id,
                "title": document.title,
                "category": document.category,
                "tags": list(document.tags),
                "body": document.body,
            }
