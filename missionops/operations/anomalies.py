"""Anomalies that were found when their snapshots came in."""

from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet

import msgspec

from missionops.domain.access import Role
from missionops.domain.anomaly import Anomaly
from missionops.domain.severity import Severity
from missionops.operations import pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import Limit, Moment
from missionops.store import anomalies, anomaly_search
from missionops.store.anomalies import AnomalyCursor
from missionops.store.anomaly_search import AnomalyFilter, AnomalySearchCursor
from missionops.store.database import Connection


class AnomalyListRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How many, newest first, and which: each filter that is given has to hold."""

    limit: Limit = 20
    cursor: str | None = None
    min_severity: Severity | None = None
    parameter: str | None = None
    start: Moment | None = msgspec.field(name="from", default=None)
    end: Moment | None = msgspec.field(name="to", default=None)


async def list_newest(context: Context, request: Request) -> Response:
    """Stored anomalies of one spacecraft, newest first."""
    return await _list(context, request, {request.spacecraft_id})


async def search(context: Context, request: Request) -> Response:
    """Stored anomalies of all spacecraft that the caller may see, newest first."""
    return await _list(context, request, request.caller.spacecraft)


async def _list(context: Context, request: Request, spacecraft_ids: AbstractSet[str] | None) -> Response:
    wanted: AnomalyListRequest = request.request
    chosen = AnomalyFilter(
        None if spacecraft_ids is None else sorted(spacecraft_ids),
        wanted.min_severity.and_above() if wanted.min_severity else None,
        wanted.parameter,
        request_parsing.between(wanted.start, wanted.end),
    )
    before = pagination.read(wanted.cursor, AnomalySearchCursor, request.listing)

    async def items(connection: Connection) -> AsyncIterator[PageItem]:
        async for row in anomaly_search.newest(connection, chosen, before, wanted.limit + 1):
            yield PageItem(row.body, (row.timestamp, row.id, row.snapshot_id, row.spacecraft_id))

    async with context.database.transaction() as connection:
        return await pagination.page(request, items(connection), wanted.limit)


class TimelineRequest(msgspec.Struct, forbid_unknown_fields=True):
    """All between `from` and `to`, inclusive, oldest first."""

    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")
    cursor: str | None = None


async def timeline(context: Context, request: Request) -> Response:
    """Stored anomalies, oldest first."""
    wanted: TimelineRequest = request.request
    between = request_parsing.between(wanted.start, wanted.end)
    after = pagination.read(wanted.cursor, AnomalyCursor, request.listing)

    async def items(connection: Connection) -> AsyncIterator[PageItem]:
        async for row in anomalies.oldest(connection, request.spacecraft_id, between, after, pagination.MAX_ITEMS + 1):
            yield PageItem(row.body, (row.timestamp, row.id, row.snapshot_id))

    async with context.database.transaction() as connection:
        return await pagination.page(request, items(connection), pagination.MAX_ITEMS)


OPERATIONS = (
    Operation(
        "anomalies.list", "Stored anomalies, newest first", Role.READER, AnomalyListRequest, list[Anomaly], list_newest,
        (Route("GET", "/anomalies"),),
    ),
    Operation(
        "anomalies.search", "Stored anomalies of all spacecraft, newest first", Role.READER, AnomalyListRequest,
        list[Anomaly], search, (Route("GET", "/anomalies/search"),), about_spacecraft=False,
    ),
    Operation(
        "anomalies.timeline", "Stored anomalies of a time, oldest first", Role.READER, TimelineRequest, list[Anomaly],
        timeline, (Route("GET", "/anomalies/timeline"),),
    ),
)  # fmt: skip
