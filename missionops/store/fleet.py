"""The newest snapshots of many spacecraft at once."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.store import partitions, rows
from missionops.store.database import Connection


class NewestSnapshot(NamedTuple):
    """A spacecraft's config in force and its newest snapshot; None where none was stored in the last day."""

    spacecraft_id: str
    version: int
    document: bytes
    parameters: bytes | None
    received_at: datetime | None


_NEWEST = """
SELECT s.spacecraft_id, version, document, parameters, received_at
FROM unnest($1::text[]) AS wanted (spacecraft_id) JOIN app.spacecraft AS s USING (spacecraft_id)
JOIN app.config AS c ON c.spacecraft_id = s.spacecraft_id AND version = config_version
LEFT JOIN LATERAL (
    SELECT parameters, received_at FROM app.telemetry AS t
    WHERE t.spacecraft_id = s.spacecraft_id
        AND "timestamp" BETWEEN $2::timestamptz - interval '24 hours' AND $2::timestamptz + interval '24 hours'
    ORDER BY "timestamp" DESC, id DESC LIMIT 1
) AS newest ON true
"""


async def newest_snapshots(
    connection: Connection, spacecraft_ids: Sequence[str], now: datetime
) -> AsyncIterator[NewestSnapshot]:
    """The newest snapshot around `now` of each of these spacecraft that has a config."""
    await connection.execute(partitions.PLAN_EACH)
    async for row in rows.rows(connection, _NEWEST, spacecraft_ids, now):
        yield NewestSnapshot(*row)
