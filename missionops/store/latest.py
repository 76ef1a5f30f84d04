"""The newest snapshots of a spacecraft, read backwards in search of parameters."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from missionops.store import partitions
from missionops.store.database import Connection
from missionops.store.telemetry import Between, Cursor


class FoundSnapshot(NamedTuple):
    """One snapshot as it is stored."""

    timestamp: datetime
    id: str
    received_at: datetime
    version: int
    """Of the config that judged it; 0: none did."""
    parameter_set_id: int | None
    numbers: Sequence[float | None] | None
    others: bytes | None


_BACKWARDS = """
SELECT "timestamp", id, received_at, config_version, parameter_set_id, numbers, others
FROM (
    SELECT *, row_number() OVER () AS place
    FROM (
        SELECT "timestamp", id, received_at, config_version, parameter_set_id, numbers, others FROM app.snapshot
        WHERE spacecraft_id = $1 AND "timestamp" {period} AND "timestamp" BETWEEN $2 AND $3
            AND ("timestamp", id) < ($3, $4)
        ORDER BY "timestamp" DESC, id DESC LIMIT $5
    ) AS newest
) AS numbered
WHERE place = $5 OR parameter_set_id IS NULL OR parameter_set_id = ANY ($6)
ORDER BY place LIMIT $7
"""
AFTER_ANY_ID = "\U0010ffff" * 129


class Search(NamedTuple):
    """Which snapshots are searched, and how many."""

    spacecraft_id: str
    between: Between
    sets: Collection[int]
    """The parameter sets that are looked for; those without one always are."""
    most_scanned: int
    """Snapshots that are looked at in one go."""
    most_found: int
    """Snapshots that are returned."""


async def backwards(connection: Connection, search: Search, before: Cursor) -> list[FoundSnapshot]:
    """The next snapshots before a position, newest first; none if there are no more.

    The search continues from the last of them, which is returned even if it has nothing that was looked for.
    """
    since = partitions.recent_since()
    first, last = search.between
    arguments = (
        search.spacecraft_id, first, min(last, before[0]), before[1] if before[0] <= last else AFTER_ANY_ID,
        search.most_scanned, list(search.sets), search.most_found,
    )  # fmt: skip
    rows: list[Any] = []
    if arguments[2] >= since:
        rows = await connection.fetch(_BACKWARDS.format(period=f">= '{since}'"), *arguments)
    if not rows and first < since:
        await connection.execute(partitions.PLAN_ONCE)
        rows = await connection.fetch(_BACKWARDS.format(period=f"< '{since}'"), *arguments)
    return [FoundSnapshot(*row) for row in rows]


_COUNT = """
SELECT count(*) FROM (
    SELECT FROM app.snapshot WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 LIMIT $4
) AS _
"""


async def count(connection: Connection, spacecraft_id: str, between: Between, at_most: int) -> int:
    """How many snapshots there are between two times, both inclusive; `at_most` stands for more."""
    return int(await connection.fetchval(_COUNT, spacecraft_id, *between, at_most))


_SETS = """
SELECT id FROM app.spacecraft_parameter_set JOIN app.parameter_set ON id = parameter_set_id
WHERE spacecraft_id = $1 AND names && $2
"""


async def sets_with(connection: Connection, spacecraft_id: str, names: Collection[str]) -> list[int]:
    """The spacecraft's parameter sets that hold any of these names."""
    return [row[0] for row in await connection.fetch(_SETS, spacecraft_id, list(names))]


# As in _BACKWARDS; but a snapshot counts only if it has the parameter.
_OF_ONE = """
SELECT "timestamp", id, received_at, config_version, NULL, NULL,
       json_build_object($5::text, coalesce(to_json(number), other))
FROM (
    SELECT portion.*, numbers[position] AS number,
           CASE WHEN others IS NOT NULL AND numbers[position] IS NULL THEN others -> $5::text END AS other
    FROM (
        SELECT "timestamp", id, received_at, config_version, parameter_set_id, numbers, others FROM app.snapshot
        WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3
        ORDER BY "timestamp" DESC, id DESC LIMIT $4
    ) AS portion
    LEFT JOIN (
        SELECT id AS parameter_set_id, array_position(names, $5::text) AS position
        FROM app.spacecraft_parameter_set AS of_spacecraft JOIN app.parameter_set ON id = of_spacecraft.parameter_set_id
        WHERE of_spacecraft.spacecraft_id = $1 AND names @> ARRAY[$5::text]
    ) AS column_of USING (parameter_set_id)
    OFFSET 0
) AS reported
WHERE number IS NOT NULL OR json_typeof(other) <> 'null'
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""


async def of_parameter(connection: Connection, search: Search, parameter: str) -> list[FoundSnapshot]:
    """The newest snapshots that have a value of one parameter, which alone is in `others`."""
    await connection.execute(partitions.PLAN_ONCE)
    arguments = search.spacecraft_id, *search.between, search.most_scanned, parameter, search.most_found
    return [FoundSnapshot(*row) for row in await connection.fetch(_OF_ONE, *arguments)]


_LAST_ROLL_UP = """
SELECT start FROM {table} LEFT JOIN (
    SELECT id AS parameter_set_id, array_position(names, $4::text) AS position
    FROM app.spacecraft_parameter_set AS of_spacecraft JOIN app.parameter_set ON id = of_spacecraft.parameter_set_id
    WHERE of_spacecraft.spacecraft_id = $1 AND names @> ARRAY[$4::text]
) AS column_of USING (parameter_set_id)
WHERE spacecraft_id = $1 AND start >= $2 AND start <= $3
    AND (minima[position] IS NOT NULL OR CASE WHEN others IS NOT NULL THEN others -> $4::text IS NOT NULL END)
ORDER BY start DESC LIMIT 1
"""
_LENGTHS = {
    "app.roll_up_day": timedelta(days=1),
    "app.roll_up_hour": timedelta(hours=1),
    "app.roll_up_minute": timedelta(minutes=1),
}


async def last_rolled_up(
    connection: Connection, spacecraft_id: str, parameter: str, between: Between
) -> datetime | None:
    """The end of the last minute that has a value of a parameter, or else hour, or day; None if no roll-up says so."""
    start, end = between
    found = None
    for table, length in _LENGTHS.items():
        begun = await connection.fetchval(_LAST_ROLL_UP.format(table=table), spacecraft_id, start, end, parameter)
        if begun is None:
            break
        start, end = begun, min(begun + length - timedelta(microseconds=1), end)
        found = end
    return found


# Each snapshot is looked up once, however many of its parameters are wanted; these are told apart afterwards: thousands
# that are looked up one by one, or joined here, take seconds.
_ANOMALIES = """
SELECT "timestamp", snapshot_id, parameter, severity, body -> 'limit'
FROM (SELECT DISTINCT * FROM unnest($2::timestamptz[], $3::text[]) AS _ (time, id)) AS wanted
CROSS JOIN LATERAL (
    SELECT * FROM app.anomaly AS stored
    WHERE stored.spacecraft_id = $1 AND stored."timestamp" = wanted.time AND stored.snapshot_id = wanted.id
        AND stored."timestamp" BETWEEN $4 AND $5
    OFFSET 0
) AS found
"""


async def anomalies(
    connection: Connection, spacecraft_id: str, wanted: Sequence[tuple[datetime, str, str]]
) -> dict[int, tuple[str, bytes]]:
    """Severity and limit of the stored anomaly of each (timestamp, snapshot id, parameter) that has one, by index."""
    if not wanted:
        return {}
    times, ids, _ = map(list, zip(*wanted, strict=True))
    rows = await connection.fetch(_ANOMALIES, spacecraft_id, times, ids, min(times), max(times))
    found = {tuple(key): (severity, limit) for *key, severity, limit in rows}
    return {index: found[key] for index, key in enumerate(wanted) if key in found}


# One that stands, the worst; of equal ones that which began last.
_ALARMS = """
SELECT DISTINCT ON (parameter) parameter, id FROM app.alarm
WHERE spacecraft_id = $1 AND parameter = ANY ($2) AND "end" IS NULL AND NOT is_retracted
ORDER BY parameter, severity DESC, start DESC, id
"""
_ALARMS_AT = """
SELECT DISTINCT ON (parameter) parameter, id FROM app.alarm
WHERE spacecraft_id = $1 AND parameter = ANY ($2) AND start <= $3 AND ("end" IS NULL OR "end" > $3) AND NOT is_retracted
ORDER BY parameter, severity DESC, start DESC, id
"""


async def alarms(
    connection: Connection, spacecraft_id: str, parameters: Collection[str], at: datetime | None
) -> dict[str, str]:
    """The id of the active alarm of each of these parameters that has one, now or at a time."""
    if at is None:
        rows = await connection.fetch(_ALARMS, spacecraft_id, list(parameters))
    else:
        rows = await connection.fetch(_ALARMS_AT, spacecraft_id, list(parameters), at)
    return {row[0]: row[1] for row in rows}


class SettingsInForce(NamedTuple):
    """What the config in force says of all parameters."""

    version: int
    """0 where there is no config."""
    clock_ahead: float
    """Seconds by which a timestamp may be after its reception."""
    clock_from: str | None
    """Before this time no timestamp is right."""


_IN_FORCE = """
SELECT config_version, clock_ahead, document #>> '{clock,from}'
FROM app.spacecraft LEFT JOIN app.config USING (spacecraft_id)
WHERE spacecraft_id = $1 AND (version = config_version OR config_version = 0)
"""


async def in_force(connection: Connection, spacecraft_id: str) -> SettingsInForce | None:
    """What is in force now; None for a spacecraft that is not registered."""
    row = await connection.fetchrow(_IN_FORCE, spacecraft_id)
    return SettingsInForce(*row) if row else None
