"""The operation `fleet.status`: how all spacecraft do, the worst first."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, NamedTuple, cast

import msgspec
from msgspec import Meta

from missionops.domain import timestamp
from missionops.domain.access import Role
from missionops.domain.timestamp import Timestamp
from missionops.operations import pagination, spacecraft
from missionops.operations.fleet_monitoring import FleetMonitoring
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.request_parsing import Limit
from missionops.operations.spacecraft import Monitoring, Status
from missionops.store import standing_alarms
from missionops.store import status as stored_status
from missionops.store.standing_alarms import AlarmCounts
from missionops.store.status import StatusFacts


class FleetState(StrEnum):
    """The worst of a spacecraft's status, in one word; the worst first."""

    CRITICAL = "CRITICAL"
    WARNING = "WARNING"
    SILENT = "SILENT"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    PARTIAL = "PARTIAL"
    UNKNOWN = "UNKNOWN"
    """It is not known yet whether its rules work: a later request finds out."""
    NOMINAL = "NOMINAL"


STATES = tuple(FleetState)

_MONITORING_SECONDS = 1.0
"""How long one request may look for the rules that do not work; what is left is UNKNOWN until a later one."""

_encode = msgspec.json.Encoder().encode


class FleetRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How many, the worst first, and which: each filter that is given has to hold."""

    limit: Limit = 100
    cursor: str | None = None
    q: Annotated[str, Meta(max_length=256, description="What the id or the name contains.")] | None = None
    state: FleetState | None = None


class FleetItem(Status, rename="camel"):
    """A spacecraft's registration, its status, and the worst of it as one word."""

    name: str | None
    mission_type: str | None
    version: int | None
    """Of its config in force; null where it has none."""
    state: FleetState


class FleetResponse(msgspec.Struct):
    """How the spacecraft do; `counts` are of all that the caller may see, however the list is narrowed."""

    at: Timestamp
    counts: dict[FleetState, int]
    items: list[FleetItem]


class _Craft(NamedTuple):
    rank: int
    row: StatusFacts
    monitoring: Monitoring
    standing: AlarmCounts


class _Cursor(NamedTuple):
    rank: int
    spacecraft_id: str


class FleetStatus:
    """The status of every spacecraft, read once for all who wait for it."""

    def __init__(self) -> None:
        self._monitoring = FleetMonitoring()
        self._reading = asyncio.Lock()
        self._began = float("-inf")
        self._at = timestamp.EARLIEST
        self._crafts: list[_Craft] = []

    async def read(self, context: Context) -> tuple[datetime, list[_Craft]]:
        """All spacecraft, the worst first, then by id, as they are after this was called, and at what time."""
        asked_at = asyncio.get_running_loop().time()
        async with self._reading:
            if self._began < asked_at:  # otherwise somebody else has begun to read since
                began = asyncio.get_running_loop().time()
                async with context.database.transaction() as connection:
                    now = datetime.now(UTC)
                    rows = await stored_status.of_all(connection, now)
                    standing = await standing_alarms.counts(connection, None, now)
                find = partial(spacecraft.monitoring, context)
                await self._monitoring.update(context.database, rows, find, _MONITORING_SECONDS)
                crafts = []
                for row in rows:
                    found, counts = self._monitoring.of(row), standing.get(row.spacecraft_id, AlarmCounts())
                    state = FleetState(spacecraft.OVERALL[max(row.highest, counts.highest)])
                    if state is FleetState.NOMINAL and found != "ACTIVE":
                        state = FleetState(found)
                    crafts.append(_Craft(STATES.index(state), row, found, counts))
                crafts.sort(key=lambda craft: (craft.rank, craft.row.spacecraft_id))
                self._began, self._at, self._crafts = began, now, crafts
            return self._at, self._crafts


async def status(context: Context, request: Request) -> Response:
    """How all spacecraft that the caller may see do, the worst first, and how many are in which state."""
    wanted: FleetRequest = request.request
    after = pagination.read(wanted.cursor, _Cursor, request.listing)
    at, crafts = await context.fleet.read(context)
    visible = [craft for craft in crafts if request.caller.reaches(craft.row.spacecraft_id)]
    counts = Counter(STATES[craft.rank] for craft in visible)
    found = _matching(visible, wanted, after)
    items: list[msgspec.Raw] = []
    room, cursor, is_cut = request.max_bytes - 1_000, None, False
    last = _Cursor(0, "")
    for craft in found:
        row = craft.row
        facts = spacecraft.status_of(row, craft.monitoring, craft.standing)
        item = _encode(
            FleetItem(
                **msgspec.structs.asdict(facts),
                name=row.name,
                mission_type=row.mission_type,
                version=row.version or None,
                state=STATES[craft.rank],
            )
        )
        room -= len(item) + 1
        is_cut = room < 0 and bool(items)
        if is_cut or len(items) == wanted.limit:
            cursor = pagination.written(last, request.listing)
            break
        items.append(msgspec.Raw(item))
        last = _Cursor(craft.rank, row.spacecraft_id)
    shown = cast("list[FleetItem]", items)  # as JSON already
    reply = FleetResponse(at, {state: counts[state] for state in STATES if counts[state]}, shown)
    return Response(_encode(reply), cursor, is_cut=is_cut)


def _matching(crafts: Iterable[_Craft], wanted: FleetRequest, after: _Cursor | None) -> Iterable[_Craft]:
    text = (wanted.q or "").lower()
    for craft in crafts:
        row = craft.row
        if after and (craft.rank, row.spacecraft_id) <= after:
            continue
        if wanted.state and STATES[craft.rank] != wanted.state:
            continue
        if text in row.spacecraft_id.lower() or (row.name and text in row.name.lower()):
            yield craft


OPERATIONS = (
    Operation(
        "fleet.status", "How all spacecraft do, the worst first", Role.READER, FleetRequest, FleetResponse, status,
        (Route("GET", "/fleet"),), about_spacecraft=False,
    ),
)  # fmt: skip
