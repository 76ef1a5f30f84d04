"""Previews: what a config would have found in stored telemetry, beside what was found. Nothing is changed by them."""

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from missionops.domain import config_document as documents
from missionops.domain import timestamp
from missionops.domain.access import Role
from missionops.domain.episodes.episode import beginning_of
from missionops.errors import Detail, InvalidRequest
from missionops.operations import config_check, config_document, preview_cursor, preview_response, request_parsing
from missionops.operations.config_document import ValidConfig
from missionops.operations.configs import ConfigDocument
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.preview_cursor import PreviewCursor
from missionops.operations.preview_reading import AT_ONCE, MOST_AT_ONCE, PreviewReading, plan
from missionops.operations.preview_response import PreviewResponse
from missionops.operations.range_reading import ReadingPace
from missionops.operations.request_parsing import Moment, refused
from missionops.store import configs

_MOST_WARNINGS = 1_000
_encode = msgspec.json.Encoder().encode


class PreviewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A config document, and the range of stored telemetry, both ends inclusive, that it is tried on."""

    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")
    config: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})] = msgspec.field(
        default_factory=lambda: msgspec.Raw(b"")
    )
    """Required; over HTTP it is the body."""
    cursor: str | None = None
    faults: bool = False
    """Whether a config that would be refused is answered with its faults, as a page asks while somebody writes it."""


async def preview(context: Context, request: Request) -> Response:
    """What a config would have found in stored telemetry, beside what the configs found that judged it."""
    wanted: PreviewRequest = request.request
    if not bytes(wanted.config).strip():
        raise refused("config", "is required")
    between = request_parsing.between(wanted.start, wanted.end)
    try:
        config = await config_document.read(bytes(wanted.config), request.spacecraft_id)
    except InvalidRequest as error:
        if not wanted.faults:
            raise
        return Response(_encode(preview_response.refused(*between, error.details)))
    key = hashlib.blake2b(_encode((request.spacecraft_id, *between)) + config.body).digest()
    cursor = preview_cursor.read(wanted.cursor, key) if wanted.cursor is not None else None
    warnings: Sequence[Detail] = ()
    if cursor is None:
        async with context.database.transaction() as connection:
            in_force = await configs.get(connection, request.spacecraft_id)
        warnings = await _warnings(context, request.spacecraft_id, config, in_force.document if in_force else b"{}")
        version = in_force.version if in_force else 0
        cursor = PreviewCursor(version, 0, AT_ONCE, beginning_of(timestamp.to_microseconds(between[0])))
    planned = await plan(context, request.spacecraft_id, config.rules, between, cursor.version)
    async with context.readings:
        reading, pace = PreviewReading(context, planned, cursor), ReadingPace(request.deadline)
        await reading.read(pace.count)
        pace.note()
        while not reading.is_done and not pace.is_over:
            await reading.read(pace.count)
            pace.note()
    return _page(reading, cursor.count, key, warnings, request.max_bytes)


async def _warnings(context: Context, spacecraft_id: str, config: ValidConfig, in_force: bytes) -> list[Detail]:
    """What in the config checks nothing, and what of it a preview cannot show."""
    found = await config_check.warnings(context.database, context.parameter_names, spacecraft_id, config)
    if documents.clock(config.document) != documents.clock(msgspec.json.decode(in_force)):
        text = "is not tried: telemetry stands at the times that it was given when it came"
        found.append(Detail("clock", text))
    if "silentAfter" in config.document:
        found.append(Detail("silentAfter", "is not tried: it is about times at which nothing came"))
    return found[:_MOST_WARNINGS]


def _page(reading: PreviewReading, size: int, key: bytes, warnings: Sequence[Detail], max_bytes: int) -> Response:
    """The group, or so many of its first parameters that both the response and the cursor are not too large."""
    count, total = len(reading.parameters), len(reading.plan.names)
    following: PreviewCursor | None
    while True:
        is_whole = reading.is_done and reading.first + count >= total
        share = (reading.first + count * reading.share) / total if total else 1.0
        body = _encode(preview_response.response(reading, count, share, warnings, is_complete=is_whole))
        if is_whole:
            following = None
        elif reading.is_done:
            has_room = count == size and 3 * len(body) < max_bytes
            following = reading.cursor_after(count, min(2 * count, MOST_AT_ONCE) if has_room else count)
        else:
            following = reading.cursor(count)
        cursor = preview_cursor.written(following, key) if following else None
        is_small = len(body) <= max_bytes and len(cursor or "") <= preview_cursor.MOST_BYTES
        if is_small or count <= 1:
            return Response(body, cursor)
        count //= 2


OPERATIONS = (
    Operation(
        "config.preview", "What a config would have found in stored telemetry", Role.READER, PreviewRequest,
        PreviewResponse, preview, (Route("POST", "/spacecraft/{spacecraftId}/config/preview"),),
        document=ConfigDocument, body_field="config",
    ),
)  # fmt: skip
