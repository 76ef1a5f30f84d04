"""The operation `alarms.active`: what stands now, the worst first, and how much of it there is."""

from datetime import UTC, datetime
from typing import cast

import msgspec

from missionops.domain.access import Role
from missionops.domain.alarm import AlarmRecord, State
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.operations import alarms, pagination
from missionops.operations.alarms import HANDLED_AT, Check, SearchText, StateFilter
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.request_parsing import Limit
from missionops.store import standing_alarms
from missionops.store.standing_alarms import AlarmCounts, StandingCursor, StandingFilter

_encode = msgspec.json.Encoder().encode


class StandingCounts(msgspec.Struct):
    """How many alarms of a spacecraft stand: active ones by severity, those that wait for an operator, shelved ones.

    What is shelved is counted in `shelved` alone.
    """

    active: dict[Severity, int]
    unacknowledged: int
    shelved: int


class ActiveCounts(msgspec.Struct):
    """The same of all spacecraft; those that wait for an operator by severity, too."""

    active: dict[Severity, int]
    unacknowledged: dict[Severity, int]
    shelved: int


def shown(counts: AlarmCounts) -> StandingCounts:
    """Counts as they are answered."""
    active = dict(zip(Severity, counts.active, strict=True))
    return StandingCounts(active, sum(counts.unacknowledged), counts.shelved)


class ActiveRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How many lines, the worst first, and which: each filter that is given has to hold.

    `waitingFirst`: those that wait for an operator come first, then the others.
    """

    limit: Limit = 100
    cursor: str | None = None
    spacecraft_id: str | None = None
    state: StateFilter | None = None
    min_severity: Severity | None = None
    check: Check | None = None
    subsystem: str | None = None
    q: SearchText | None = None
    waiting_first: bool = False


class ActiveAlarm(AlarmRecord, rename="camel"):
    """The newest alarm of a spacecraft, parameter and check that stands, and how many older ones wait."""

    earlier: int


class ActiveResponse(msgspec.Struct):
    """What stands now; `counts` are of all that the caller may see, however the list is narrowed.

    `total` is the number of lines that fit what was asked for, on all pages; null on a page that has none of them.
    """

    at: Timestamp
    counts: ActiveCounts
    total: int | None
    items: list[ActiveAlarm]


async def active(context: Context, request: Request) -> Response:
    """The alarms that stand and are on no shelf: of each check the newest, the worst first, then the newest."""
    wanted: ActiveRequest = request.request
    chosen = StandingFilter(
        alarms.chosen_spacecraft(request, wanted.spacecraft_id),
        wanted.min_severity.level if wanted.min_severity else 1,
        wanted.subsystem,
        wanted.q,
        wanted.check,
        wanted.state.states if wanted.state else None,
        wanted.waiting_first,
    )
    before, now = pagination.read(wanted.cursor, StandingCursor, request.listing), datetime.now(UTC)
    items: list[msgspec.Raw] = []
    room, cursor, is_cut = request.max_bytes - 1_000, None, False
    last: StandingCursor | None = None
    total = None if before else 0
    async with context.database.transaction() as connection:
        headers = await alarms.handled_at(connection)
        counts = standing_alarms.total((await standing_alarms.counts(connection, request.caller.visible, now)).values())
        async for line in standing_alarms.newest(connection, chosen, before, wanted.limit + 1, now):
            record, total = line.alarm.record(), line.total
            item = _encode(ActiveAlarm(**msgspec.structs.asdict(record), earlier=line.earlier))
            room -= len(item) + 1
            is_cut = room < 0 and bool(items)
            if is_cut or len(items) == wanted.limit:
                cursor = pagination.written(last, request.listing) if last else None
                break
            items.append(msgspec.Raw(item))
            is_first = wanted.waiting_first and record.state is not State.ACTIVE_ACKNOWLEDGED
            last = StandingCursor(is_first, record.severity.level, record.start, record.id)
    shown_counts = ActiveCounts(
        dict(zip(Severity, counts.active, strict=True)),
        dict(zip(Severity, counts.unacknowledged, strict=True)),
        counts.shelved,
    )
    reply = ActiveResponse(now, shown_counts, total, cast("list[ActiveAlarm]", items))
    return Response(_encode(reply), cursor, is_cut=is_cut, headers=headers)


OPERATIONS = (
    Operation(
        "alarms.active", "The alarms that stand, the worst first", Role.READER, ActiveRequest, ActiveResponse, active,
        (Route("GET", "/alarms/active"),), about_spacecraft=False, reply_headers=(HANDLED_AT,),
    ),
)  # fmt: skip
