"""What was received of each spacecraft last, and what its status counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.store import changes, partitions
from missionops.store.database import Connection


class Reception(NamedTuple):
    """What was received of a spacecraft last; times in microseconds since 1970."""

    spacecraft_id: str
    received: int
    timestamp: int
    """Of that snapshot."""
    newest_timestamp: int | None
    """Of all that were received with it and are not ahead of the clock."""


# Times as numbers: asyncpg takes longer to encode a time than the server to update its row. The hint travels with the
# statement: it costs no round trip of its own.
_NOTE = """
WITH noted AS (
    INSERT INTO app.reception AS r (spacecraft_id, last_received_at, last_received_timestamp, last_timestamp)
    SELECT spacecraft_id, timestamptz 'epoch' + received * interval '1 microsecond',
           timestamptz 'epoch' + stamped * interval '1 microsecond',
           timestamptz 'epoch' + newest * interval '1 microsecond'
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS _ (spacecraft_id, received, stamped, newest)
    ON CONFLICT (spacecraft_id) DO UPDATE
    SET last_received_at = EXCLUDED.last_received_at, last_received_timestamp = EXCLUDED.last_received_timestamp,
        last_timestamp = greatest(r.last_timestamp, EXCLUDED.last_timestamp)
)
SELECT pg_notify($5, hint) FROM unnest($6::text[]) AS _ (hint)
"""


async def note(connection: Connection, received: Sequence[Reception]) -> None:
    """Note what a batch has received of its spacecraft, and hint at it. Two batches must not do so at the same time."""
    columns = [list(column) for column in zip(*received, strict=True)]
    hints = changes.written(changes.HintKind.TELEMETRY, (row.spacecraft_id for row in received))
    await connection.execute(_NOTE, *columns, changes.CHANNEL, list(hints))


class StatusFacts(NamedTuple):
    """What a status is made of."""

    is_registered: bool
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
_STATUS = """
WITH near AS (
    SELECT severity, greatest(CASE WHEN "timestamp" <= $2::timestamptz THEN "timestamp" END,
                              CASE WHEN detected_at <= $2::timestamptz THEN detected_at END) AS at
    FROM app.anomaly
    WHERE spacecraft_id = $1 AND "timestamp" > $2::timestamptz - interval '48 hours'
        AND "timestamp" <= $2::timestamptz + interval '24 hours'
    UNION ALL
    SELECT severity, detected_at FROM app.misdated_anomaly
    WHERE spacecraft_id = $1 AND detected_at > $2::timestamptz - interval '24 hours' AND detected_at <= $2::timestamptz
        AND NOT ("timestamp" > $2::timestamptz - interval '48 hours'
                 AND "timestamp" <= $2::timestamptz + interval '24 hours')
),
counted AS (
    SELECT count(*) FILTER (WHERE at > $2::timestamptz - interval '1 hour') AS last_hour,
           count(*) FILTER (WHERE at > $2::timestamptz - interval '6 hours') AS last_six_hours,
           count(*) AS last_day,
           coalesce(max(array_position(ARRAY['MEDIUM', 'HIGH', 'CRITICAL'], severity)), 0) AS highest
    FROM near WHERE at > $2::timestamptz - interval '24 hours'
)
SELECT s.spacecraft_id IS NOT NULL,
       last_received_at IS NULL OR last_received_at <= $2::timestamptz - make_interval(secs => s.silent_after),
       last_received_at, last_received_timestamp, last_timestamp, last_hour, last_six_hours, last_day, highest
FROM counted LEFT JOIN app.spacecraft AS s ON s.spacecraft_id = $1 LEFT JOIN app.reception AS r ON r.spacecraft_id = $1
"""


async def status(connection: Connection, spacecraft_id: str, now: datetime) -> StatusFacts:
    """What the status of a spacecraft is made of at `now`."""
    await connection.execute(partitions.PLAN_EACH)
    row = await connection.fetchrow(_STATUS, spacecraft_id, now)
    if row is None:
        raise AssertionError("an aggregate answers one row")
    return StatusFacts(*row)
