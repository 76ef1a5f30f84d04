"""Mission events: what happened, recorded by people and by the service itself."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from missionops.domain import identifier, number, spacecraft
from missionops.domain.access import Role
from missionops.domain.event import Event, EventType
from missionops.domain.severity import Severity
from missionops.errors import Conflict, TooLarge
from missionops.operations import pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.pagination import PageItem, TimeCursor
from missionops.operations.request_parsing import Limit, Moment, refused
from missionops.store import event_search, events, outbox
from missionops.store.database import Connection
from missionops.store.event_search import EventFilter

_MAX_BYTES = 256 << 10  # of metadata; an event is published as one message, and a page of events is in memory at once

_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode

_Id = Annotated[
    str,
    Meta(
        description=f"{identifier.RULE}; unique over all spacecraft",
        extra_json_schema={"pattern": f"^{identifier.PATTERN}$"},
    ),
]


class RecordRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What happened; now, where no time is given."""

    type: EventType
    severity: Severity
    message: Annotated[str, Meta(min_length=1, max_length=4096)]
    timestamp: Moment | None = None
    metadata: dict[str, Any] = {}
    id: _Id | None = None


async def record(context: Context, request: Request) -> Response:
    """Record an event. The same again, by id or by time and content, changes nothing and gets the same response."""
    wanted: RecordRequest = request.request
    if wanted.id is not None and not identifier.is_id(wanted.id):
        raise refused("id", f"must be {identifier.RULE}")
    at = request_parsing.at(wanted.timestamp, "timestamp")
    try:
        _refuse_unkept(wanted.metadata, "metadata")
        metadata = _encode(wanted.metadata)
    except RecursionError:
        raise refused("metadata", "is nested too deeply") from None
    if len(metadata) > _MAX_BYTES:
        raise TooLarge(f"metadata has {len(metadata)} bytes; at most {_MAX_BYTES} are kept")
    event = Event(
        wanted.id or f"ev_{uuid.uuid4().hex}",
        request.spacecraft_id,
        at or datetime.now(UTC),
        wanted.type,
        wanted.severity,
        wanted.message,
        msgspec.Raw(metadata),
    )
    if wanted.id is None and at is not None:
        # The id is made from the content: an event that is sent twice is recorded once.
        content = msgspec.structs.replace(event, id="", metadata=msgspec.Raw(_canonical_metadata(event)))
        digest = hashlib.blake2b(_canonical(content), digest_size=16).hexdigest()
        event = msgspec.structs.replace(event, id=f"ev_{digest}")
    async with context.database.transaction() as connection:
        if await add_and_publish(connection, event, recorded_by=request.caller.name):
            return Response(_encode(event))
        known = await events.get(connection, event.id)
    # A repeated request without a time is about the same event, though the time of its arrival is another.
    if known is None or _content(known, timed=at is not None) != _content(event, timed=at is not None):
        raise Conflict(f"There is another event with the id {event.id}")
    return Response(_encode(known))


async def add_and_publish(connection: Connection, event: Event, *, recorded_by: str | None) -> bool:
    """Add an event and put it into the outbox, in the caller's transaction; False if its id is taken.

    It is published after the commit. `recorded_by` is the name of the caller who reports it; None is the service.
    """
    if not await events.add(connection, event, recorded_by):
        return False
    await outbox.put(connection, event)
    return True


def _canonical_metadata(event: Event) -> bytes:
    return _canonical(msgspec.json.decode(event.metadata))


def _content(event: Event, *, timed: bool) -> tuple[Any, ...]:
    metadata = _canonical_metadata(event)
    return event.spacecraft_id, event.timestamp if timed else None, event.type, event.severity, event.message, metadata


def _refuse_unkept(value: Any, path: str) -> None:
    """Refuse an integer that no double can hold, wherever it stands."""
    if isinstance(value, int) and number.kept(value) is None:
        raise refused(path, "is a number beyond what a double can hold")
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_unkept(inner, f"{path}.{name}")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_unkept(inner, f"{path}.{index}")


class EventListRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How many, newest first, and which: each filter that is given has to hold."""

    limit: Limit = 20
    cursor: str | None = None
    start: Moment | None = msgspec.field(name="from", default=None)
    end: Moment | None = msgspec.field(name="to", default=None)
    types: list[EventType] | None = None
    min_severity: Severity | None = None
    q: (
        Annotated[str, Meta(max_length=4096, description="What the message contains, in upper or lower case.")] | None
    ) = None


async def list_newest(context: Context, request: Request) -> Response:
    """Events of one spacecraft, newest first; of `_fleet` those that belong to no single spacecraft."""
    is_of_fleet = request.spacecraft_id == spacecraft.FLEET
    return await _list(context, request, None if is_of_fleet else request.spacecraft_id, is_of_fleet=is_of_fleet)


async def search(context: Context, request: Request) -> Response:
    """Events of all spacecraft that the caller may see, newest first.

    A caller that is limited to some spacecraft does not see those that belong to no single spacecraft.
    """
    visible = request.caller.spacecraft
    return await _list(context, request, None if visible is None else sorted(visible), is_of_fleet=False)


async def _list(
    context: Context, request: Request, of_spacecraft: str | list[str] | None, *, is_of_fleet: bool
) -> Response:
    wanted: EventListRequest = request.request
    chosen = EventFilter(
        of_spacecraft,
        is_of_fleet,
        wanted.types,
        wanted.min_severity.and_above() if wanted.min_severity else None,
        wanted.q,
        request_parsing.between(wanted.start, wanted.end),
    )
    before = pagination.read(wanted.cursor, TimeCursor, request.listing)

    async def items(connection: Connection) -> AsyncIterator[PageItem]:
        async for event in event_search.newest(connection, chosen, before, wanted.limit + 1):
            yield PageItem(_encode(event), (event.timestamp, event.id))

    async with context.database.transaction() as connection:
        return await pagination.page(request, items(connection), wanted.limit)


OPERATIONS = (
    Operation(
        "events.record", "Record an event", Role.OPERATOR, RecordRequest, Event, record, (Route("POST", "/events"),),
    ),
    Operation(
        "events.list", "Events, newest first", Role.READER, EventListRequest, list[Event], list_newest,
        (Route("GET", "/events"),), about_fleet=True,
    ),
    Operation(
        "events.search", "Events of all spacecraft, newest first", Role.READER, EventListRequest, list[Event], search,
        (Route("GET", "/events/search"),), about_spacecraft=False,
    ),
)  # fmt: skip
