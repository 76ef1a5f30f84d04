"""The samples of some parameters as buckets, read from roll-ups where they say all there is to say."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.roll_up import DAY, HOUR, MINUTE
from missionops.domain.series import Bucket, VersionSpan
from missionops.store.database import Connection
from missionops.store.samples import Positions, Wanted

_WORTH = 2_000
"""Snapshots that a stretch of roll-ups has to stand for: to read fewer takes no longer than to find the roll-ups."""
_MOST = 4_000
"""Values that are read at once: some milliseconds of work."""
_MOST_GAPS = 200


class Stretch(NamedTuple):
    """Roll-ups of one size that leave no snapshot out between them."""

    level: int
    starts: Sequence[int]

    @property
    def end(self) -> int:
        """The time after the last."""
        return self.starts[-1] + self.level


# A roll-up is left out while an hour of its time is stale.
_WHERE_VALID = """
WHERE spacecraft_id = $1 AND start >= $2 AND start < $3 AND NOT EXISTS (
    SELECT FROM app.stale_hour
    WHERE stale_hour.spacecraft_id = $1 AND hour >= date_trunc('hour', start, 'UTC')
        AND hour < start + interval '{length}'
)
"""
_LEVELS = {
    MINUTE: {"table": "app.roll_up_minute", "length": "1 minute"},
    HOUR: {"table": "app.roll_up_hour", "length": "1 hour"},
    DAY: {"table": "app.roll_up_day", "length": "24 hours"},
}
_STARTS = f"""
SELECT start, sum(snapshots) FROM {{table}} AS stored {_WHERE_VALID}
GROUP BY start ORDER BY start LIMIT $4
"""  # noqa: S608 - of texts that are all here

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
    most = max(_MOST // len(wanted.parameters), 100)
    for level in (DAY, HOUR, MINUTE):
        start = -(-position // level) * level
        if wanted.step % level or start + level > until:
            continue
        between = map(timestamp.from_microseconds, (start, until - level + 1))
        rows = await connection.fetch(_STARTS.format(**_LEVELS[level]), wanted.spacecraft_id, *between, most)
        found = [(timestamp.to_microseconds(row[0]), int(row[1])) for row in rows]
        for begin, starts in await _worthwhile(connection, wanted, level, position, found):
            if begin == position:
                return Stretch(level, starts), starts[-1] + level
            until = min(until, begin)
            break
        else:
            if len(found) == most:
                until = min(until, found[-1][0] + level)
    return None, until


async def _worthwhile(
    connection: Connection, wanted: Wanted, level: int, position: int, found: Sequence[tuple[int, int]]
) -> list[tuple[int, list[int]]]:
    """The stretches of roll-ups that are long enough, and the time from which each leaves no snapshot out."""
    gaps: list[tuple[int, int]] = []
    for number, (start, _) in enumerate(found):
        before = found[number - 1][0] + level if number else position
        if before < start:
            gaps.append((before, start))
        if len(gaps) == _MOST_GAPS:
            found = found[: number + 1]
            break
    empty = await _empty(connection, wanted, gaps)
    stretches: list[tuple[int, list[int]]] = []
    snapshots: list[int] = []
    end = position
    for start, count in found:
        if not stretches or (end < start and (end, start) not in empty):
            stretches.append((end if (end, start) in empty else start, []))
            snapshots.append(0)
        stretches[-1][1].append(start)
        snapshots[-1] += count
        end = start + level
    return [stretch for stretch, count in zip(stretches, snapshots, strict=True) if count >= _WORTH]


async def _empty(connection: Connection, wanted: Wanted, gaps: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these pieces of time in which there is no snapshot."""
    if not gaps:
        return set()
    starts, ends = ([timestamp.from_microseconds(time) for time in times] for times in zip(*gaps, strict=True))
    rows = await connection.fetch(_ARE_EMPTY, wanted.spacecraft_id, starts, ends, starts[0], ends[-1])
    return {gap for gap, row in zip(gaps, rows, strict=True) if row[0]}


_BUCKETS = f"""
SELECT start, first_at, last_at, snapshots, config_version, versions, violations, {{columns}}
FROM {{table}} AS stored LEFT JOIN unnest($4::integer[], {{arrays}}) AS column_of (parameter_set_id, {{positions}})
    USING (parameter_set_id) {_WHERE_VALID}
ORDER BY start, parameter_set_id
"""  # noqa: S608 - likewise
_OF_ONE = {
    "columns": "CASE WHEN minima[p{i}] IS NOT NULL THEN coalesce(counts[p{i}], snapshots) END, "
    "minima[p{i}], minima_at[p{i}], maxima[p{i}], maxima_at[p{i}], lasts[p{i}], lasts_at[p{i}], "
    "CASE WHEN others IS NOT NULL THEN others -> ($5::text[])[{i}] END",
    "arrays": "${argument}::integer[]",
    "positions": "p{i}",
}
_FIRST_ARRAY, _BEFORE_COLUMNS, _COLUMNS_EACH = 6, 7, 8


async def buckets(
    connection: Connection, wanted: Wanted, where: Positions, stretch: Stretch
) -> list[list[tuple[int, Bucket]]] | None:
    """For each parameter, what each roll-up of a stretch says of it, by its start; None where one is stale by now."""
    each = range(1, len(wanted.parameters) + 1)
    filled = {
        name: ", ".join(text.format(i=i, argument=_FIRST_ARRAY + i - 1) for i in each) for name, text in _OF_ONE.items()
    }
    between = map(timestamp.from_microseconds, (stretch.starts[0], stretch.end))
    rows = await connection.fetch(
        _BUCKETS.format(**_LEVELS[stretch.level], **filled),
        wanted.spacecraft_id, *between, where.sets, list(wanted.parameters), *where.positions,
    )  # fmt: skip
    found: list[list[tuple[int, Bucket]]] = [[] for _ in wanted.parameters]
    starts: set[int] = set()
    for row in rows:
        start, first, last = map(timestamp.to_microseconds, row[:3])
        starts.add(start)
        runs = msgspec.json.decode(row[5]) if row[5] else [(row[4], first - start, last - start)]
        spans = [VersionSpan(version, start + since, start + to) for version, since, to in runs]
        violations = msgspec.json.decode(row[6]) if row[6] else {}
        for index, name in enumerate(wanted.parameters):
            columns = row[_BEFORE_COLUMNS + index * _COLUMNS_EACH :][:_COLUMNS_EACH]
            counted = {severity: counts[name] for severity, counts in violations.items() if name in counts}
            if columns[0] is not None or columns[7] is not None or counted:
                bucket = _bucket(columns, start, first, last)
                bucket.violations = counted
                bucket.versions = list(spans) if bucket.count else []
                _add(found[index], start, bucket)
    return found if starts == set(stretch.starts) else None


def _add(found: list[tuple[int, Bucket]], start: int, bucket: Bucket) -> None:
    """Add what one parameter set says; another may have said something of the same time."""
    if found and found[-1][0] == start:
        found[-1] = start, found[-1][1].joined(bucket)
    else:
        found.append((start, bucket))


def _bucket(columns: Sequence[Any], start: int, first: int, last: int) -> Bucket:
    """What one parameter set says of a parameter: of its column, and of its values in `others`."""
    count, low, low_at, high, high_at, newest, newest_at, other = columns
    bucket = Bucket()
    if count is not None:
        last_at = last if newest_at is None else start + newest_at
        bucket = Bucket(count, first, low, start + low_at, high, start + high_at, newest, last_at)
    if other is not None:
        others, *numbers = msgspec.json.decode(other)
        more = Bucket()
        if numbers:
            count, low, low_at, high, high_at, newest, newest_at = numbers
            times = (start + time for time in (low_at, high_at, newest_at))
            low_at, high_at, newest_at = times
            more = Bucket(count, first, float(low), low_at, float(high), high_at, float(newest), newest_at)
        bucket = bucket.joined(more)
        bucket.others = others
    return bucket
