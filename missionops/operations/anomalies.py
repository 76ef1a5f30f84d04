"""Anomalies that were found when their snapshots came in."""

from collections.abc import AsyncIterator

import msgspec

from missionops.domain.access import Role
from missionops.domain.anomaly import Anomaly
from missionops.operations import pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import Limit, Moment
from missionops.store import anomalies
from missionops.store.anomalies import AnomalyCursor, ListedAnomaly


class AnomalyListRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How many, newest first."""

    limit: Limit = 20
    cursor: str | None = None


async def list_newest(context: Context, asked: Request) -> Response:
    """Stored anomalies, newest first."""
    request: AnomalyListRequest = asked.request
    before = pagination.read(request.cursor, AnomalyCursor)
    async with context.database.transaction() as connection:
        rows = anomalies.newest(connection, asked.spacecraft_id, before, request.limit + 1)
        return await pagination.page(_items(rows), request.limit, asked.max_bytes)


class TimelineRequest(msgspec.Struct, forbid_unknown_fields=True):
    """All between `from` and `to`, inclusive, oldest first."""

    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")
    cursor: str | None = None


async def timeline(context: Context, asked: Request) -> Response:
    """Stored anomalies, oldest first."""
    request: TimelineRequest = asked.request
    between = request_parsing.between(request.start, request.end)
    after = pagination.read(request.cursor, AnomalyCursor)
    async with context.database.transaction() as connection:
        rows = anomalies.oldest(connection, asked.spacecraft_id, between, after, pagination.MAX_ITEMS + 1)
        return await pagination.page(_items(rows), pagination.MAX_ITEMS, asked.max_bytes)


async def _items(rows: AsyncIterator[ListedAnomaly]) -> AsyncIterator[PageItem]:
    async for row in rows:
        yield PageItem(row.body, (row.timestamp, row.id, row.snapshot_id))


OPERATIONS = (
    Operation(
        "anomalies.list", "Stored anomalies, newest first", Role.READER, AnomalyListRequest, list[Anomaly], list_newest,
        (Route("GET", "/anomalies"),),
    ),
    Operation(
        "anomalies.timeline", "Stored anomalies of a time, oldest first", Role.READER, TimelineRequest, list[Anomaly],
        timeline, (Route("GET", "/anomalies/timeline"),),
    ),
)  # fmt: skip
