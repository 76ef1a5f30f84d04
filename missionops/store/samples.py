"""The samples of some parameters, read from the snapshots in portions: as buckets, and one by one.

Samples are in the order of the timestamp, then the snapshot's id. Numbers are those in `numbers`, and those in `others`
that no double holds or whose names are in no parameter set; texts and booleans are in `others`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.number import LARGEST_EXACT
from missionops.domain.series import Bucket, VersionSpan
from missionops.store.database import Connection
from missionops.store.telemetry import Cursor


class Wanted(NamedTuple):
    """Which samples are wanted, and the length of the buckets."""

    spacecraft_id: str
    parameters: Sequence[str]
    end: datetime
    """The last time that is wanted."""
    step: int
    """Microseconds; buckets lie on its multiples since 1970."""


class Portion(NamedTuple):
    """What was read in one go."""

    buckets: list[dict[int, Bucket]]
    """For each parameter, by the bucket's number since 1970."""
    after: Cursor | None
    """The last snapshot that was read; None where there are no more in the range."""


class Positions(NamedTuple):
    """In which column of `numbers` the parameters are, by parameter set."""

    sets: list[int]
    positions: list[list[int | None]]
    """For each parameter, one for each of the sets; None where the set does not have it."""


_COLUMNS = """
SELECT id, ARRAY(SELECT array_position(names, name) FROM unnest($2::text[]) WITH ORDINALITY AS _ (name, number)
                 ORDER BY number)
FROM app.spacecraft_parameter_set JOIN app.parameter_set ON id = parameter_set_id
WHERE spacecraft_id = $1 AND names && $2
"""


async def columns(connection: Connection, spacecraft_id: str, parameters: Sequence[str]) -> Positions:
    """Where the numbers of these parameters are kept. A set never changes; a new one may come at any time."""
    found = await connection.fetch(_COLUMNS, spacecraft_id, list(parameters))
    return Positions(
        [row[0] for row in found], [[row[1][number] for row in found] for number in range(len(parameters))]
    )


# The snapshots of a portion with, for each parameter, its number `v` and its value in `others`, `o`. The subquery with
# the LIMIT reads the primary key in order and stops; OFFSET 0 has each column computed once.
_SAMPLES = """
WITH sample AS MATERIALIZED (
    SELECT bucket, "timestamp", id, config_version, {values}
    FROM (
        SELECT date_bin($6, "timestamp", timestamptz 'epoch') AS bucket, "timestamp", id, config_version, {columns}
        FROM (
            SELECT "timestamp", id, config_version, parameter_set_id, numbers, others FROM app.snapshot
            WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND ("timestamp", id) > ($2, $4)
            ORDER BY "timestamp", id LIMIT $5
        ) AS portion
        LEFT JOIN unnest($8::integer[], {arrays}) AS column_of (parameter_set_id, {positions}) USING (parameter_set_id)
        OFFSET 0
    ) AS reported
)
"""
_OF_ONE = {
    "values": "coalesce(n{i}, CASE WHEN json_typeof(o{i}) = 'number' THEN (o{i} #>> '{{}}')::float8 END) AS v{i}, o{i}",
    "columns": "numbers[p{i}] AS n{i}, "
    "CASE WHEN others IS NOT NULL AND numbers[p{i}] IS NULL THEN others -> ($7::text[])[{i}] END AS o{i}",
    "arrays": "${argument}::integer[]",
    "positions": "p{i}",
}
_FIRST_ARRAY = 9

_BUCKETS = """
, bucket AS MATERIALIZED (
    SELECT bucket, min(config_version) AS first_version, max(config_version) AS last_version, {sums}
    FROM sample GROUP BY bucket
)
SELECT bucket.*, extreme.*, (SELECT count(*) FROM sample), last."timestamp", last.id
FROM bucket JOIN (
    SELECT bucket, {extremes} FROM sample JOIN bucket USING (bucket) GROUP BY bucket
) AS extreme USING (bucket)
CROSS JOIN (SELECT "timestamp", id FROM sample ORDER BY "timestamp" DESC, id DESC LIMIT 1) AS last
ORDER BY bucket.bucket
"""
_SUMS = """count(v{i}), min("timestamp") FILTER (WHERE v{i} IS NOT NULL), min(v{i}) AS min{i}, max(v{i}) AS max{i},
    max("timestamp") FILTER (WHERE v{i} IS NOT NULL) AS last{i},
    count(*) FILTER (WHERE json_typeof(o{i}) IN ('string', 'boolean'))"""
_EXTREMES = """min("timestamp") FILTER (WHERE v{i} = min{i}), min("timestamp") FILTER (WHERE v{i} = max{i}),
    (array_agg(v{i} ORDER BY id DESC) FILTER (WHERE "timestamp" = last{i} AND v{i} IS NOT NULL))[1]"""
_BEFORE_SUMS, _SUMS_EACH, _EXTREMES_EACH = 3, 6, 3

# The numbers of one parameter that a double rounds to an extreme or to the last of a bucket: for each when it came
# first, when last, and in which snapshot that was.
_EXACT = """
SELECT bucket, v{one}, o{one} #>> '{{}}', min("timestamp"), max("timestamp"),
    (array_agg(id ORDER BY "timestamp" DESC, id DESC))[1]
FROM sample WHERE (bucket, v{one}) IN (SELECT * FROM unnest({starts}::timestamptz[], {doubles}::float8[]))
GROUP BY 1, 2, 3
"""

_VERSIONS = """
SELECT bucket, config_version, {spans} FROM sample
GROUP BY bucket, config_version HAVING bucket = ANY ({starts}) ORDER BY bucket, config_version
"""
_SPANS = """min("timestamp") FILTER (WHERE v{i} IS NOT NULL), max("timestamp") FILTER (WHERE v{i} IS NOT NULL)"""

_VIOLATIONS = """
SELECT date_bin($6, "timestamp", timestamptz 'epoch'), parameter, severity, count(*) FROM app.anomaly
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $3 AND ("timestamp", snapshot_id) > ($2, $4)
    AND ($5::text IS NULL OR ("timestamp", snapshot_id) <= ($3, $5)) AND parameter = ANY ($7)
GROUP BY 1, 2, 3
"""


async def buckets(connection: Connection, wanted: Wanted, where: Positions, after: Cursor, count: int) -> Portion:
    """The buckets of the next `count` snapshots after a position; the last bucket may go on in the next portion.

    Of equal extremes the first counts; of samples at one time the one of the greatest id is the last.
    """
    size = len(wanted.parameters)
    query = _filled(_SAMPLES + _BUCKETS, size, sums=_SUMS, extremes=_EXTREMES)
    arguments = _arguments(wanted, where, after, count)
    rows = await connection.fetch(query, *arguments)
    last = (rows[-1][-2], rows[-1][-1]) if rows and rows[-1][-3] == count else None
    portion = Portion([{} for _ in wanted.parameters], last)
    mixed = [row[0] for row in rows if row[1] != row[2]]
    for row in rows:
        number = timestamp.to_microseconds(row[0]) // wanted.step
        version = row[1] if row[1] == row[2] else None
        for index, found in enumerate(portion.buckets):
            sums = row[_BEFORE_SUMS + index * _SUMS_EACH :][:_SUMS_EACH]
            if sums[0] or sums[5]:
                extremes = row[_BEFORE_SUMS + size * _SUMS_EACH + 1 + index * _EXTREMES_EACH :][:_EXTREMES_EACH]
                found[number] = _bucket(sums, extremes, version)
    await _make_exact(connection, wanted, arguments, portion.buckets)
    if mixed:
        query = _filled(_SAMPLES + _VERSIONS, size, spans=_SPANS)
        for start, version, *times in await connection.fetch(query, *arguments, mixed):
            for index, found in enumerate(portion.buckets):
                first, end = times[2 * index : 2 * index + 2]
                if first is not None:
                    span = VersionSpan(version, timestamp.to_microseconds(first), timestamp.to_microseconds(end))
                    found[timestamp.to_microseconds(start) // wanted.step].versions.append(span)
    end, end_id = portion.after or (wanted.end, None)
    step, parameters = timedelta(microseconds=wanted.step), list(wanted.parameters)
    judged = wanted.spacecraft_id, after[0], end, after[1], end_id, step, parameters
    for start, parameter, severity, violations in await connection.fetch(_VIOLATIONS, *judged):
        number = timestamp.to_microseconds(start) // wanted.step
        bucket = portion.buckets[parameters.index(parameter)].setdefault(number, Bucket())
        bucket.violations[severity] = violations
    return portion


async def _make_exact(
    connection: Connection, wanted: Wanted, arguments: Sequence[object], portion: Sequence[Mapping[int, Bucket]]
) -> None:
    """Put the integers that no double holds in place of the doubles that they were rounded to."""
    for index, found in enumerate(portion):
        large = {number: one for number, one in found.items() if max(-one.min, one.max) >= LARGEST_EXACT}
        if not large:
            continue
        query = _filled(_SAMPLES + _EXACT.replace("{one}", str(index + 1)), len(portion))
        rounded = [(number, value) for number, one in large.items() for value in (one.min, one.max, one.last)]
        starts = [timestamp.from_microseconds(number * wanted.step) for number, _ in rounded]
        reported: dict[tuple[int, float], list[tuple[float, int, tuple[int, str]]]] = {}
        for row in await connection.fetch(query, *arguments, starts, [value for _, value in rounded]):
            start, first_at, last_at = map(timestamp.to_microseconds, (row[0], row[3], row[4]))
            value = row[1] if row[2] is None else msgspec.json.decode(row[2])
            reported.setdefault((start // wanted.step, row[1]), []).append((value, first_at, (last_at, row[5])))
        for number, one in large.items():
            lows, highs, lasts = (reported[number, value] for value in (one.min, one.max, one.last))
            one.min, one.min_at, _ = min(lows)
            one.max, one.max_at, _ = min(highs, key=lambda high: (-high[0], high[1]))
            one.last, _, (one.last_at, _) = max(lasts, key=itemgetter(2))


def _arguments(wanted: Wanted, where: Positions, after: Cursor, count: int) -> tuple[object, ...]:
    step = timedelta(microseconds=wanted.step)
    return (
        wanted.spacecraft_id, after[0], wanted.end, after[1], count, step, list(wanted.parameters), where.sets,
        *where.positions,
    )  # fmt: skip


def _filled(query: str, size: int, **more: str) -> str:
    """A query with its columns for each of `size` parameters."""
    filled = {
        name: ", ".join(text.format(i=i + 1, argument=_FIRST_ARRAY + i) for i in range(size))
        for name, text in (_OF_ONE | more).items()
    }
    return query.format(**filled, starts=f"${_FIRST_ARRAY + size}", doubles=f"${_FIRST_ARRAY + size + 1}")


def _bucket(sums: Sequence[Any], extremes: Sequence[Any], version: int | None) -> Bucket:
    count, first_at, least, greatest, last_at, others = sums
    if not count:
        return Bucket(others=others)
    min_at, max_at, last = extremes
    first, min_at, max_at, last_at = map(timestamp.to_microseconds, (first_at, min_at, max_at, last_at))
    versions = [] if version is None else [VersionSpan(version, first, last_at)]
    return Bucket(count, first, least, min_at, greatest, max_at, last, last_at, others, {}, versions)


class Sample(NamedTuple):
    """One number of a parameter."""

    at: int
    """Microseconds since 1970."""
    id: str
    """Of its snapshot."""
    version: int
    """Of the config that judged it; 0: none did."""
    value: float
    """Exactly, an integer as an integer where a double does not hold it."""


_ONE_BY_ONE = """
SELECT "timestamp", id, config_version, {each} FROM sample WHERE {any} ORDER BY "timestamp", id
"""


async def one_by_one(
    connection: Connection, wanted: Wanted, where: Positions, after: Cursor, count: int
) -> list[list[Sample]]:
    """For each parameter its samples of the next `count` snapshots after a position, of which there should be few."""
    size = len(wanted.parameters)
    is_there = " OR ".join(f"v{i} IS NOT NULL" for i in range(1, size + 1))
    each = "v{i}, CASE WHEN v{i} IS NOT NULL THEN o{i} END"
    query = _filled(_SAMPLES + _ONE_BY_ONE.replace("{any}", is_there), size, each=each)
    samples: list[list[Sample]] = [[] for _ in wanted.parameters]
    for time, id_, version, *values in await connection.fetch(query, *_arguments(wanted, where, after, count)):
        at = timestamp.to_microseconds(time)
        for found, number, other in zip(samples, values[::2], values[1::2], strict=True):
            if number is not None:
                found.append(Sample(at, id_, version, number if other is None else msgspec.json.decode(other)))
    return samples


_OF_SAMPLES = """
SELECT wanted.number, severity FROM unnest($2::text[], $3::timestamptz[], $4::text[]) WITH ORDINALITY
    AS wanted (parameter, time, id, number)
CROSS JOIN LATERAL (
    SELECT severity FROM app.anomaly AS stored
    WHERE stored.spacecraft_id = $1 AND stored."timestamp" = wanted.time AND stored.snapshot_id = wanted.id
        AND stored.parameter = wanted.parameter AND stored."timestamp" BETWEEN $5 AND $6
    OFFSET 0
) AS found
"""


async def severities(
    connection: Connection, spacecraft_id: str, parameter: str, samples: Sequence[Sample]
) -> Mapping[int, str]:
    """The severity of the stored anomaly of each of these samples that has one, by its index."""
    times = [timestamp.from_microseconds(sample.at) for sample in samples]
    ids = [sample.id for sample in samples]
    arguments = spacecraft_id, [parameter] * len(ids), times, ids, min(times), max(times)
    return {number - 1: severity for number, severity in await connection.fetch(_OF_SAMPLES, *arguments)}
