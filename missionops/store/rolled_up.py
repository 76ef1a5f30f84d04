"""The samples of some parameters as buckets, read from roll-ups where they say all there is to say."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.series import Bucket, VersionSpan, spans_by_version
from missionops.domain.timestamp import DAY, HOUR, MINUTE
from missionops.store.database import Connection
from missionops.store.samples import Positions, Wanted

_EPOCH = timestamp.from_microseconds(0)

_WORTH = 2_000
"""Snapshots that a stretch of roll-ups has to stand for: to read fewer takes no longer than to find the roll-ups."""
_MOST_READ, _MOST_FOUND = 40_000, 4_000
"""Values in the roll-ups that are read at once, which takes the database a tenth of a second; and in the buckets that
they make, which take some milliseconds here."""
_FEWEST = 100
_MOST_GAPS = 200


class Stretch(NamedTuple):
    """A piece of time of which roll-ups of one size leave no snapshot out."""

    level: int
    start: int
    end: int
    """The time after the last."""


# A roll-up is left out while an hour of its time is stale.
_LEVELS = {
    MINUTE: {"table": "app.roll_up_minute", "length": "1 minute", "of_stale": "hour = date_bin('1 hour', start, $5)"},
    HOUR: {"table": "app.roll_up_hour", "length": "1 hour", "of_stale": "hour = date_bin('1 hour', start, $5)"},
    DAY: {"table": "app.roll_up_day", "length": "24 hours", "of_stale": "date_bin('24 hours', hour, $5) = start"},
}
_ISLANDS = """
SELECT min(start), max(start), sum(snapshots), count(*)
FROM (
    SELECT start, snapshots, start - dense_rank() OVER (ORDER BY start) * interval '{length}' AS island
    FROM (
        SELECT start, snapshots FROM {table}
        WHERE spacecraft_id = $1 AND start >= $2 AND start < $3
            AND NOT EXISTS (SELECT FROM app.stale_hour WHERE stale_hour.spacecraft_id = $1 AND {of_stale})
        ORDER BY start LIMIT $4
    ) AS valid
) AS ranked
GROUP BY island ORDER BY 1 LIMIT $6
"""

_ARE_EMPTY = """
SELECT NOT EXISTS (
    SELECT FROM app.snapshot
    WHERE spacecraft_id = $1 AND "timestamp" >= gap.start AND "timestamp" < gap.end AND "timestamp" BETWEEN $4 AND $5
    OFFSET 0
) FROM unnest($2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS gap (start, "end", number) ORDER BY number
"""


async def next_stretch(connection: Connection, wanted: Wanted, position: int) -> tuple[Stretch | None, int]:
    """The stretch that begins at a position, of the largest roll-ups that fit, or None; and until when to read on.

    Without a stretch the snapshots have to be read until then.
    """
    until = timestamp.to_microseconds(wanted.end) + 1
    for level in (DAY, HOUR, MINUTE):
        start = -(-position // level) * level
        if wanted.step % level or start + level > until:
            continue
        most = max(min(_MOST_READ, _MOST_FOUND * (wanted.step // level)) // len(wanted.parameters), _FEWEST)
        between = map(timestamp.from_microseconds, (start, until - level + 1))
        rows = await connection.fetch(
            _ISLANDS.format(**_LEVELS[level]), wanted.spacecraft_id, *between, most, _EPOCH, _MOST_GAPS
        )
        islands = [
            (timestamp.to_microseconds(first), timestamp.to_microseconds(last) + level, int(snapshots))
            for first, last, snapshots, _ in rows
        ]
        found = await _worthwhile(connection, wanted, position, islands)
        if found and found[0][0] == position:
            return Stretch(level, *found[0]), found[0][1]
        if found:
            until = min(until, found[0][0])
        elif len(rows) == _MOST_GAPS or sum(count for *_, count in rows) == most:  # there may be more
            until = min(until, islands[-1][1])
    return None, until


async def _worthwhile(
    connection: Connection, wanted: Wanted, position: int, islands: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int]]:
    """Start and end of each stretch that is long enough.

    It is made of islands, which are given by start, end, and number of snapshots, and of time without any snapshot.
    """
    ends = [position, *(end for _, end, _ in islands)]
    gaps = [(end, island[0]) for end, island in zip(ends, islands, strict=False) if end < island[0]]
    empty: set[tuple[int, int]] = set()
    if gaps:
        first, last = ([timestamp.from_microseconds(time) for time in times] for times in zip(*gaps, strict=True))
        rows = await connection.fetch(_ARE_EMPTY, wanted.spacecraft_id, first, last, first[0], last[-1])
        empty = {gap for gap, row in zip(gaps, rows, strict=True) if row[0]}
    stretches: list[tuple[int, int, int]] = []
    for before, (start, end, snapshots) in zip(ends, islands, strict=False):
        if before < start and (before, start) not in empty:
            stretches.append((start, end, snapshots))
        elif stretches:
            stretches[-1] = stretches[-1][0], end, stretches[-1][2] + snapshots
        else:
            stretches.append((before, end, snapshots))
    return [(start, end) for start, end, snapshots in stretches if snapshots >= _WORTH]


# One row for each bucket, parameter set and config version (-1 where a roll-up has several). As in samples.py the
# extremes come first, and then when they were.
_BUCKETS = """
WITH part AS MATERIALIZED (
    SELECT date_bin($4, start, $5) AS bucket, parameter_set_id, coalesce(config_version, -1) AS version,
        start, first_at, last_at, violations, versions, {columns}
    FROM {table} LEFT JOIN unnest($7::integer[], {arrays}) AS column_of (parameter_set_id, {positions})
        USING (parameter_set_id)
    WHERE spacecraft_id = $1 AND start >= $2 AND start < $3
), whole AS MATERIALIZED (
    SELECT bucket, parameter_set_id, version, min(first_at) AS begun_at, max(last_at) AS ended_at,
        json_agg(violations) FILTER (WHERE violations IS NOT NULL) AS violations,
        json_agg(json_build_array(date_part('epoch', start), versions))
            FILTER (WHERE versions IS NOT NULL) AS versions,
        {sums}
    FROM part GROUP BY bucket, parameter_set_id, version
)
SELECT bucket, version, begun_at, ended_at, violations, versions, {found}
FROM whole JOIN (
    SELECT bucket, parameter_set_id, version, {extremes}
    FROM part JOIN whole USING (bucket, parameter_set_id, version) GROUP BY bucket, parameter_set_id, version
) AS extreme USING (bucket, parameter_set_id, version)
ORDER BY bucket
"""
_OF_ONE = {
    "columns": "CASE WHEN minima[p{i}] IS NOT NULL THEN coalesce(counts[p{i}], snapshots) END AS count{i}, "
    "minima[p{i}] AS low{i}, minima_at[p{i}] AS low_at{i}, maxima[p{i}] AS high{i}, maxima_at[p{i}] AS high_at{i}, "
    "lasts[p{i}] AS last{i}, lasts_at[p{i}] AS last_at{i}, "
    "CASE WHEN others IS NOT NULL THEN others -> ($6::text[])[{i}] END AS other{i}",
    "sums": "sum(count{i}) AS total{i}, min(first_at) FILTER (WHERE count{i} IS NOT NULL) AS first{i}, "
    "min(low{i}) AS least{i}, max(high{i}) AS greatest{i}, "
    "max(start) FILTER (WHERE count{i} IS NOT NULL) AS newest{i}, "
    "json_agg(json_build_array(date_part('epoch', start), date_part('epoch', first_at), other{i})) "
    "FILTER (WHERE other{i} IS NOT NULL) AS others{i}",
    "extremes": "min(start + low_at{i} * interval '1 microsecond') FILTER (WHERE low{i} = least{i}) AS least_at{i}, "
    "min(start + high_at{i} * interval '1 microsecond') FILTER (WHERE high{i} = greatest{i}) AS greatest_at{i}, "
    "min(last{i}) FILTER (WHERE start = newest{i}) AS last{i}, "
    "min(coalesce(start + last_at{i} * interval '1 microsecond', last_at)) FILTER (WHERE start = newest{i}) "
    "AS last_at{i}",
    "found": "total{i}, first{i}, least{i}, least_at{i}, greatest{i}, greatest_at{i}, last{i}, last_at{i}, others{i}",
    "arrays": "${argument}::integer[]",
    "positions": "p{i}",
}
_FIRST_ARRAY, _FOUND_EACH = 8, 9


async def buckets(
    connection: Connection, wanted: Wanted, where: Positions, stretch: Stretch
) -> list[list[tuple[int, Bucket]]]:
    """For each parameter, what the roll-ups of a stretch say of it, by the bucket's number since 1970.

    To be called in the transaction that has found the stretch, which sees one state of the database.
    """
    each = range(1, len(wanted.parameters) + 1)
    filled = {
        name: ", ".join(text.format(i=i, argument=_FIRST_ARRAY + i - 1) for i in each) for name, text in _OF_ONE.items()
    }
    rows = await connection.fetch(
        _BUCKETS.format(**_LEVELS[stretch.level], **filled),
        wanted.spacecraft_id, *map(timestamp.from_microseconds, (stretch.start, stretch.end)),
        timedelta(microseconds=wanted.step), _EPOCH, list(wanted.parameters), where.sets, *where.positions,
    )  # fmt: skip
    found: list[list[tuple[int, Bucket]]] = [[] for _ in wanted.parameters]
    for at, of_all, begun, ended, violations_json, runs_json, *of_each in rows:
        number = timestamp.to_microseconds(at) // wanted.step
        begun_at, ended_at = map(timestamp.to_microseconds, (begun, ended))
        violations = msgspec.json.decode(violations_json) if violations_json else ()
        runs = msgspec.json.decode(runs_json) if runs_json else ()
        spans = [
            VersionSpan(version, round(start * 1e6) + since, round(start * 1e6) + until)
            for start, several in runs
            for version, since, until in several
        ] or [VersionSpan(of_all, begun_at, ended_at)]
        for index, name in enumerate(wanted.parameters):
            columns = of_each[index * _FOUND_EACH :][:_FOUND_EACH]
            counted: Counter[str] = Counter()
            for severity, counts in (pair for one in violations for pair in one.items()):
                if name in counts:
                    counted[severity] += counts[name]
            if columns[0] or columns[-1] or counted:
                bucket = _bucket(columns)
                bucket.violations = counted
                bucket.versions = spans_by_version(spans) if bucket.count else []
                if found[index] and found[index][-1][0] == number:
                    bucket = found[index].pop()[1].joined(bucket)
                found[index].append((number, bucket))
    return found


def _bucket(columns: Sequence[Any]) -> Bucket:
    """What one parameter set says of a parameter: of its column, and of its values in `others`."""
    count, first, low, low_at, high, high_at, newest, newest_at, others = columns
    bucket = Bucket()
    if count:
        first, low_at, high_at, newest_at = map(timestamp.to_microseconds, (first, low_at, high_at, newest_at))
        bucket = Bucket(int(count), first, low, low_at, high, high_at, newest, newest_at)
    for seconds, first_seconds, (texts, *numbers) in msgspec.json.decode(others) if others else ():
        more = Bucket(others=texts)
        if numbers:
            start = round(seconds * 1e6)
            count, low, low_at, high, high_at, newest, newest_at = numbers
            low_at, high_at, newest_at = (start + time for time in (low_at, high_at, newest_at))
            first = round(first_seconds * 1e6)
            more = Bucket(count, first, low, low_at, high, high_at, newest, newest_at, texts)
        bucket = bucket.joined(more)
    return bucket
