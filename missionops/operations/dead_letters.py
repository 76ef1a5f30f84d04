"""Dead letters: listed, shown, and published again as telemetry."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from missionops.domain.access import Caller, Role
from missionops.domain.dead_letter import UNKNOWN, DeadLetter, DeadLetterSummary
from missionops.domain.event import Event, EventType
from missionops.domain.severity import Severity
from missionops.errors import MissionopsError, NotFound, Unavailable
from missionops.operations import events, pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import Limit

_encode = msgspec.json.Encoder().encode

_START_TIME = 2.0
"""Seconds after which a request starts no further replay; its response comes within 5 s."""
_ONE_TIME = 2.0
"""Seconds that one replay may take."""
_NO_TIME = "no time was left for it in this request; replay it again"

_Sequence = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class SequenceCursor(NamedTuple):
    """A position in a list: the sequence of its last letter."""

    sequence: int


class DeadLetterListRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How many, newest first; of one spacecraft, or of all that the caller may see."""

    limit: Limit = 20
    cursor: str | None = None
    spacecraft_id: (
        Annotated[str, Meta(description=f"{UNKNOWN}: those whose telemetry named no spacecraft in its subject.")] | None
    ) = None


async def list_newest(context: Context, request: Request) -> Response:
    """Dead letters, newest first. A token that is limited to some spacecraft sees those of these spacecraft only."""
    wanted: DeadLetterListRequest = request.request
    before = pagination.read(wanted.cursor, SequenceCursor, request.listing)
    visible = request.caller.spacecraft
    if wanted.spacecraft_id is not None:
        if wanted.spacecraft_id != UNKNOWN:
            request_parsing.spacecraft_id(wanted.spacecraft_id)
        if not request.caller.reaches(wanted.spacecraft_id):
            raise request_parsing.out_of_reach(request.caller, wanted.spacecraft_id)
        visible = {wanted.spacecraft_id}
    found = await context.dead_letters.newest(visible, before.sequence if before else None, wanted.limit + 1)

    async def items() -> AsyncIterator[PageItem]:
        for letter in found:
            yield PageItem(_encode(letter), (letter.sequence,))

    return await pagination.page(request, items(), wanted.limit)


class DeadLetterRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Its sequence in the stream DEADLETTERS."""

    sequence: _Sequence


class WholeDeadLetter(DeadLetterSummary, frozen=True, rename="camel"):
    """A dead letter with its headers and its body."""

    headers: dict[str, str]
    """The headers that the telemetry came with, and those that begin with `Missionops-`."""
    body: str | None
    """The body as text; null where it is not UTF-8."""
    body_base64: str | None
    """The body where it is not UTF-8, else null."""
    is_cut: bool
    """Whether the response has room for the beginning of the body only; HTTP has room for all of it."""


async def get(context: Context, request: Request) -> Response:
    """One dead letter with its headers and its body."""
    letter = await _get(context, request.caller, request.request.sequence)
    whole = _encode(_whole(letter, len(letter.body)))
    size = len(letter.body)
    while len(whole) > request.max_bytes and size:
        size //= 2
        whole = _encode(_whole(letter, size))
    return Response(whole, is_cut=size < len(letter.body))


def _whole(letter: DeadLetter, size: int) -> WholeDeadLetter:
    is_cut = size < len(letter.body)
    summary = msgspec.structs.asdict(letter.summary())
    try:
        letter.body.decode()
    except UnicodeDecodeError:
        encoded = base64.b64encode(letter.body[:size]).decode()
        return WholeDeadLetter(**summary, headers=letter.own_headers, body=None, body_base64=encoded, is_cut=is_cut)
    text = letter.body[:size].decode(errors="ignore")
    return WholeDeadLetter(**summary, headers=letter.own_headers, body=text, body_base64=None, is_cut=is_cut)


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The letters to replay, each by its sequence."""

    sequences: Annotated[list[_Sequence], Meta(min_length=1, max_length=1000)]


class RefusedReplay(msgspec.Struct):
    """A letter that was not replayed, and why."""

    sequence: int
    reason: str
    retry: bool
    """Whether the same request may succeed later."""


class ReplayResult(msgspec.Struct):
    """The letters that are telemetry again and no longer in DEADLETTERS, and those that stay there."""

    replayed: list[int]
    refused: list[RefusedReplay]


async def replay(context: Context, request: Request) -> Response:
    """Publish dead letters again as telemetry, in the order given.

    A letter is deleted once TELEMETRY has acknowledged it and an event about it is recorded. Letters for which the
    request has no time left are refused with `retry`: replay them again.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + _START_TIME
    result = ReplayResult([], [])
    for sequence in dict.fromkeys(request.request.sequences):
        if now() > deadline:
            result.refused.append(RefusedReplay(sequence, _NO_TIME, retry=True))
            continue
        try:
            async with asyncio.timeout(_ONE_TIME):
                letter = await _get(context, request.caller, sequence)
                if reason := letter.reason_against_replay():
                    result.refused.append(RefusedReplay(sequence, reason, retry=False))
                    continue
                await _replay(context, request.caller, letter)
        except (MissionopsError, TimeoutError) as error:
            reason = str(error) or "it took too long"
            is_temporary = isinstance(error, Unavailable | TimeoutError)
            result.refused.append(RefusedReplay(sequence, reason.rstrip("."), retry=is_temporary))
        else:
            result.replayed.append(sequence)
    return Response(_encode(result))


async def _get(context: Context, caller: Caller, sequence: int) -> DeadLetter:
    letter = await context.dead_letters.get(sequence)
    # A caller who may not see it gets the same response as if it did not exist.
    if letter is None or not caller.reaches(letter.spacecraft_id):
        raise NotFound(f"There is no dead letter {sequence}.")
    return letter


async def _replay(context: Context, caller: Caller, letter: DeadLetter) -> None:
    """Publish one letter and record an event in one transaction, then delete the letter.

    The event's id comes from the letter. So a second replay of the same letter waits for the first, finds the event,
    and only deletes. If the process ends before the commit, the letter and no event remain, and the next replay
    publishes it again: the database stores a snapshot that it has already only once.
    """
    summary = letter.summary()
    before = {
        "subject": letter.subject,
        "time": letter.time,
        "errorCode": summary.code,
        "error": summary.error,
        "bytes": len(letter.body),
        "sha256": hashlib.sha256(letter.body).hexdigest(),
    }
    metadata = {
        "action": "deadLetter.replay",
        "by": caller.name,
        "letter": letter.sequence,
        "before": before,
        "after": {"subject": f"telemetry.{letter.spacecraft_id}", "messageId": letter.replay_id},
    }
    event = Event(
        f"ev_{hashlib.blake2b(letter.replay_id.encode(), digest_size=16).hexdigest()}",
        letter.spacecraft_id,
        datetime.now(UTC),
        EventType.INFO,
        Severity.LOW,
        f"Dead letter {letter.sequence} replayed",
        msgspec.Raw(_encode(metadata)),
    )
    async with context.database.transaction() as connection:
        if await events.add_and_publish(connection, event, recorded_by=None):
            await context.dead_letters.publish(letter)
    await context.dead_letters.delete(letter.sequence)


OPERATIONS = (
    Operation(
        "deadletters.list", "Dead letters, newest first", Role.READER, DeadLetterListRequest, list[DeadLetterSummary],
        list_newest, (Route("GET", "/dead-letters"),), about_spacecraft=False,
    ),
    Operation(
        "deadletters.get", "A dead letter with its body", Role.ADMIN, DeadLetterRequest, WholeDeadLetter, get,
        (Route("GET", "/dead-letters/{sequence}"),), about_spacecraft=False,
    ),
    Operation(
        "deadletters.replay", "Publish dead letters again as telemetry", Role.ADMIN, ReplayRequest, ReplayResult,
        replay, (Route("POST", "/dead-letters/replay"),), about_spacecraft=False,
    ),
)  # fmt: skip
