"""Spans of equal texts or booleans of some parameters, read from the snapshots in portions."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.store.database import Connection
from missionops.store.samples import Positions
from missionops.store.telemetry import Cursor


class StateRun(NamedTuple):
    """Samples of one parameter that follow each other and have one value."""

    parameter: int
    """Its index among those that are wanted."""
    first: datetime
    last: datetime
    value: str
    """As JSON."""
    samples: int


class StatePortion(NamedTuple):
    """What was read in one go."""

    runs: list[StateRun]
    """By their first time. More than were wanted, in count or in size, means that some are missing."""
    numbers: list[int]
    """How many numbers each parameter has."""
    after: Cursor | None
    """The last snapshot that was read; None where there are no more in the range."""


class StateSearch(NamedTuple):
    """Which states are wanted, and how much of them at most."""

    spacecraft_id: str
    parameters: Sequence[str]
    end: datetime
    """The last time that is wanted."""
    runs: int
    """At most, and one more that says that there are more."""
    size: int
    """Bytes of all values."""


_PORTION = """
    SELECT "timestamp", id, parameter_set_id, numbers, others FROM app.snapshot
    WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND ("timestamp", id) > ($2, $4)
    ORDER BY "timestamp", id LIMIT $5
"""

# A run begins where the value is another one than before; ordered by time, runs up to here are counted.
_RUNS = f"""
WITH sample AS (
    SELECT wanted.number, "timestamp", id, reported.value::text AS value
    FROM ({_PORTION}) AS portion CROSS JOIN LATERAL json_each(others) AS reported (name, value)
    JOIN unnest($6::text[]) WITH ORDINALITY AS wanted (name, number) USING (name)
    WHERE others IS NOT NULL AND json_typeof(reported.value) IN ('string', 'boolean')
), compared AS (
    SELECT *, value IS DISTINCT FROM lag(value) OVER in_order AS is_new
    FROM sample WINDOW in_order AS (PARTITION BY number ORDER BY "timestamp", id)
), counted AS (
    SELECT *, count(*) FILTER (WHERE is_new) OVER (PARTITION BY number ORDER BY "timestamp", id) AS run FROM compared
), run AS (
    SELECT number, min("timestamp") AS first, max("timestamp") AS last, value, count(*) AS count
    FROM counted GROUP BY number, run, value
)
SELECT number, first, last, value, count
FROM (
    SELECT *, sum(octet_length(value)) OVER (ORDER BY first, number, last) - octet_length(value) AS before FROM run
) AS _
WHERE before <= $7
ORDER BY first, number, last LIMIT $8
"""  # noqa: S608 - made of constants

_NUMBERS = """
WITH portion AS MATERIALIZED (
    SELECT "timestamp", id, {counts}
    FROM ({portion}) AS snapshot
    LEFT JOIN unnest($7::integer[], {arrays}) AS column_of (parameter_set_id, {positions}) USING (parameter_set_id)
)
SELECT count(*), max("timestamp"), (SELECT id FROM portion ORDER BY "timestamp" DESC, id DESC LIMIT 1), {sums}
FROM portion
"""
_OF_ONE = {
    "counts": "(CASE WHEN numbers[p{i}] IS NULL AND others IS NOT NULL "
    "THEN json_typeof(others -> ($6::text[])[{i}]) = 'number' ELSE numbers[p{i}] IS NOT NULL END) AS n{i}",
    "arrays": "${argument}::integer[]",
    "positions": "p{i}",
    "sums": "count(*) FILTER (WHERE n{i})",
}
_FIRST_ARRAY = 8


async def runs(
    connection: Connection, search: StateSearch, where: Positions, after: Cursor, count: int
) -> StatePortion:
    """The runs within the next `count` snapshots after a position; the last of each parameter may go on after them."""
    arguments = search.spacecraft_id, after[0], search.end, after[1], count, list(search.parameters)
    found = await connection.fetch(_RUNS, *arguments, search.size, search.runs + 1)
    columns = {
        name: ", ".join(text.format(i=i + 1, argument=_FIRST_ARRAY + i) for i in range(len(search.parameters)))
        for name, text in _OF_ONE.items()
    }
    row = await connection.fetchrow(
        _NUMBERS.format(portion=_PORTION, **columns), *arguments, where.sets, *where.positions
    )
    if row is None:
        raise AssertionError("an aggregate answers one row")
    read, last, last_id, *numbers = row
    return StatePortion(
        [StateRun(number - 1, *rest) for number, *rest in found], numbers, (last, last_id) if read == count else None
    )
