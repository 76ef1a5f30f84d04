"""Figures about alarms that were found in a time: how many, how often, how long."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from missionops.store.database import Connection
from missionops.store.telemetry import Between


class Totals(NamedTuple):
    """All alarms that were found."""

    alarms: int
    low: int
    medium: int
    high: int
    critical: int
    acknowledged: int
    seconds_to_acknowledge: float | None
    """The mean, from when an alarm was found; None where none was acknowledged."""
    standing_long: int
    """Those that were active for more than 24 hours, or are."""
    most: int
    """In any 10 minutes."""
    most_until: datetime | None
    """The end of those 10 minutes."""


_TOTALS = """
WITH found AS (
    SELECT severity, found_at, acknowledged_at, NOT is_retracted AND coalesce("end", $4) - start > interval '24 hours'
           AS is_long,
           count(*) OVER (ORDER BY found_at RANGE BETWEEN interval '10 minutes' PRECEDING AND CURRENT ROW) AS lately
    FROM app.alarm WHERE found_at BETWEEN $2 AND $3 AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1))
)
SELECT count(*), count(*) FILTER (WHERE severity = 1), count(*) FILTER (WHERE severity = 2),
       count(*) FILTER (WHERE severity = 3), count(*) FILTER (WHERE severity = 4), count(acknowledged_at),
       extract(epoch FROM avg(acknowledged_at - found_at))::double precision, count(*) FILTER (WHERE is_long),
       coalesce(max(lately), 0), (array_agg(found_at ORDER BY lately DESC, found_at))[1]
FROM found
"""


async def totals(
    connection: Connection, spacecraft_ids: Collection[str] | None, between: Between, now: datetime
) -> Totals:
    """The figures about all alarms that were found in a time, retracted ones too; None: of all spacecraft."""
    row = await connection.fetchrow(_TOTALS, spacecraft_ids, *between, now)
    if row is None:
        raise AssertionError("an aggregate answers one row")
    return Totals(*row)


class CheckCount(NamedTuple):
    """How often a check of a parameter was not met."""

    spacecraft_id: str
    parameter: str
    """Empty for SILENT."""
    check: str
    alarms: int


_MOST_FREQUENT = """
SELECT spacecraft_id, parameter, "check", count(*) FROM app.alarm
WHERE found_at BETWEEN $2 AND $3 AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1)) AND NOT is_retracted
GROUP BY spacecraft_id, parameter, "check" ORDER BY count(*) DESC, spacecraft_id, parameter, "check"
LIMIT 10
"""


async def most_frequent(
    connection: Connection, spacecraft_ids: Collection[str] | None, between: Between
) -> list[CheckCount]:
    """The ten checks that had the most alarms, those that were retracted left out."""
    rows = await connection.fetch(_MOST_FREQUENT, spacecraft_ids, *between)
    return [CheckCount(*row) for row in rows]


_CHATTERING = """
WITH run AS (
    SELECT spacecraft_id, parameter, "check",
           count(*) OVER (PARTITION BY spacecraft_id, parameter, "check" ORDER BY start
                          RANGE BETWEEN interval '60 seconds' PRECEDING AND CURRENT ROW) AS episodes
    FROM app.alarm
    WHERE found_at BETWEEN $2 AND $3 AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1)) AND NOT is_retracted
)
SELECT spacecraft_id, parameter, "check", max(episodes) FROM run
GROUP BY spacecraft_id, parameter, "check" HAVING max(episodes) >= 3
ORDER BY max(episodes) DESC, spacecraft_id, parameter, "check"
LIMIT $4
"""


async def chattering(
    connection: Connection, spacecraft_ids: Collection[str] | None, between: Between, count: int
) -> list[CheckCount]:
    """The checks with three or more episodes that began within 60 seconds, and the most of them."""
    rows = await connection.fetch(_CHATTERING, spacecraft_ids, *between, count)
    return [CheckCount(*row) for row in rows]
