"""What the status of each spacecraft is made of, for all of them at once."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.store import partitions, rows
from missionops.store.database import Connection


class FleetRow(NamedTuple):
    """One registered spacecraft, and what its status is made of; see `reception.StatusFacts`."""

    spacecraft_id: str
    name: str | None
    mission_type: str | None
    version: int
    """Of its config in force; 0 where it has none."""
    is_silent: bool
    last_received_at: datetime | None
    last_received_timestamp: datetime | None
    last_timestamp: datetime | None
    last_hour: int
    last_six_hours: int
    last_day: int
    highest: int


# Anomalies are counted as for the status of one spacecraft, see `reception`.
_ALL = """
WITH near AS (
    SELECT spacecraft_id, severity, greatest(CASE WHEN "timestamp" <= $1::timestamptz THEN "timestamp" END,
                                             CASE WHEN detected_at <= $1::timestamptz THEN detected_at END) AS at
    FROM app.anomaly
    WHERE "timestamp" > $1::timestamptz - interval '48 hours' AND "timestamp" <= $1::timestamptz + interval '24 hours'
    UNION ALL
    SELECT spacecraft_id, severity, detected_at FROM app.misdated_anomaly
    WHERE detected_at > $1::timestamptz - interval '24 hours' AND detected_at <= $1::timestamptz
        AND NOT ("timestamp" > $1::timestamptz - interval '48 hours'
                 AND "timestamp" <= $1::timestamptz + interval '24 hours')
),
counted AS (
    SELECT spacecraft_id,
           count(*) FILTER (WHERE at > $1::timestamptz - interval '1 hour') AS last_hour,
           count(*) FILTER (WHERE at > $1::timestamptz - interval '6 hours') AS last_six_hours,
           count(*) AS last_day,
           coalesce(max(array_position(ARRAY['MEDIUM', 'HIGH', 'CRITICAL'], severity)), 0) AS highest
    FROM near WHERE at > $1::timestamptz - interval '24 hours' GROUP BY spacecraft_id
)
SELECT s.spacecraft_id, name, mission_type, config_version,
       last_received_at IS NULL OR last_received_at <= $1::timestamptz - make_interval(secs => silent_after),
       last_received_at, last_received_timestamp, last_timestamp,
       coalesce(last_hour, 0), coalesce(last_six_hours, 0), coalesce(last_day, 0), coalesce(highest, 0)
FROM app.spacecraft AS s LEFT JOIN counted USING (spacecraft_id) LEFT JOIN app.reception USING (spacecraft_id)
"""


async def every(connection: Connection, now: datetime) -> list[FleetRow]:
    """What the status of every registered spacecraft is made of at `now`, in no order."""
    await connection.execute(partitions.PLAN_EACH)
    return [FleetRow(*row) for row in await connection.fetch(_ALL, now)]


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
