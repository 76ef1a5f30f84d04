"""Alarms that stand, which are those neither closed nor retracted: counted, and one line for each check."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from missionops.domain import timestamp
from missionops.domain.alarm import Alarm, State
from missionops.store import alarms, rows
from missionops.store.database import Connection


class AlarmCounts(NamedTuple):
    """How many alarms of a spacecraft stand. Those on a shelf are counted in `shelved` alone."""

    low: int = 0
    """Active ones, by severity."""
    medium: int = 0
    high: int = 0
    critical: int = 0
    unacknowledged_low: int = 0
    """Those that wait for an operator, also after they have returned, by severity."""
    unacknowledged_medium: int = 0
    unacknowledged_high: int = 0
    unacknowledged_critical: int = 0
    shelved: int = 0

    @property
    def active(self) -> tuple[int, int, int, int]:
        """Active ones, from LOW to CRITICAL."""
        return self.low, self.medium, self.high, self.critical

    @property
    def unacknowledged(self) -> tuple[int, int, int, int]:
        """Those that wait for an operator, from LOW to CRITICAL."""
        return (
            self.unacknowledged_low,
            self.unacknowledged_medium,
            self.unacknowledged_high,
            self.unacknowledged_critical,
        )

    @property
    def highest(self) -> int:
        """0 where no active one is worse than LOW, 1 for MEDIUM, 2 for HIGH, 3 for CRITICAL."""
        return 3 if self.critical else 2 if self.high else 1 if self.medium else 0


# Which alarms are on a shelf is found out from the shelves, of which there are few, and not for each alarm.
_COUNTS = """
WITH shelved AS (
    SELECT DISTINCT id FROM app.alarm_shelf AS s JOIN app.alarm AS a USING (spacecraft_id)
    WHERE until > $2 AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1)) AND state NOT IN ('CLOSED', 'RETRACTED')
        AND (is_whole OR s.parameter = a.parameter) AND s."check" IN ('', a."check")
), standing AS (
    SELECT spacecraft_id, severity, state, shelved.id IS NOT NULL AS is_shelved
    FROM app.alarm LEFT JOIN shelved USING (id)
    WHERE state NOT IN ('CLOSED', 'RETRACTED') AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1))
)
SELECT spacecraft_id,
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'RETURNED_UNACKNOWLEDGED' AND severity = 1),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'RETURNED_UNACKNOWLEDGED' AND severity = 2),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'RETURNED_UNACKNOWLEDGED' AND severity = 3),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'RETURNED_UNACKNOWLEDGED' AND severity = 4),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'ACTIVE_ACKNOWLEDGED' AND severity = 1),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'ACTIVE_ACKNOWLEDGED' AND severity = 2),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'ACTIVE_ACKNOWLEDGED' AND severity = 3),
       count(*) FILTER (WHERE NOT is_shelved AND state <> 'ACTIVE_ACKNOWLEDGED' AND severity = 4),
       count(*) FILTER (WHERE is_shelved)
FROM standing GROUP BY spacecraft_id
"""


async def counts(
    connection: Connection, spacecraft_ids: Collection[str] | None, now: datetime
) -> dict[str, AlarmCounts]:
    """How many alarms stand, by spacecraft, of those that have any; None: of all spacecraft."""
    return {row[0]: AlarmCounts(*row[1:]) for row in await connection.fetch(_COUNTS, spacecraft_ids, now)}


def total(counts: Collection[AlarmCounts]) -> AlarmCounts:
    """The counts of several spacecraft together."""
    return AlarmCounts(*map(sum, zip(*counts, strict=True))) if counts else AlarmCounts()


class StandingFilter(NamedTuple):
    """Which lines are wanted."""

    spacecraft_ids: Collection[str] | None
    """Of these spacecraft; None: of all."""
    level: int
    """At least this severity, from 1."""
    subsystem: str | None
    text: str | None
    """What the spacecraft, the parameter, the description or the subsystem contains, in upper or lower case."""
    check: str | None = None
    states: Collection[State] | None = None
    has_waiting_first: bool = False
    """Those that wait for an operator come first."""


class StandingCursor(NamedTuple):
    """A position in the order of whether it comes first (where that is asked for), severity, start, then id."""

    is_first: bool
    severity: int
    start: datetime
    id: str


_BEFORE_ALL = StandingCursor(is_first=True, severity=5, start=timestamp.LATEST + timedelta(microseconds=1), id="")


class StandingAlarm(NamedTuple):
    """The newest alarm of a check, and how many older ones wait."""

    alarm: Alarm
    earlier: int
    total: int
    """How many such lines there are, on all pages together."""


# The wide columns are read of one page alone: there may be 100,000 lines.
_NEWEST = f"""
WITH newest AS (
    SELECT DISTINCT ON (spacecraft_id, parameter, "check")
           id, spacecraft_id, parameter, "check", subsystem, severity, state, start,
           count(*) OVER (PARTITION BY spacecraft_id, parameter, "check") - 1 AS earlier
    FROM app.alarm AS a
    WHERE state NOT IN ('CLOSED', 'RETRACTED') AND ($1::text[] IS NULL OR spacecraft_id = ANY ($1))
        AND NOT EXISTS (SELECT FROM app.alarm_shelf AS s
                        WHERE s.spacecraft_id = a.spacecraft_id AND (s.is_whole OR s.parameter = a.parameter)
                            AND s."check" IN ('', a."check") AND s.until > $2)
    ORDER BY spacecraft_id, parameter, "check", start DESC, id DESC
), wanted AS MATERIALIZED (
    SELECT id, severity, start, earlier, $8 AND state <> 'ACTIVE_ACKNOWLEDGED' AS is_first FROM newest
    WHERE severity >= $3 AND ($4::text IS NULL OR subsystem = $4)
        AND ($5::text IS NULL OR position(lower($5) IN lower(concat_ws(' ', spacecraft_id, parameter, subsystem, (
            SELECT cause ->> 'description' FROM app.alarm AS described WHERE described.id = newest.id)))) > 0)
        AND ($6::text IS NULL OR "check" = $6) AND ($7::text[] IS NULL OR state = ANY ($7))
), page AS (
    SELECT id, earlier, is_first FROM wanted WHERE (is_first, severity, start, id) < ($9, $10, $11, $12)
    ORDER BY is_first DESC, severity DESC, start DESC, id DESC
    LIMIT $13
)
SELECT {alarms.COLUMNS}, earlier, (SELECT count(*) FROM wanted) AS total FROM page JOIN app.alarm USING (id)
ORDER BY is_first DESC, severity DESC, start DESC, id DESC
"""  # noqa: S608 - of our own columns


async def newest(
    connection: Connection, wanted: StandingFilter, before: StandingCursor | None, count: int, now: datetime
) -> AsyncIterator[StandingAlarm]:
    """The newest alarm of each check that has any and is on no shelf: first, where that is asked for, those that wait.

    Then the worst first, then the newest.
    """
    spacecraft_ids, *others, has_waiting_first = wanted
    arguments = (spacecraft_ids, now, *others, has_waiting_first)
    portion: list[StandingAlarm] = []
    async for row in rows.rows(connection, _NEWEST, *arguments, *(before or _BEFORE_ALL), count):
        portion.append(StandingAlarm(alarms.read(row), row["earlier"], row["total"]))
        if len(portion) == alarms.LOOKED_UP_AT_ONCE:
            await alarms.note_shelved_and_masked(connection, [one.alarm for one in portion], now)
            for one in portion:
                yield one
            portion = []
    await alarms.note_shelved_and_masked(connection, [one.alarm for one in portion], now)
    for one in portion:
        yield one
