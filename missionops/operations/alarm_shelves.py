"""Alarms that operators put aside for a while: episodes go on being found, and nobody is notified."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from missionops.domain import alarm
from missionops.domain.access import Caller, Role
from missionops.domain.event import EventType
from missionops.domain.timestamp import Timestamp
from missionops.errors import NotFound
from missionops.ingest.alarms import shelving
from missionops.operations import audit, pagination, request_parsing
from missionops.operations.alarms import Check, ParameterName
from missionops.operations.audit import Change
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import By, refused
from missionops.store import alarm_shelves
from missionops.store.alarm_shelves import ShelfKey, StoredShelf
from missionops.store.database import Connection

_encode = msgspec.json.Encoder().encode

_Reason = Annotated[str, Meta(min_length=1, max_length=4096)]
_Parameter = Annotated[
    ParameterName | UnsetType | None,
    Meta(description="Null: what is about no parameter, which is SILENT. Not given: the whole spacecraft."),
]


class ShelveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to put aside, for how many seconds, and why; at most 30 days."""

    seconds: Annotated[int, Meta(ge=1, le=2_592_000)]
    reason: _Reason
    parameter: _Parameter = UNSET
    check: Check | None = None
    by: By | None = None


class UnshelveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to put aside no longer, as it was shelved; `reason`: why."""

    parameter: _Parameter = UNSET
    check: Check | None = None
    reason: _Reason | None = None
    by: By | None = None


class ShelfResponse(msgspec.Struct, rename="camel"):
    """What is put aside until when; `parameter` is not there where it is the whole spacecraft.

    `hiding` is the number of alarms that stand and are hidden by it.
    """

    spacecraft_id: str
    check: str | None
    by: str
    until: Timestamp
    reason: str
    hiding: int
    parameter: str | UnsetType | None = UNSET


async def shelve(context: Context, request: Request) -> Response:
    """Put alarms of a spacecraft aside for a while; again: the new time and reason hold."""
    wanted: ShelveRequest = request.request
    key = _key(request.spacecraft_id, wanted.parameter, wanted.check)
    by, now = request_parsing.by(request.caller, wanted.by), datetime.now(UTC)
    until = now + timedelta(seconds=wanted.seconds)
    async with context.database.transaction() as connection:
        found = await shelving.lock_open(connection, [key.spacecraft_id], now)
        before = {name: one.shelf for name, one in found.items()}
        replaced = await alarm_shelves.get(connection, key, now)
        await alarm_shelves.put(connection, key, now, until, by=by, reason=wanted.reason)
        await shelving.tell(connection, found.values(), before, now, by=by, comment=wanted.reason)
        shelf = await alarm_shelves.get(connection, key, now)
        if shelf is None:
            raise AssertionError("it was put a moment ago")
        await audit.record(connection, _change(request.caller, by, now, before=replaced, after=shelf))
    return Response(_encode(_shown(shelf)))


async def unshelve(context: Context, request: Request) -> Response:
    """End a shelf before its time; the response is the shelf that was ended."""
    wanted: UnshelveRequest = request.request
    key = _key(request.spacecraft_id, wanted.parameter, wanted.check)
    by, now = request_parsing.by(request.caller, wanted.by), datetime.now(UTC)
    async with context.database.transaction() as connection:
        found = await shelving.lock_open(connection, [key.spacecraft_id], now)
        before = {name: one.shelf for name, one in found.items()}
        shelf = await alarm_shelves.get(connection, key, now)
        if shelf is None or not await alarm_shelves.remove(connection, key, now):
            raise NotFound(f"There is no shelf for {_name(key)} in force; `shelves` lists those that there are.")
        await shelving.tell(connection, found.values(), before, now, by=by, comment=wanted.reason)
        await audit.record(connection, _change(request.caller, by, now, before=shelf, after=None))
    return Response(_encode(_shown(shelf)))


def _key(spacecraft_id: str, parameter: str | UnsetType | None, check: Check | None) -> ShelfKey:
    """What a request is about. SILENT is about a whole spacecraft, and so has no parameter."""
    if parameter is None and check not in {None, alarm.SILENT}:
        raise refused("check", "must be SILENT, or not be given, where the parameter is null")
    if isinstance(parameter, str) and check == alarm.SILENT:
        raise refused("parameter", "must be null, or not be given: SILENT is about no parameter")
    if parameter is None or check == alarm.SILENT:
        return ShelfKey(spacecraft_id, is_whole=False, parameter="", check=alarm.SILENT)
    if parameter is UNSET:
        return ShelfKey(spacecraft_id, is_whole=True, parameter="", check=check or "")
    return ShelfKey(spacecraft_id, is_whole=False, parameter=parameter, check=check or "")


def _name(key: ShelfKey) -> str:
    """What a shelf covers, in words."""
    return " ".join(part for part in (key.spacecraft_id, key.parameter, key.check) if part)


def _shown(shelf: StoredShelf) -> ShelfResponse:
    key = shelf.key
    parameter = UNSET if key.is_whole else key.parameter or None
    return ShelfResponse(
        key.spacecraft_id, key.check or None, shelf.by, shelf.until, shelf.reason, shelf.hiding, parameter
    )


def _change(caller: Caller, by: str, now: datetime, *, before: StoredShelf | None, after: StoredShelf | None) -> Change:
    """The event that says so."""
    shelf = after or before
    if shelf is None:
        raise AssertionError("something was changed")
    metadata = {
        "action": "alarm.shelve" if after else "alarm.unshelve",
        **audit.who(caller, by),
        **audit.between(before and _shown(before), after and _shown(after)),
    }
    message = f"Alarms of {_name(shelf.key)} {'shelved' if after else 'no longer shelved'}"
    return Change(EventType.INFO, shelf.key.spacecraft_id, now, message, metadata)


class ShelvesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """All of them; a cursor continues the list."""

    cursor: str | None = None


async def shelves(context: Context, request: Request) -> Response:
    """Every shelf in force of the spacecraft that the caller may see, also those that hide nothing now."""
    after, now = pagination.read(request.request.cursor, ShelfKey, request.listing), datetime.now(UTC)

    async def items(connection: Connection) -> AsyncIterator[PageItem]:
        found = alarm_shelves.in_force(connection, request.caller.visible, now, after, pagination.MAX_ITEMS + 1)
        async for shelf in found:
            yield PageItem(_encode(_shown(shelf)), shelf.key)

    async with context.database.transaction() as connection:
        return await pagination.page(request, items(connection), pagination.MAX_ITEMS)


OPERATIONS = (
    Operation(
        "alarms.shelve", "Put alarms aside for a while", Role.OPERATOR, ShelveRequest, ShelfResponse, shelve,
        (Route("POST", "/alarms/shelve"),),
    ),
    Operation(
        "alarms.unshelve", "Put alarms aside no longer", Role.OPERATOR, UnshelveRequest, ShelfResponse, unshelve,
        (Route("POST", "/alarms/unshelve"),),
    ),
    Operation(
        "alarms.shelves", "The shelves in force", Role.READER, ShelvesRequest, list[ShelfResponse], shelves,
        (Route("GET", "/alarms/shelves"),), about_spacecraft=False,
    ),
)  # fmt: skip
