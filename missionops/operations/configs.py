"""Configs: the limits that telemetry is judged by, and their versions."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from missionops.domain import config_document as documents
from missionops.domain import identifier, rule_document
from missionops.domain.access import Role
from missionops.domain.checks import change, state
from missionops.domain.episodes import persistence
from missionops.domain.event import EventType
from missionops.domain.parameter_name import MAX_NAME, MAX_PARAMETERS
from missionops.domain.rule_key import MAX_SECONDS, MAX_TEXT
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.domain.when import MAX_WHEN
from missionops.errors import Conflict, NotFound
from missionops.operations import audit, config_check, config_document, pagination, request_parsing
from missionops.operations.audit import Change
from missionops.operations.operation import (
    Context,
    Operation,
    Request,
    RequestHeader,
    Response,
    Route,
)
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import Limit
from missionops.store import configs
from missionops.store.configs import ConfigVersion, NewConfig

_MOST_VERSIONS = (1 << 31) - 1
_MOST_WARNINGS = 1_000
_encode = msgspec.json.Encoder().encode

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Version = Annotated[int, Meta(ge=1, le=_MOST_VERSIONS)]


_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_DocumentId = Annotated[str, Meta(pattern=f"^{identifier.PATTERN}$")]
_Positive = Annotated[float, Meta(gt=0)]


class PersistenceSchema(msgspec.Struct, forbid_unknown_fields=True):
    """How long a level has to last."""

    samples: Annotated[int, Meta(ge=1, le=persistence.MAX_SAMPLES)] = 1
    seconds: Annotated[float, Meta(ge=0, le=persistence.MAX_SECONDS)] = 0


class ChangeSchema(msgspec.Struct, forbid_unknown_fields=True):
    """How far a parameter may change from one number to the next; at least one limit, in rising order."""

    per: Literal["second", "sample"]
    watch: _Positive | UnsetType = UNSET
    warn: _Positive | UnsetType = UNSET
    crit: _Positive | UnsetType = UNSET
    severe: _Positive | UnsetType = UNSET
    within: Annotated[float, Meta(ge=1, le=change.MAX_WITHIN)] = change.WITHIN
    """Seconds that the number before may lie back."""
    to_raise: PersistenceSchema | UnsetType = msgspec.field(default=UNSET, name="raise")
    clear: PersistenceSchema | UnsetType = UNSET


class RuleSchema(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The rule of one parameter: bands in rising order, states, and more; each may be absent."""

    severe_low: float | UnsetType = UNSET
    crit_low: float | UnsetType = UNSET
    warn_low: float | UnsetType = UNSET
    watch_low: float | UnsetType = UNSET
    watch_high: float | UnsetType = UNSET
    warn_high: float | UnsetType = UNSET
    crit_high: float | UnsetType = UNSET
    severe_high: float | UnsetType = UNSET
    deadband: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    """How far inside the bands a number has to be before its alarm ends."""
    states: Annotated[dict[str, Severity | None], Meta(min_length=1, max_length=state.MAX_STATES)] | UnsetType = UNSET
    """A value as text → its severity, or null for nominal."""
    otherwise: Severity | UnsetType | None = UNSET
    """The severity of a value that is not among `states`."""
    change: ChangeSchema | UnsetType = UNSET
    stale_after: Annotated[float, Meta(gt=0, le=MAX_SECONDS)] | UnsetType = UNSET
    """Seconds that the parameter may be missing while others are reported."""
    stale_severity: Severity | UnsetType = UNSET
    to_raise: PersistenceSchema | UnsetType = msgspec.field(default=UNSET, name="raise")
    clear: PersistenceSchema | UnsetType = UNSET
    acknowledge: bool | UnsetType = UNSET
    """Whether an alarm that returned waits for an operator."""
    when: Annotated[list[dict[str, Any]], Meta(max_length=MAX_WHEN)] | UnsetType = UNSET
    """Keys in place of the rule's own where `if` holds: parameters of the same snapshot with their values."""
    off: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] | UnsetType = UNSET
    """Why this rule checks nothing for now."""
    masked_by: _Name | UnsetType = UNSET
    """A parameter during whose alarms those of this one are masked."""
    unit: _Text | UnsetType = UNSET
    description: _Text | UnsetType = UNSET
    subsystem: _Text | UnsetType = UNSET
    guidance: _Text | UnsetType = UNSET
    documents: Annotated[list[_DocumentId], Meta(max_length=rule_document.MAX_DOCUMENTS)] | UnsetType = UNSET


class ClockSchema(msgspec.Struct, forbid_unknown_fields=True):
    """When the spacecraft's clock cannot be right."""

    ahead: Annotated[float, Meta(ge=0, le=MAX_SECONDS)] | UnsetType = UNSET
    """Seconds that a timestamp may lie after its reception."""
    start: Timestamp | UnsetType = msgspec.field(default=UNSET, name="from")
    """The earliest timestamp that can be right."""


class ConfigDocument(msgspec.Struct, rename="camel"):
    """A config document: rules by the names of parameters, and whatever else its author keeps."""

    parameters: Annotated[dict[_Name, RuleSchema], Meta(max_length=MAX_PARAMETERS)] | UnsetType = UNSET
    clock: ClockSchema | UnsetType = UNSET
    silent_after: Annotated[float, Meta(ge=documents.MIN_SILENT_AFTER, le=MAX_SECONDS)] | UnsetType = UNSET
    """Seconds without telemetry after which the spacecraft is silent."""


class ConfigResponse(msgspec.Struct, rename="camel"):
    """A version of a config."""

    spacecraft_id: str
    config: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    status: str
    source: str
    version: int
    updated_at: Timestamp


class Warning(msgspec.Struct):  # noqa: A001 - the field's word, and nothing here warns by Python's
    """A part of a config that checks nothing, and why."""

    path: str
    message: str


class ConfigSetResponse(ConfigResponse):
    """The config in force now, and warnings about the parts of it that check nothing."""

    warnings: list[Warning] = []


class ConfigGetRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The version; the one in force if it is not given."""

    version: _Version | None = None


async def get(context: Context, request: Request) -> Response:
    """The config in force, or an earlier version of it."""
    wanted: ConfigGetRequest = request.request
    async with context.database.transaction() as connection:
        found = await configs.get(connection, request.spacecraft_id, wanted.version)
    if found is None:
        raise NotFound("Config not found" if wanted.version is None else f"Config version {wanted.version} not found")
    return Response(_encode(ConfigResponse(*_fields(found))))


async def put(context: Context, request: Request) -> Response:
    """Put a new version in force: what is published after the reply is judged by it."""
    if_version = request_parsing.if_version(request.headers)
    reason = request_parsing.reason(request.headers)
    config = await config_document.read(request.request, request.spacecraft_id)
    warnings = await config_check.warnings(context.database, context.parameter_names, request.spacecraft_id, config)
    new = NewConfig(request.spacecraft_id, config.body, request.source, request.caller.name, reason)
    async with context.database.transaction() as connection:
        stored = await configs.put(connection, new, config.rules)
        before = stored.version - 1  # versions have no gaps
        if if_version not in {None, before}:
            in_force = f"Config version {before} is in force" if before else "No config is in force"
            raise Conflict(f"{in_force}, not version {if_version}: nothing was changed")
        replaced = await configs.get(connection, request.spacecraft_id, before)
        metadata = {
            "version": stored.version,
            "source": stored.source,
            "by": request.caller.name,
            **({"reason": reason} if reason else {}),
            **audit.between(replaced and replaced.document, stored.document),
        }
        message = f"Config version {stored.version} in force"
        change = Change(EventType.CONFIG_CHANGED, request.spacecraft_id, stored.updated_at, message, metadata)
        await audit.record(connection, change)
    # As many warnings as fit beside the config; the last one says how many are left out.
    response = ConfigSetResponse(*_fields(stored))
    room = request.max_bytes - len(_encode(response)) - 100
    for index, warning in enumerate(warnings):
        shown = Warning(*warning)
        room -= len(_encode(shown)) + 1
        if room < 0 or index == _MOST_WARNINGS:
            left = Warning("parameters", f"{len(warnings) - index} more warnings are left out: see config.check")
            response.warnings.append(left)
            break
        response.warnings.append(shown)
    return Response(_encode(response))


def _fields(stored: ConfigVersion) -> tuple[str, msgspec.Raw, str, str, int, Timestamp]:
    spacecraft_id, version, document, source, updated_at = stored
    return spacecraft_id, msgspec.Raw(document), "approved", source, version, updated_at


class VersionsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How many versions, newest first."""

    limit: Limit = 20
    cursor: str | None = None


class VersionResponse(msgspec.Struct, rename="camel"):
    """Who put a version in force, when and why."""

    version: int
    source: str
    by: str
    reason: str | None
    updated_at: Timestamp


class _VersionCursor(NamedTuple):
    version: int


async def versions(context: Context, request: Request) -> Response:
    """The versions of a config, newest first."""
    wanted: VersionsRequest = request.request
    cursor = pagination.read(wanted.cursor, _VersionCursor, request.listing)
    before = min(cursor.version, _MOST_VERSIONS) if cursor else _MOST_VERSIONS
    async with context.database.transaction() as connection:
        if await configs.get(connection, request.spacecraft_id) is None:
            raise NotFound("Config not found")

        async def items() -> AsyncIterator[PageItem]:
            async for record in configs.history(connection, request.spacecraft_id, before, wanted.limit + 1):
                yield PageItem(_encode(VersionResponse(*record)), _VersionCursor(record.version))

        return await pagination.page(request, items(), wanted.limit)


_PATH = "/spacecraft/{spacecraftId}/config"
_IF_VERSION = RequestHeader(
    "Missionops-If-Version",
    "If-Match",
    "The version that has to be in force, 0 for none: with another one nothing is changed, and the error is 409.",
    {"type": "string"},
)
_REASON = RequestHeader(
    "Missionops-Reason",
    "Missionops-Reason",
    "Why: kept with the version.",
    {"type": "string", "maxLength": request_parsing.MAX_REASON},
)

OPERATIONS = (
    Operation(
        "config.get", "The config in force, or an earlier version", Role.READER, ConfigGetRequest, ConfigResponse, get,
        (Route("GET", _PATH),),
    ),
    Operation(
        "config.set", "Put a config in force", Role.ADMIN, None, ConfigSetResponse, put, (Route("PUT", _PATH),),
        document=ConfigDocument, headers=(_IF_VERSION, _REASON),
    ),
    Operation(
        "config.versions", "The versions of a config, newest first", Role.READER, VersionsRequest,
        list[VersionResponse], versions, (Route("GET", f"{_PATH}/versions"),),
    ),
)  # fmt: skip
