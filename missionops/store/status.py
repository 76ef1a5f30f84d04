"""What the status of a spacecraft is made of, for one of them or for all at once."""

from datetime import datetime
from typing import NamedTuple

from missionops.store import partitions
from missionops.store.database import Connection


class StatusFacts(NamedTuple):
    """A registration, and what its status is made of."""

    spacecraft_id: str
    is_registered: bool
    name: str | None
    mission_type: str | None
    version: int
    """Of its config in force; 0 where it has none."""
    is_silent: bool
    """Nothing was received for 24 hours, or for the time that the config says."""
    last_received_at: datetime | None
    last_received_timestamp: datetime | None
    last_timestamp: datetime | None
    """The newest timestamp that was not ahead of the clock when it was received."""
    last_hour: int
    last_six_hours: int
    last_day: int
    highest: int
    """0 where nothing is worse than LOW, 1 for MEDIUM, 2 for HIGH, 3 for CRITICAL."""


# An anomaly counts by the later of its two times that are not in the future. Those whose two times are a day or more
# apart are listed by reception: if any other was detected in the last day, its timestamp lies within a day of that.
_FACTS = """
WITH wanted AS (
    SELECT spacecraft_id FROM app.spacecraft WHERE $2::text IS NULL
    UNION ALL SELECT $2 WHERE $2 IS NOT NULL
),
near AS (
    SELECT spacecraft_id, severity, greatest(CASE WHEN "timestamp" <= $1::timestamptz THEN "timestamp" END,
                                             CASE WHEN detected_at <= $1::timestamptz THEN detected_at END) AS at
    FROM app.anomaly
    WHERE ($2 IS NULL OR spacecraft_id = $2)
        AND "timestamp" > $1::timestamptz - interval '48 hours' AND "timestamp" <= $1::timestamptz + interval '24 hours'
    UNION ALL
    SELECT spacecraft_id, severity, detected_at FROM app.misdated_anomaly
    WHERE ($2 IS NULL OR spacecraft_id = $2)
        AND detected_at > $1::timestamptz - interval '24 hours' AND detected_at <= $1::timestamptz
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
SELECT spacecraft_id, s.spacecraft_id IS NOT NULL, name, mission_type, coalesce(config_version, 0),
       last_received_at IS NULL OR last_received_at <= $1::timestamptz - make_interval(secs => silent_after),
       last_received_at, last_received_timestamp, last_timestamp,
       coalesce(last_hour, 0), coalesce(last_six_hours, 0), coalesce(last_day, 0), coalesce(highest, 0)
FROM wanted LEFT JOIN app.spacecraft AS s USING (spacecraft_id) LEFT JOIN counted USING (spacecraft_id)
LEFT JOIN app.reception USING (spacecraft_id)
"""


async def of_one(connection: Connection, spacecraft_id: str, now: datetime) -> StatusFacts:
    """The facts of one spacecraft at `now`, registered or not."""
    await connection.execute(partitions.PLAN_EACH)
    [row] = await connection.fetch(_FACTS, now, spacecraft_id)
    return StatusFacts(*row)


async def of_all(connection: Connection, now: datetime) -> list[StatusFacts]:
    """The facts of every registered spacecraft at `now`, in no order."""
    await connection.execute(partitions.PLAN_EACH)
    return [StatusFacts(*row) for row in await connection.fetch(_FACTS, now, None)]
