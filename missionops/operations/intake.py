"""Telemetry that comes as a request: checked, published to the stream, and confirmed when it is stored."""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from missionops.domain import spacecraft
from missionops.domain.access import Role
from missionops.domain.parameter_name import MAX_NAME, MAX_PARAMETERS
from missionops.domain.snapshot import Snapshot, SnapshotKey
from missionops.errors import Detail, InvalidRequest, TooLarge, Unavailable
from missionops.operations import request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.request_parsing import Moment, refused
from missionops.store import snapshot_rows
from missionops.wire import array_items, decoder, no_value
from missionops.wire.fault import Fault
from missionops.wire.strict_decoder import MAX_ID
from missionops.wire.text import utf8

_RESERVED = 0.5
"""Seconds before the deadline of a request at which a snapshot that is not stored yet is answered with 202."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
_CHECKED_AT_ONCE = 64

_encode = msgspec.json.Encoder().encode

_Id = Annotated[str, Meta(pattern=f"^{spacecraft.ID_PATTERN}$")]
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Parameters = Annotated[dict[_Name, bool | int | float | str | None], Meta(max_length=MAX_PARAMETERS)]


class ReportedSnapshot(msgspec.Struct, rename="camel"):
    """A snapshot in a batch."""

    timestamp: Moment
    parameters: _Parameters
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID)] | UnsetType = UNSET
    spacecraft_id: _Id | UnsetType = UNSET


class NewSnapshot(msgspec.Struct, rename="camel"):
    """What one spacecraft reports at one time."""

    spacecraft_id: _Id
    timestamp: Moment
    parameters: _Parameters
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID)] | UnsetType = UNSET


class NewSnapshots(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Snapshots; `spacecraftId` stands for those that do not have their own."""

    snapshots: Annotated[list[ReportedSnapshot], Meta(max_length=decoder.MAX_ITEMS)]
    spacecraft_id: _Id | UnsetType = UNSET


class Accepted(msgspec.Struct):
    """The id of the snapshot: its own, or the one made from its content."""

    id: str


class AcceptedCount(msgspec.Struct):
    """How many snapshots there were."""

    count: int


class _Addressed(msgspec.Struct, rename="camel"):
    """The `spacecraftId` of a snapshot; `decoder` reads the rest, as for telemetry over NATS."""

    spacecraft_id: Any = UNSET


class _Batch(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    snapshots: Annotated[list[msgspec.Raw], Meta(max_length=decoder.MAX_ITEMS)]
    spacecraft_id: str | None = None


class _Checked(NamedTuple):
    """The key of a snapshot without faults, and its bytes as they came."""

    key: SnapshotKey
    body: bytes


async def take(context: Context, request: Request) -> Response:
    """Take in one snapshot."""
    deadline = request.deadline - _RESERVED
    body = no_value.as_null(utf8(request.request))
    spacecraft_id = request_parsing.from_body(body, _Addressed).spacecraft_id
    if spacecraft_id is UNSET:
        raise refused("spacecraftId", "is required")
    spacecraft_id = _id(spacecraft_id)
    if not request.caller.reaches(spacecraft_id):
        raise request_parsing.out_of_reach(request.caller, spacecraft_id)
    found = _check(spacecraft_id, body)
    if isinstance(found, Fault):
        detail = _detail(found)
        error_class = TooLarge if found.code == "too_large" else InvalidRequest
        raise error_class(f"{detail.path or 'body'} {detail.message}", (detail,))
    if len(body) > context.stream.max_payload:
        raise TooLarge(f"The snapshot has {len(body)} bytes; the stream takes {context.stream.max_payload}.")
    is_stored = await _store(context, [_Checked(found.identity, body)], deadline)
    return Response(_encode(Accepted(found.id)), is_pending=not is_stored)


async def take_batch(context: Context, request: Request) -> Response:
    """Take in many snapshots, or none if one of them is bad."""
    deadline = request.deadline - _RESERVED
    batch = request_parsing.from_body(no_value.as_null(request.request), _Batch)
    default = None if batch.spacecraft_id is None else _id(batch.spacecraft_id)
    checked: list[_Checked] = []
    faults: list[Detail] = []
    for index, item in enumerate(batch.snapshots):
        found = _check_item(default, bytes(item), context.stream.max_payload)
        if isinstance(found, Detail):
            faults.append(found._replace(path=f"snapshots.{index}.{found.path}".removesuffix(".")))
        else:
            checked.append(found)
        if index % _CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)  # so that other tasks run in between
    if faults:
        count = f"{len(faults)} of {len(batch.snapshots)} snapshots"
        raise InvalidRequest(f"{count}: {faults[0].path} {faults[0].message}", tuple(faults))
    for spacecraft_id in sorted({snapshot.key[0] for snapshot in checked}):
        if not request.caller.reaches(spacecraft_id):
            raise request_parsing.out_of_reach(request.caller, spacecraft_id)
    is_stored = await _store(context, checked, deadline)
    return Response(_encode(AcceptedCount(len(checked))), is_pending=not is_stored)


def _id(given: object) -> str:
    if not isinstance(given, str):
        raise refused("spacecraftId", "must be a string")
    return request_parsing.spacecraft_id(given)


def _check_item(default: str | None, body: bytes, max_bytes: int) -> _Checked | Detail:
    """An item of a batch, or its fault with its path within the item."""
    try:
        own = request_parsing.from_body(body, _Addressed).spacecraft_id
    except InvalidRequest as error:
        return error.details[0]._replace(path="")
    spacecraft_id = default if own is UNSET else own
    if spacecraft_id is None:
        return Detail("spacecraftId", "is required, here or for the whole batch")
    if not isinstance(spacecraft_id, str) or not spacecraft.is_id(spacecraft_id):
        return Detail("spacecraftId", f"must be {spacecraft.ID_RULE}")
    found = _check(spacecraft_id, body)
    if isinstance(found, Fault):
        return _detail(found)
    if len(body) > max_bytes:
        return Detail("", f"has {len(body)} bytes; the stream takes {max_bytes}")
    return _Checked(found.identity, body)


def _check(spacecraft_id: str, body: bytes) -> Snapshot | Fault:
    """The one snapshot in a body, decoded as telemetry over NATS is, or its fault."""
    if array_items.is_json_array(body):
        return Fault("invalid", "body: must be one object with timestamp and parameters", None, body)
    (found,) = decoder.decode(spacecraft_id, body)
    return found


def _detail(fault: Fault) -> Detail:
    path, _, message = fault.reason.partition(": ")
    return Detail("" if path == "body" else path, message)


async def _store(context: Context, checked: Sequence[_Checked], deadline: float) -> bool:
    """Publish snapshots; whether they were stored in time. Unavailable if the stream did not acknowledge all."""
    if not checked:
        return True
    try:
        async with asyncio.timeout_at(deadline):
            sequence = await context.stream.publish(list(_messages(checked, context.stream.max_payload)))
    except TimeoutError:
        raise Unavailable("The stream does not acknowledge telemetry in time; send it again later.") from None
    storing = asyncio.ensure_future(_until_stored(context, sequence, {snapshot.key for snapshot in checked}))
    try:
        await asyncio.wait({storing}, timeout=deadline - asyncio.get_running_loop().time())
    finally:  # nobody waits for its end: a query that is cancelled while it waits for a lock ends some time later
        storing.cancel()
        storing.add_done_callback(lambda task: task.cancelled() or task.exception())
    if not storing.done():
        return False
    storing.result()
    return True


def _messages(checked: Sequence[_Checked], max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Messages for the stream: of each spacecraft arrays in the order given, as long as a message may be."""
    arrays: dict[str, list[list[bytes]]] = {}
    sizes: dict[str, int] = {}
    for (spacecraft_id, *_), body in checked:
        own = arrays.setdefault(spacecraft_id, [])
        size = sizes.get(spacecraft_id, 0) + len(body) + 1
        if not own or size + 2 > max_bytes:
            own.append([])
            size = len(body) + 1
        own[-1].append(body)
        sizes[spacecraft_id] = size
    for spacecraft_id, own in arrays.items():
        for array in own:
            yield spacecraft_id, array[0] if len(array) == 1 else b"[%b]" % b",".join(array)


async def _until_stored(context: Context, sequence: int, keys: Collection[SnapshotKey]) -> None:
    """Wait until the database has the snapshots; it is asked only when they may have been stored."""
    status, pause = context.ingest_status, _FIRST_PAUSE
    while True:
        if status.role != "owner" or status.sequence >= sequence:
            with contextlib.suppress(Unavailable):  # the stream has them, and the database may come back in time
                async with context.database.transaction() as connection:
                    if len(await snapshot_rows.stored(connection, keys)) == len(keys):
                        return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await status.until_moved()
        pause = min(2 * pause, _LONGEST_PAUSE)


OPERATIONS = (
    Operation(
        "telemetry.take", "Take in a snapshot", Role.OPERATOR, None, Accepted, take,
        (Route("POST", "/telemetry", 201, 202),), about_spacecraft=False, document=NewSnapshot,
    ),
    Operation(
        "telemetry.takeBatch", "Take in many snapshots, or none if one is bad", Role.OPERATOR, None, AcceptedCount,
        take_batch, (Route("POST", "/telemetry/batch", 201, 202, 8 << 20),), about_spacecraft=False,
        document=NewSnapshots,
    ),
)  # fmt: skip
"""Over HTTP alone: over NATS telemetry goes into the stream."""
