"""Alarms as they are: lists of them, and one with all that happened to it."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from missionops.domain.access import Role
from missionops.domain.alarm import AlarmRecord, State, Transition
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.errors import NotFound
from missionops.operations import pagination, request_parsing
from missionops.operations.operation import Context, Operation, ReplyHeader, Request, Response, Route
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import Limit, Moment
from missionops.store import alarm_search
from missionops.store.alarm_search import AlarmCursor, AlarmFilter
from missionops.store.database import Connection

_encode = msgspec.json.Encoder().encode

Check = Literal["LIMIT", "STATE", "CHANGE", "STALE", "SILENT"]
AlarmId = Annotated[str, Meta(max_length=64, description="The alarm's id, `al_` and 32 hex digits.")]
ParameterName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
SearchText = Annotated[
    str,
    Meta(
        max_length=256,
        description="What the spacecraft's id, the parameter, the description or the subsystem contains, in upper or "
        "lower case.",
    ),
]

HANDLED_AT = ReplyHeader(
    "Missionops-Handled-At",
    "The stream's time up to which telemetry is handled; absent where none was.",
    {"type": "string", "format": "date-time"},
)


async def handled_at(connection: Connection) -> dict[str, str]:
    """The header that says up to which time of the stream telemetry is in an answer; read before the answer itself."""
    at = await alarm_search.handled_until(connection)
    return {} if at is None else {HANDLED_AT.name: at.isoformat().replace("+00:00", "Z")}


class StateFilter(StrEnum):
    """One state of alarms, or several."""

    ACTIVE = "ACTIVE"
    UNACKNOWLEDGED = "UNACKNOWLEDGED"
    ACTIVE_UNACKNOWLEDGED = "ACTIVE_UNACKNOWLEDGED"
    ACTIVE_ACKNOWLEDGED = "ACTIVE_ACKNOWLEDGED"
    RETURNED_UNACKNOWLEDGED = "RETURNED_UNACKNOWLEDGED"
    CLOSED = "CLOSED"
    RETRACTED = "RETRACTED"

    @property
    def states(self) -> tuple[State, ...]:
        """The states that it stands for."""
        if self is StateFilter.ACTIVE:
            return State.ACTIVE_UNACKNOWLEDGED, State.ACTIVE_ACKNOWLEDGED
        if self is StateFilter.UNACKNOWLEDGED:
            return State.ACTIVE_UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED
        return (State(self.value),)


class AlarmListRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How many, newest first, and which: each filter that is given has to hold; `from` and `to`: they overlap it."""

    limit: Limit = 20
    cursor: str | None = None
    state: StateFilter | None = None
    min_severity: Severity | None = None
    parameter: ParameterName | None = None
    check: Check | None = None
    start: Moment | None = msgspec.field(name="from", default=None)
    end: Moment | None = msgspec.field(name="to", default=None)


class AlarmSearchRequest(AlarmListRequest, forbid_unknown_fields=True, rename="camel"):
    """The same, over all spacecraft that the caller may see, or of one."""

    spacecraft_id: str | None = None
    subsystem: str | None = None
    q: SearchText | None = None


async def list_newest(context: Context, request: Request) -> Response:
    """Alarms of one spacecraft, newest first."""
    return await _list(context, request, [request.spacecraft_id], None, None)


async def search(context: Context, request: Request) -> Response:
    """Alarms of all spacecraft that the caller may see, newest first."""
    wanted: AlarmSearchRequest = request.request
    spacecraft_ids = chosen_spacecraft(request, wanted.spacecraft_id)
    return await _list(context, request, spacecraft_ids, wanted.q, wanted.subsystem)


def chosen_spacecraft(request: Request, spacecraft_id: str | None) -> Collection[str] | None:
    """The one spacecraft that a request names, or those that its caller may see; None: all."""
    if spacecraft_id is None:
        return request.caller.visible
    request_parsing.spacecraft_id(spacecraft_id)
    if not request.caller.reaches(spacecraft_id):
        raise request_parsing.out_of_reach(request.caller, spacecraft_id)
    return [spacecraft_id]


async def _list(
    context: Context,
    request: Request,
    spacecraft_ids: Collection[str] | None,
    text: str | None,
    subsystem: str | None,
) -> Response:
    wanted: AlarmListRequest = request.request
    chosen = AlarmFilter(
        spacecraft_ids,
        wanted.state.states if wanted.state else None,
        wanted.min_severity.level if wanted.min_severity else 1,
        wanted.parameter,
        wanted.check,
        text,
        request_parsing.between(wanted.start, wanted.end),
        subsystem,
    )
    before = pagination.read(wanted.cursor, AlarmCursor, request.listing)

    async def items(connection: Connection) -> AsyncIterator[PageItem]:
        async for alarm in alarm_search.newest(connection, chosen, before, wanted.limit + 1, datetime.now(UTC)):
            record = alarm.record()
            yield PageItem(_encode(record), (record.start, record.id))

    async with context.database.transaction() as connection:
        headers = await handled_at(connection)
        response = await pagination.page(request, items(connection), wanted.limit)
    return response._replace(headers=headers)


class AlarmRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Its id; a cursor continues its history."""

    id: AlarmId
    cursor: str | None = None


class HistoryEntry(msgspec.Struct):
    """What happened to an alarm; `by` is null where the service itself did it."""

    revision: int
    transition: Transition
    by: str | None
    at: Timestamp
    comment: str | None


class LinkedDocument(msgspec.Struct):
    """A document that helps; its title is null where there is none, or none that the caller may see."""

    id: str
    title: str | None


class WholeAlarm(AlarmRecord, rename="camel"):
    """An alarm with its documents by their titles, and with all that happened to it, oldest first."""

    documents: list[LinkedDocument]  # type: ignore[assignment] # their titles beside their ids
    history: list[HistoryEntry]


class _HistoryCursor(NamedTuple):
    revision: int


async def get(context: Context, request: Request) -> Response:
    """One alarm with its history, oldest first, and its documents."""
    wanted: AlarmRequest = request.request
    async with context.database.transaction() as connection:
        alarm = await alarm_search.get(connection, wanted.id, datetime.now(UTC))
        if alarm is None or not is_visible(request, alarm.spacecraft_id):
            raise NotFound(f"There is no alarm {wanted.id}.")
        request = request._replace(spacecraft_id=alarm.spacecraft_id)  # over HTTP the path has the alarm's id alone
        after = pagination.read(wanted.cursor, _HistoryCursor, request.listing)
        record = alarm.record()
        titles = await alarm_search.titles(connection, record.documents)

        async def transitions() -> AsyncIterator[PageItem]:
            found = alarm_search.history(
                connection, wanted.id, after.revision if after else 0, pagination.MAX_ITEMS + 1
            )
            async for one in found:
                yield PageItem(_encode(HistoryEntry(one.revision, Transition(one.transition), *one[2:])), (one[0],))

        shown = []
        for name in record.documents:
            about, title = titles.get(name, (None, None))
            is_hidden = about is not None and not request.caller.reaches(about)
            shown.append(LinkedDocument(name, None if is_hidden else title))
        whole = WholeAlarm(**msgspec.structs.asdict(record) | {"documents": shown, "history": []})
        head = _encode(whole).removesuffix(b"[]}")
        left = request._replace(max_bytes=request.max_bytes - len(head))
        history = await pagination.page(left, transitions(), pagination.MAX_ITEMS)
    return history._replace(body=b"%b%b}" % (head, history.body))


def is_visible(request: Request, spacecraft_id: str) -> bool:
    """Whether an alarm of a spacecraft is one for this request: it names the spacecraft, or the caller may see it."""
    if request.spacecraft_id:
        return spacecraft_id == request.spacecraft_id
    return request.caller.reaches(spacecraft_id)


OPERATIONS = (
    Operation(
        "alarms.list", "Alarms, newest first", Role.READER, AlarmListRequest, list[AlarmRecord], list_newest,
        (Route("GET", "/alarms"),), reply_headers=(HANDLED_AT,),
    ),
    Operation(
        "alarms.search", "Alarms of all spacecraft, newest first", Role.READER, AlarmSearchRequest, list[AlarmRecord],
        search, (Route("GET", "/alarms/search"),), about_spacecraft=False, reply_headers=(HANDLED_AT,),
    ),
    Operation(
        "alarms.get", "An alarm with its history", Role.READER, AlarmRequest, WholeAlarm, get,
        (Route("GET", "/alarms/{id}", names_spacecraft=False),),
    ),
)  # fmt: skip
