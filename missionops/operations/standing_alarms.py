"""The operation `alarms.active`: what stands now, the worst first, and how much of it there is."""

from datetime import UTC, datetime
from typing import cast

import msgspec

from missionops.domain.access import Role
from missionops.domain.alarm import AlarmRecord
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.operations import alarms, pagination
from missionops.operations.alarms import HANDLED_AT, SearchText
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.request_parsing import Limit
from missionops.store import standing_alarms
from missionops.store.standing_alarms import AlarmCounts, StandingCursor, StandingFilter

_encode = msgspec.json.Encoder().encode


class StandingCounts(msgspec.Struct):
    """How many alarms stand: active ones by severity, those that wait for an operator, and those on a shelf.

    What is shelved is counted in `shelved` alone.
    """

    active: dict[Severity, int]
    unacknowledged: int
    shelved: int


def shown(counts: AlarmCounts) -> StandingCounts:
    """Counts as they are answered."""
    active = counts.low, counts.medium, counts.high, counts.critical
    return StandingCounts(dict(zip(Severity, active, strict=True)), counts.unacknowledged, counts.shelved)


class ActiveRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How many lines, the worst first, and which: each filter that is given has to hold."""

    limit: Limit = 100
    cursor: str | None = None
    min_severity: Severity | None = None
    subsystem: str | None = None
    q: SearchText | None = None


class ActiveAlarm(AlarmRecord, rename="camel"):
    """The newest alarm of a spacecraft, parameter and check that stands, and how many older ones wait."""

    earlier: int


class ActiveResponse(msgspec.Struct):
    """What stands now; `counts` are of all that the caller may see, whatever else was asked for."""

    at: Timestamp
    counts: StandingCounts
    items: list[ActiveAlarm]


async def active(context: Context, request: Request) -> Response:
    """The alarms that stand and are on no shelf: of each check the newest, the worst first, then the newest."""
    wanted: ActiveRequest = request.request
    chosen = StandingFilter(
        request.caller.visible,
        wanted.min_severity.level if wanted.min_severity else 1,
        wanted.subsystem,
        wanted.q,
    )
    before, now = pagination.read(wanted.cursor, StandingCursor), datetime.now(UTC)
    items: list[msgspec.Raw] = []
    room, cursor, is_cut = request.max_bytes - 1_000, None, False
    last = StandingCursor(0, now, "")
    async with context.database.transaction() as connection:
        headers = await alarms.handled_at(connection)
        counts = await standing_alarms.counts(connection, chosen.spacecraft_ids, now)
        async for alarm, earlier in standing_alarms.newest(connection, chosen, before, wanted.limit + 1, now):
            record = alarm.record()
            item = _encode(ActiveAlarm(**msgspec.structs.asdict(record), earlier=earlier))
            room -= len(item) + 1
            is_cut = room < 0 and bool(items)
            if is_cut or len(items) == wanted.limit:
                cursor = pagination.written(last)
                break
            items.append(msgspec.Raw(item))
            last = StandingCursor(record.severity.level, record.start, record.id)
    as_json = cast("list[ActiveAlarm]", items)
    reply = ActiveResponse(now, shown(standing_alarms.total(counts.values())), as_json)
    return Response(_encode(reply), cursor, is_cut=is_cut, headers=headers)


OPERATIONS = (
    Operation(
        "alarms.active", "The alarms that stand, the worst first", Role.READER, ActiveRequest, ActiveResponse, active,
        (Route("GET", "/alarms/active"),), about_spacecraft=False, reply_headers=(HANDLED_AT,),
    ),
)  # fmt: skip
