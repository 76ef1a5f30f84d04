"""Telemetry: what was reported, and what is wrong with it under the config of today."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from missionops.domain import anomaly, timestamp
from missionops.domain.access import Role
from missionops.domain.anomaly import Anomaly
from missionops.domain.limits import Rules
from missionops.domain.parameter_set import Value
from missionops.domain.snapshot import Snapshot as Judged
from missionops.domain.timestamp import Timestamp
from missionops.operations import pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.pagination import PageItem, TimeCursor
from missionops.operations.request_parsing import Limit, Moment, refused
from missionops.store import telemetry
from missionops.store.telemetry import StoredSnapshot

_SCANNED = 20_000
"""Snapshots that one request judges; a range with more is continued by the cursor, though nothing may have come."""

_encode = msgspec.json.Encoder().encode


_VALUES = {"type": "object", "additionalProperties": {"type": ["number", "string", "boolean", "null"]}}


class SnapshotResponse(msgspec.Struct, rename="camel"):
    """What one spacecraft reported at one time."""

    id: str
    spacecraft_id: str
    timestamp: Timestamp
    parameters: Annotated[dict[str, Value], Meta(extra_json_schema=_VALUES)]
    received_at: Timestamp
    config_version: int | None
    """The version of the config that judged it; null if there was none."""


class SnapshotListRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which snapshots, newest first; `from` and `to` are inclusive."""

    limit: Limit = 20
    start: Moment | None = msgspec.field(default=None, name="from")
    end: Moment | None = msgspec.field(default=None, name="to")
    cursor: str | None = None


async def list_newest(context: Context, request: Request) -> Response:
    """Snapshots, newest first."""
    wanted: SnapshotListRequest = request.request
    between = request_parsing.between(wanted.start, wanted.end)
    before = pagination.read(wanted.cursor, TimeCursor, request.listing)
    async with context.database.transaction() as connection:
        rows = telemetry.newest(
            connection, request.spacecraft_id, between, before, wanted.limit + 1, names=context.parameter_names
        )
        items = (
            PageItem(
                _encode(
                    SnapshotResponse(
                        row.id,
                        request.spacecraft_id,
                        row.timestamp,
                        row.parameters,
                        row.received_at,
                        row.config_version,
                    )
                ),
                (row.timestamp, row.id),
            )
            async for row in rows
        )
        return await pagination.page(request, items, wanted.limit)


class AnalyzeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The newest `limit` snapshots, or all between `from` and `to`, inclusive, oldest first."""

    limit: Limit = 20
    start: Moment | None = msgspec.field(default=None, name="from")
    end: Moment | None = msgspec.field(default=None, name="to")
    cursor: str | None = None


class _AnalysisCursor(NamedTuple):
    """How far an analysis came: a snapshot, its last parameter that was listed, and how many snapshots came before."""

    timestamp: datetime
    id: str
    parameter: str
    snapshots: int


async def analyze(context: Context, request: Request) -> Response:
    """Anomalies under the config of today."""
    wanted: AnalyzeRequest = request.request
    if (wanted.start is None) != (wanted.end is None):
        raise refused("to" if wanted.end is None else "from", "is required: give from and to, or neither")
    between = request_parsing.between(wanted.start, wanted.end)  # refused even where there is nothing to judge
    reached = pagination.read(wanted.cursor, _AnalysisCursor, request.listing)
    config = await context.limits.current(context.database, request.spacecraft_id)
    if config is None:
        return Response(b"[]")
    cursor = reached and (reached.timestamp, reached.id)
    analysis = _Analysis(request.spacecraft_id, config.rules, config.version, reached)
    async with context.database.transaction() as connection:
        if wanted.start is None:
            left = wanted.limit - (reached.snapshots if reached else 0)
            rows = telemetry.newest_from(
                connection, request.spacecraft_id, cursor, max(left, 0), names=context.parameter_names
            )
        else:  # one more than are judged at once
            rows = telemetry.oldest_from(
                connection, request.spacecraft_id, between, cursor, _SCANNED + 1, names=context.parameter_names
            )
        response = await pagination.page(request, analysis.items(rows), pagination.MAX_ITEMS)
    if response.cursor is None and analysis.unseen:
        return response._replace(cursor=pagination.written(analysis.unseen, request.listing))
    return response


class _Analysis:
    """One pass over snapshots in order, that can be taken up where another ended."""

    def __init__(self, spacecraft_id: str, rules: Rules, version: int, reached: _AnalysisCursor | None) -> None:
        self._spacecraft_id = spacecraft_id
        self._rules = rules
        self._version = version
        self._reached = reached
        self.unseen: _AnalysisCursor | None = None
        """The first snapshot that this pass left for the next."""

    async def items(self, rows: AsyncIterator[StoredSnapshot]) -> AsyncIterator[PageItem]:
        """The anomalies of `rows`; those of the first that an earlier page holds are left out."""
        before = self._reached.snapshots if self._reached else 0
        reached = self._reached
        scanned = 0
        async for row in rows:
            if scanned == _SCANNED:
                self.unseen = _AnalysisCursor(row.timestamp, row.id, "", before)
                return
            skipped = (
                reached.parameter if reached and (reached.timestamp, reached.id) == (row.timestamp, row.id) else ""
            )
            time, received = map(timestamp.to_microseconds, (row.timestamp, row.received_at))
            snapshot = Judged((self._spacecraft_id, time, row.id), row.parameters)
            for found in anomaly.judge(snapshot, self._rules, self._version, received):
                if found.parameter > skipped:
                    yield PageItem(_encode(found), _AnalysisCursor(row.timestamp, row.id, found.parameter, before))
            scanned += 1
            before += 1


OPERATIONS = (
    Operation(
        "telemetry.list", "Snapshots, newest first", Role.READER, SnapshotListRequest, list[SnapshotResponse],
        list_newest, (Route("GET", "/telemetry"),),
    ),
    Operation(
        "telemetry.analyze", "Anomalies under the config of today", Role.READER, AnalyzeRequest, list[Anomaly], analyze,
        (Route("GET", "/telemetry/analyze"),),
    ),
)  # fmt: skip
