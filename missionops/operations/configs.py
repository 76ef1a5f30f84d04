"""Configs: the limits that telemetry is judged by."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from missionops.domain import limits
from missionops.domain.access import Role
from missionops.domain.event import EventType
from missionops.domain.timestamp import Timestamp
from missionops.errors import NotFound
from missionops.operations import audit, config_document
from missionops.operations.audit import Change
from missionops.operations.operation import Context, EmptyRequest, Operation, Request, Response, Route
from missionops.store import configs

_Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME)]


class RuleSchema(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The limits of one parameter, in rising order; each may be absent."""

    crit_low: float | UnsetType = UNSET
    warn_low: float | UnsetType = UNSET
    warn_high: float | UnsetType = UNSET
    crit_high: float | UnsetType = UNSET


class ConfigDocument(msgspec.Struct):
    """A config document: rules by the names of parameters, and whatever else its author keeps."""

    parameters: Annotated[dict[_Name, RuleSchema], Meta(max_length=limits.MAX_PARAMETERS)] | UnsetType = UNSET


class ConfigResponse(msgspec.Struct, rename="camel"):
    """A config in force."""

    spacecraft_id: str
    config: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    status: str
    source: str
    version: int
    updated_at: Timestamp


async def get(context: Context, asked: Request) -> Response:
    """The config in force."""
    async with context.database.transaction() as connection:
        found = await configs.in_force(connection, asked.spacecraft_id)
    if found is None:
        raise NotFound("Config not found")
    return _shown(found)


async def put(context: Context, asked: Request) -> Response:
    """Put a new version in force: what is published after the reply is judged by it."""
    kept = await config_document.read(asked.request)
    async with context.database.transaction() as connection:
        stored = await configs.put(connection, asked.spacecraft_id, kept, asked.source)
        # A version is numbered without gaps, and never changed.
        before = await configs.document(connection, asked.spacecraft_id, stored.version - 1)
        await audit.tell(connection, _change(asked, before, stored))
    return _shown(stored)


def _change(asked: Request, before: bytes | None, stored: configs.ConfigVersion) -> Change:
    metadata = {
        "version": stored.version,
        "source": stored.source,
        "by": asked.caller.name,
        **audit.between(before, stored.document),
    }
    message = f"Config version {stored.version} in force"
    return Change(EventType.CONFIG_CHANGED, asked.spacecraft_id, stored.updated_at, message, metadata)


def _shown(stored: configs.ConfigVersion) -> Response:
    spacecraft_id, version, written, source, updated_at = stored
    shown = ConfigResponse(spacecraft_id, msgspec.Raw(written), "approved", source, version, updated_at)
    return Response(msgspec.json.encode(shown))


_PATH = "/spacecraft/{spacecraftId}/config"

OPERATIONS = (
    Operation(
        "config.get", "The config in force", Role.READER, EmptyRequest, ConfigResponse, get, (Route("GET", _PATH),)
    ),
    Operation(
        "config.set",
        "Put a config in force",
        Role.ADMIN,
        None,
        ConfigResponse,
        put,
        (Route("PUT", _PATH),),
        document=ConfigDocument,
    ),
)
