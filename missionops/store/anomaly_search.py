"""Stored anomalies of one spacecraft or of many, filtered, newest first."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from missionops.domain import timestamp
from missionops.domain.severity import Severity
from missionops.store import partitions, rows
from missionops.store.database import Connection
from missionops.store.telemetry import Between


class AnomalyFilter(NamedTuple):
    """Which anomalies are wanted."""

    spacecraft_ids: Collection[str] | None
    """Of these spacecraft; None: of all."""
    severities: Collection[Severity] | None
    parameter: str | None
    between: Between


class AnomalySearchCursor(NamedTuple):
    """A position in the order of time, then id; the other fields separate the few that share both."""

    timestamp: datetime
    id: str
    snapshot_id: str
    spacecraft_id: str


class FoundAnomaly(NamedTuple):
    """A stored anomaly as a list shows it, and its position."""

    timestamp: datetime
    id: str
    snapshot_id: str
    spacecraft_id: str
    body: bytes


_PAST = AnomalySearchCursor(timestamp.LATEST + timedelta(microseconds=1), "", "", "")

# An index gives the order of time: the primary key for one spacecraft, anomaly_by_time for several. Only anomalies of
# one time are sorted by their id, which is no column. The `{period}` in a query is a constant comparison, so that its
# plan leaves out the partitions of other times (partitions.py).
_NEWEST_OF_ONE = """
SELECT "timestamp", label, snapshot_id, spacecraft_id, body
FROM app.anomaly CROSS JOIN LATERAL (SELECT (snapshot_id || ':' || parameter || ':' || kind) COLLATE "C") AS _ (label)
WHERE spacecraft_id = $1 AND "timestamp" {period} AND "timestamp" BETWEEN $2 AND $3 AND "timestamp" <= $4
    AND ("timestamp", label, snapshot_id, spacecraft_id) < ($4, $5, $6, $7)
    AND ($8::text[] IS NULL OR severity = ANY ($8)) AND ($9::text IS NULL OR parameter = $9)
ORDER BY "timestamp" DESC, label DESC, snapshot_id DESC, spacecraft_id DESC
LIMIT $10
"""

_NEWEST_OF_SEVERAL = """
SELECT "timestamp", label, snapshot_id, spacecraft_id, body
FROM app.anomaly CROSS JOIN LATERAL (SELECT (snapshot_id || ':' || parameter || ':' || kind) COLLATE "C") AS _ (label)
WHERE ($1::text[] IS NULL OR spacecraft_id = ANY ($1))
    AND "timestamp" {period} AND "timestamp" BETWEEN $2 AND $3 AND "timestamp" <= $4
    AND ("timestamp", label, snapshot_id, spacecraft_id) < ($4, $5, $6, $7)
    AND ($8::text[] IS NULL OR severity = ANY ($8)) AND ($9::text IS NULL OR parameter = $9)
ORDER BY "timestamp" DESC, label DESC, snapshot_id DESC, spacecraft_id DESC
LIMIT $10
"""


async def newest(
    connection: Connection, wanted: AnomalyFilter, before: AnomalySearchCursor | None, count: int
) -> AsyncIterator[FoundAnomaly]:
    """Anomalies before a cursor, newest first."""
    cursor, since, (first, last) = before or _PAST, partitions.recent_since(), wanted.between
    query, spacecraft = _NEWEST_OF_SEVERAL, wanted.spacecraft_ids
    if wanted.spacecraft_ids is not None and len(wanted.spacecraft_ids) == 1:
        query, (spacecraft,) = _NEWEST_OF_ONE, wanted.spacecraft_ids
    arguments = spacecraft, first, last, *cursor, wanted.severities, wanted.parameter
    if min(cursor.timestamp, last) >= since:
        async for row in rows.rows(connection, query.format(period=f">= '{since}'"), *arguments, count):
            count -= 1
            yield FoundAnomaly(*row)
    if count > 0 and first < since:
        await connection.execute(partitions.PLAN_ONCE)
        async for row in rows.rows(connection, query.format(period=f"< '{since}'"), *arguments, count):
            yield FoundAnomaly(*row)
