"""Spacecraft: their registrations, and the status of each."""

from datetime import UTC, datetime
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from missionops.domain import timestamp
from missionops.domain.access import Role
from missionops.domain.event import EventType
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.errors import NotFound
from missionops.ingest.limits_cache import CompiledConfig
from missionops.operations import audit, config_check
from missionops.operations.audit import Change
from missionops.operations.operation import Context, EmptyRequest, Operation, Request, Response, Route
from missionops.operations.request_parsing import Limit
from missionops.operations.standing_alarms import StandingCounts, shown
from missionops.store import parameter_sets, spacecraft, standing_alarms
from missionops.store import status as stored_status
from missionops.store.database import Connection
from missionops.store.parameter_sets import ParameterNames
from missionops.store.spacecraft import Registered
from missionops.store.spacecraft import Registration as Row
from missionops.store.standing_alarms import AlarmCounts
from missionops.store.status import StatusFacts

_encode = msgspec.json.Encoder().encode

_Text = Annotated[str, Meta(min_length=1, max_length=256)]


class RegisterRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Its name and mission type; what is not given stays as it is."""

    name: _Text | None = None
    mission_type: _Text | None = None


class RegistrationResponse(msgspec.Struct, rename="camel"):
    """A registered spacecraft."""

    spacecraft_id: str
    name: str | None
    mission_type: str | None
    created_at: Timestamp
    updated_at: Timestamp


async def register(context: Context, request: Request) -> Response:
    """Register a spacecraft, or change its name or mission type."""
    wanted: RegisterRequest = request.request
    async with context.database.transaction() as connection:
        named = request.spacecraft_id, wanted.name, wanted.mission_type
        before, after = await spacecraft.register(connection, *named)
        if before is None or before[:3] != after[:3]:
            metadata = {
                "action": "spacecraft.register",
                "by": request.caller.name,
                **audit.between(before and _named(before), _named(after)),
            }
            message = "Registration changed" if before else "Spacecraft registered"
            change = Change(EventType.INFO, after.spacecraft_id, after.updated_at, message, metadata)
            await audit.record(connection, change)
    return Response(_encode(RegistrationResponse(*after)))


def _named(row: Row) -> dict[str, str | None]:
    return {"name": row.name, "missionType": row.mission_type}


class Spacecraft(msgspec.Struct, rename="camel"):
    """A registration with its config in force."""

    spacecraft_id: str
    name: str | None
    mission_type: str | None
    config: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
    status: str | None
    source: str | None
    version: int | None
    created_at: Timestamp
    updated_at: Timestamp


async def get(context: Context, request: Request) -> Response:
    """One spacecraft."""
    async with context.database.transaction() as connection:
        found = await spacecraft.get(connection, request.spacecraft_id)
    if found is None:
        raise NotFound("Spacecraft not found")
    return Response(_item(found))


class SpacecraftListRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which of them, by id."""

    limit: Limit = 20
    offset: Annotated[int, Meta(ge=0, le=2**62)] = 0


class SpacecraftList(msgspec.Struct):
    """Some of the registered spacecraft, by id."""

    total: int
    count: int
    limit: int
    offset: int
    items: list[Spacecraft]


async def list_by_id(context: Context, request: Request) -> Response:
    """Registered spacecraft; `count` is below `limit` where more would not fit into one response."""
    wanted: SpacecraftListRequest = request.request
    items: list[msgspec.Raw] = []
    room = request.max_bytes - 200
    is_cut = False
    async with context.database.transaction() as connection:
        total = await spacecraft.count(connection, request.caller.spacecraft)
        async for row in spacecraft.by_id(connection, request.caller.spacecraft, wanted.limit, wanted.offset):
            item = _item(row)
            room -= len(item) + 1
            is_cut = room < 0 and bool(items)
            if is_cut:
                break
            items.append(msgspec.Raw(item))
    shown = cast("list[Spacecraft]", items)  # as JSON already
    return Response(_encode(SpacecraftList(total, len(items), wanted.limit, wanted.offset, shown)), is_cut=is_cut)


def _item(row: Registered) -> bytes:
    status = None if row.config is None else "approved"
    shown = row._asdict() | {"config": msgspec.Raw(row.config or b"null"), "status": status}
    return _encode(Spacecraft(**shown))


class Anomalies(msgspec.Struct):
    """How many anomalies there were in the last hours, by their timestamps or by when they were detected."""

    last1h: int
    last6h: int
    last24h: int


Monitoring = Literal["UNKNOWN", "SILENT", "NOT_CONFIGURED", "PARTIAL", "ACTIVE"]


class Status(msgspec.Struct, rename="camel"):
    """The status of a spacecraft, and what it means that no anomaly was found.

    `lastTelemetryTimestamp` ignores what is stamped more than the config's `clock.ahead` after its reception.
    `clockOffset` is the reception minus the timestamp, in seconds, of what was received last.
    """

    spacecraft_id: str
    last_telemetry_timestamp: Timestamp | None
    last_received_at: Timestamp | None
    clock_offset: float | None
    anomalies: Anomalies
    highest_severity_last24h: Severity = msgspec.field(name="highestSeverityLast24h")
    overall_status: Literal["NOMINAL", "WARNING", "CRITICAL"]
    monitoring: Monitoring
    alarms: StandingCounts


_HIGHEST = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
OVERALL: tuple[Literal["NOMINAL", "WARNING", "CRITICAL"], ...] = ("NOMINAL", "WARNING", "CRITICAL", "CRITICAL")
"""By the highest severity: 0 where nothing is worse than LOW, 1 for MEDIUM, 2 for HIGH, 3 for CRITICAL."""


async def status(context: Context, request: Request) -> Response:
    """The status of a spacecraft."""
    config = await context.limits.current(context.database, request.spacecraft_id)
    async with context.database.transaction() as connection:
        now = datetime.now(UTC)
        found = await stored_status.of_one(connection, request.spacecraft_id, now)
        standing = await standing_alarms.counts(connection, [request.spacecraft_id], now)
        monitors: Monitoring
        if not found.is_registered:
            monitors = "UNKNOWN"
        elif found.is_silent:
            monitors = "SILENT"
        else:
            monitors = await _rule_use(connection, context.parameter_names, request.spacecraft_id, config)
    counts = standing.get(request.spacecraft_id, AlarmCounts())
    return Response(_encode(status_of(found, monitors, counts)))


def status_of(facts: StatusFacts, found: Monitoring, standing: AlarmCounts) -> Status:
    """The status that these facts make."""
    offset = None
    if facts.last_received_at and facts.last_received_timestamp:
        offset = (facts.last_received_at - facts.last_received_timestamp).total_seconds()
    return Status(
        facts.spacecraft_id,
        facts.last_timestamp,
        facts.last_received_at,
        offset,
        Anomalies(facts.last_hour, facts.last_six_hours, facts.last_day),
        _HIGHEST[facts.highest],
        OVERALL[max(facts.highest, standing.highest)],
        found,
        shown(standing),
    )


async def monitoring(context: Context, spacecraft_id: str) -> tuple[Monitoring, datetime]:
    """What it means that no anomaly was found of a spacecraft that is not silent; and until when ACTIVE holds."""
    config = await context.limits.current(context.database, spacecraft_id)
    async with context.database.transaction() as connection:
        found = await _rule_use(connection, context.parameter_names, spacecraft_id, config)
    return found, config.works_until if config else timestamp.EARLIEST


async def _rule_use(
    connection: Connection, names: ParameterNames, spacecraft_id: str, config: CompiledConfig | None
) -> Monitoring:
    """Whether the rules work of a spacecraft that is not silent."""
    if config and datetime.now(UTC) < config.works_until:
        return "ACTIVE"
    reported = set(await parameter_sets.reported_names(connection, spacecraft_id))
    if config is None or reported.isdisjoint(config.rules.keys() | config.rules.off):
        return "NOT_CONFIGURED"
    works = await config_check.all_rules_work(connection, names, spacecraft_id, config, reported)
    return "ACTIVE" if works else "PARTIAL"


_PATH = "/spacecraft/{spacecraftId}"

OPERATIONS = (
    Operation(
        "spacecraft.register", "Register a spacecraft", Role.ADMIN, RegisterRequest, RegistrationResponse, register,
        (Route("PUT", _PATH),),
    ),
    Operation("spacecraft.get", "One spacecraft", Role.READER, EmptyRequest, Spacecraft, get, (Route("GET", _PATH),)),
    Operation(
        "spacecraft.list", "Registered spacecraft, by id", Role.READER, SpacecraftListRequest, SpacecraftList,
        list_by_id, (Route("GET", "/spacecraft"),), about_spacecraft=False,
    ),
    Operation(
        "spacecraft.status", "The status of a spacecraft", Role.READER, EmptyRequest, Status, status,
        (Route("GET", f"{_PATH}/status"),),
    ),
)  # fmt: skip
