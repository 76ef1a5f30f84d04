"""Configs: the limits that telemetry is judged by."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from missionops.domain import limits
from missionops.domain.access import Role
from missionops.domain.event import EventType
from missionops.domain.timestamp import Instant
from missionops.errors import NotFound
from missionops.operations import audit, config_document
from missionops.operations.audit import Change
from missionops.operations.operation import Answer, Asked, Context, Nothing, Operation, Route
from missionops.store import configs

_Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME)]


class Rule(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The limits of one parameter, in rising order; each may be absent."""

    crit_low: float | UnsetType = UNSET
    warn_low: float | UnsetType = UNSET
    warn_high: float | UnsetType = UNSET
    crit_high: float | UnsetType = UNSET


class NewConfig(msgspec.Struct):
    """A config document: rules by the names of parameters, and whatever else its author keeps."""

    parameters: Annotated[dict[_Name, Rule], Meta(max_length=limits.MAX_PARAMETERS)] | UnsetType = UNSET


class Config(msgspec.Struct, rename="camel"):
    """A config in force."""

    spacecraft_id: str
    config: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    status: str
    source: str
    version: int
    updated_at: Instant


async def get(context: Context, asked: Asked) -> Answer:
    """The config in force."""
    async with context.database.transaction() as connection:
        found = await configs.in_force(connection, asked.spacecraft_id)
    if found is None:
        raise NotFound("Config not found")
    return _shown(found)


async def put(context: Context, asked: Asked) -> Answer:
    """Put a new version in force: what is published after the reply is judged by it."""
    kept = await config_document.read(asked.request)
    async with context.database.transaction() as connection:
        stored = await configs.put(connection, asked.spacecraft_id, kept, asked.source)
        # A version is numbered without gaps, and never changed.
        before = await configs.document(connection, asked.spacecraft_id, stored.version - 1)
        await audit.tell(connection, _change(asked, before, stored))
    return _shown(stored)


def _change(asked: Asked, before: bytes | None, stored: configs.Config) -> Change:
    metadata = {
        "version": stored.version,
        "source": stored.source,
        "by": asked.caller.name,
        **audit.between(before, stored.document),
    }
    message = f"Config version {stored.version} in force"
    return Change(EventType.CONFIG_CHANGED, asked.spacecraft_id, stored.updated_at, message, metadata)


def _shown(stored: configs.Config) -> Answer:
    spacecraft_id, version, written, status, source, updated_at = stored
    shown = Config(spacecraft_id, msgspec.Raw(written), status, source, version, updated_at)
    return Answer(msgspec.json.encode(shown))


_PATH = "/spacecraft/{spacecraftId}/config"

OPERATIONS = (
    Operation("config.get", "The config in force", Role.READER, Nothing, Config, get, (Route("GET", _PATH),)),
    Operation(
        "config.set",
        "Put a config in force",
        Role.ADMIN,
        None,
        Config,
        put,
        (Route("PUT", _PATH),),
        document=NewConfig,
    ),
)
