"""What operators do with alarms: acknowledge them, and write to them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from missionops.domain.access import Caller, Role
from missionops.domain.alarm import Alarm, AlarmRecord, State, Told
from missionops.domain.event import EventType
from missionops.errors import Conflict, NotFound, Unavailable
from missionops.operations import audit, request_parsing
from missionops.operations.alarms import AlarmId, is_visible
from missionops.operations.audit import Change
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.request_parsing import By, refused
from missionops.store import alarm_search, alarms
from missionops.store.database import Connection

_encode = msgspec.json.Encoder().encode

_MOST_OLDER = 2_000
"""Older alarms that one request acknowledges beside those that it names: more would not be done in its time."""
_NAMED = 1_000
"""Alarms that the event of an acknowledgement names; the history of each alarm says it, too."""
_LARGEST = 200_000
"""Bytes that are kept free in a response: an alarm with all the comments that it shows has fewer."""
_FIRST = (-(1 << 63), "")
_LONGEST_MESSAGE = 4096
_TOO_MUCH = f"{_MOST_OLDER:,} older alarms of these checks were acknowledged first: acknowledge it again."
_NO_ROOM = "The response has no room for it: name it in a further request."

AlarmComment = Annotated[str, Meta(min_length=1, max_length=4096)]


class AcknowledgeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which alarms; `revisions`: by id the revision that was seen, another one is refused."""

    ids: Annotated[list[AlarmId], Meta(min_length=1, max_length=1000)]
    revisions: dict[str, int] = {}
    comment: AlarmComment | None = None
    by: By | None = None


class RefusedAlarm(msgspec.Struct):
    """An alarm that was not acknowledged, and why."""

    id: str
    code: str
    """`not_found`, `conflict`; or `unavailable`: the same request may work again."""
    message: str


class AcknowledgeResponse(msgspec.Struct):
    """The alarms that are acknowledged, as they are now, and those that are not."""

    alarms: list[AlarmRecord]
    refused: list[RefusedAlarm]


async def acknowledge(context: Context, request: Request) -> Response:
    """Take note of alarms, each by itself: one that is refused costs no other.

    Those of the same check that are older and have returned are acknowledged with them. Alarms for which the response
    has no room, or the request no time, are refused as `unavailable`: name them in a further request.
    """
    wanted: AcknowledgeRequest = request.request
    identifiers = list(dict.fromkeys(wanted.ids))
    for name in sorted(wanted.revisions.keys() - set(identifiers)):
        raise refused(f"revisions.{name}", "is no alarm in ids")
    by, now = request_parsing.by(request.caller, wanted.by), datetime.now(UTC)
    acknowledged, refusals, is_cut = list[msgspec.Raw](), list[RefusedAlarm](), False
    room = request.max_bytes - _LARGEST
    told: list[Told] = []
    async with context.database.transaction() as connection:
        spacecraft = await alarm_search.spacecraft_of(connection, identifiers)
        visible = {one for one in identifiers if one in spacecraft and is_visible(request, spacecraft[one])}
        older = await alarm_search.waiting_before(connection, visible, _MOST_OLDER + 1)
        is_too_much, older = len(older) > _MOST_OLDER, older[:_MOST_OLDER]
        # All at once: those who lock alarms one after the other may wait for each other.
        locked = await alarms.lock(connection, [*visible, *older])
        await alarms.note_shelved_and_masked(connection, locked.values(), now)
        newest: dict[tuple[str, str, str], tuple[int, str]] = {}
        for name in identifiers:
            refusal = _refusal(name, locked.get(name) if name in visible else None, wanted.revisions.get(name))
            if refusal is None and room < 0 and acknowledged:
                refusal, is_cut = RefusedAlarm(name, Unavailable.code, _NO_ROOM), True
            if refusal is None:
                newest[_check(locked[name])] = max(newest.get(_check(locked[name]), _FIRST), _place(locked[name]))
                refusal = RefusedAlarm(name, Unavailable.code, _TOO_MUCH) if is_too_much else None
            if refusal is None:
                if locked[name].acknowledged is None:
                    told += locked[name].acknowledge(by, now, wanted.comment)
                acknowledged.append(msgspec.Raw(_encode(locked[name].record())))
                room -= len(acknowledged[-1]) + 1
            else:
                refusals.append(refusal)
                room -= len(_encode(refusal)) + 1
        for one in (locked[name] for name in older):
            is_older = _check(one) in newest and _place(one) < newest[_check(one)]
            if is_older and one.state is State.RETURNED_UNACKNOWLEDGED:
                told += one.acknowledge(by, now, wanted.comment)
        changed = {one.alarm_id: locked[one.alarm_id] for one in told}
        await alarms.change(connection, changed.values())
        await alarms.tell(connection, told)
        await _record_acknowledgement(connection, request.caller, changed.values())
    as_json = cast("list[AlarmRecord]", acknowledged)
    return Response(_encode(AcknowledgeResponse(as_json, refusals)), is_cut=is_cut)


def _refusal(name: str, alarm: Alarm | None, revision: int | None) -> RefusedAlarm | None:
    """Why an alarm cannot be acknowledged; None where it can be, or is already."""
    if alarm is None:
        return RefusedAlarm(name, NotFound.code, f"There is no alarm {name}.")
    if alarm.acknowledged:
        return None
    if alarm.state is State.RETRACTED:
        why = (
            f"it goes on as {alarm.merged_into}" if alarm.merged_into else "later telemetry has shown that it was none"
        )
        return RefusedAlarm(name, Conflict.code, f"It was retracted: {why}.")
    if alarm.state is State.CLOSED:
        return RefusedAlarm(name, Conflict.code, "It is closed, and waits for nobody.")
    if revision is not None and revision != alarm.revision:
        message = f"It has changed since: its revision is {alarm.revision}, not {revision}. Look at it again."
        return RefusedAlarm(name, Conflict.code, message)
    return None


def _check(alarm: Alarm) -> tuple[str, str, str]:
    return alarm.spacecraft_id, alarm.parameter, alarm.check


def _place(alarm: Alarm) -> tuple[int, str]:
    """Where it stands among the alarms of its check."""
    return alarm.episode.start, alarm.id


async def _record_acknowledgement(connection: Connection, caller: Caller, changed: Iterable[Alarm]) -> None:
    """One event for each spacecraft."""
    of_spacecraft = defaultdict[str, list[Alarm]](list)
    for one in changed:
        of_spacecraft[one.spacecraft_id].append(one)
    for spacecraft_id, found in of_spacecraft.items():
        acknowledgement = found[0].acknowledged
        if acknowledgement is None:
            raise AssertionError("it was acknowledged a moment ago")
        named = [{"id": one.id, "parameter": one.parameter or None, "check": one.check} for one in found[:_NAMED]]
        metadata = {
            "action": "alarm.acknowledge",
            **audit.who(caller, acknowledgement.by),
            "count": len(found),
            "alarms": named,
            **audit.between({"acknowledged": None}, {"acknowledged": acknowledgement}),
        }
        message = f"{len(found):,} alarms acknowledged"
        if len(found) == 1:
            message = _message("Alarm acknowledged", found[0])
        await audit.record(connection, Change(EventType.INFO, spacecraft_id, acknowledgement.at, message, metadata))


class CommentRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to write to an alarm."""

    id: AlarmId
    comment: AlarmComment
    by: By | None = None


async def comment(context: Context, request: Request) -> Response:
    """Write to an alarm, whatever its state."""
    wanted: CommentRequest = request.request
    by, now = request_parsing.by(request.caller, wanted.by), datetime.now(UTC)
    async with context.database.transaction() as connection:
        alarm = (await alarms.lock(connection, [wanted.id])).get(wanted.id)
        if alarm is None or not is_visible(request, alarm.spacecraft_id):
            raise NotFound(f"There is no alarm {wanted.id}.")
        await alarms.note_shelved_and_masked(connection, [alarm], now)
        told = alarm.add_comment(by, now, wanted.comment)
        await alarms.change(connection, [alarm])
        await alarms.tell(connection, [told])
        metadata = {
            "action": "alarm.comment",
            **audit.who(request.caller, by),
            "alarm": alarm.id,
            "parameter": alarm.parameter or None,
            "check": alarm.check,
            **audit.between(None, wanted.comment),
        }
        message = _message("Alarm commented", alarm)
        await audit.record(connection, Change(EventType.INFO, alarm.spacecraft_id, now, message, metadata))
    return Response(_encode(alarm.record()))


def _message(what: str, alarm: Alarm) -> str:
    return f"{what}: {alarm.cause.description}"[:_LONGEST_MESSAGE]


OPERATIONS = (
    Operation(
        "alarms.acknowledge", "Acknowledge alarms", Role.OPERATOR, AcknowledgeRequest, AcknowledgeResponse, acknowledge,
        (Route("POST", "/alarms/acknowledge", names_spacecraft=False),),
    ),
    Operation(
        "alarms.comment", "Write a comment to an alarm", Role.OPERATOR, CommentRequest, AlarmRecord, comment,
        (Route("POST", "/alarms/{id}/comments", names_spacecraft=False),),
    ),
)  # fmt: skip
