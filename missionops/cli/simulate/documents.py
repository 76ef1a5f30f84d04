"""The documents of the simulated missions, published."""

from typing import NamedTuple

import msgspec

from missionops import errors
from missionops.cli.client import connection
from missionops.cli.client.service import Service
from missionops.simulator import fleet, handbook


class PublishedDocument(NamedTuple):
    """What became of one document."""

    document_id: str
    spacecraft_id: str
    title: str
    is_kept: bool
    """Whether a changed document was kept in its place."""


async def publish(service: Service, *, overwrite: bool) -> list[PublishedDocument]:
    """Publish all of them; a document that was changed since is kept unless it is overwritten."""
    published = []
    async with service.connected() as client:
        for document in (document for profile in fleet.PROFILES for document in handbook.documents(profile)):
            request = {
                "id": document.id,
                "spacecraftId": document.spacecraft_id,
                "title": document.title,
                "category": document.category,
                "tags": list(document.tags),
                "body": document.body,
                "overwrite": overwrite,
            }
            try:
                await connection.request(client, "missionops.docs.create", msgspec.json.encode(request))
                is_kept = False
            except errors.Conflict:
                is_kept = True
            published.append(PublishedDocument(document.id, document.spacecraft_id, document.title, is_kept))
    return published
