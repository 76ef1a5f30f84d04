"""Configs: the limits that telemetry is judged by."""

from datetime import datetime

import msgspec

from missionops.errors import NotFound
from missionops.operations import document
from missionops.operations.operation import Answer, Asked, Context, Nothing, Operation, Route
from missionops.store import configs


class Config(msgspec.Struct, rename="camel"):
    """A config in force."""

    spacecraft_id: str
    config: msgspec.Raw
    status: str
    source: str
    version: int
    updated_at: datetime


async def get(context: Context, asked: Asked) -> Answer:
    """The config in force."""
    async with context.database.transaction() as connection:
        found = await configs.in_force(connection, asked.spacecraft_id)
    if found is None:
        raise NotFound("Config not found")
    return _shown(found)


async def put(context: Context, asked: Asked) -> Answer:
    """Put a new version in force: what is published after the reply is judged by it."""
    kept = document.read(asked.request)
    async with context.database.transaction() as connection:
        return _shown(await configs.put(connection, asked.spacecraft_id, kept, asked.source))


def _shown(stored: configs.Config) -> Answer:
    spacecraft_id, version, written, status, source, updated_at = stored
    shown = Config(spacecraft_id, msgspec.Raw(written), status, source, version, updated_at)
    return Answer(msgspec.json.encode(shown))


_PATH = "/spacecraft/{spacecraftId}/config"

OPERATIONS = (
    Operation("config.get", "The config in force", Nothing, Config, get, (Route("GET", _PATH),)),
    Operation("config.set", "Put a config in force", None, Config, put, (Route("PUT", _PATH),)),
)
