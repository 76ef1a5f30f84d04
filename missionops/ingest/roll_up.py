"""Rolling up: the minutes and hours of a spacecraft that are stale, and the days that they are in, recomputed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import Self, TypeAlias

from missionops.domain import roll_up
from missionops.domain.roll_up import Bucket, RollUpStream
from missionops.domain.timestamp import DAY, HOUR, MINUTE
from missionops.store import roll_ups
from missionops.store.database import Connection
from missionops.store.roll_ups import StaleHours, StoredBucket, Violations

_PORTION = 4_000
"""Columns of the roll-ups that are written at once."""

Rest: TypeAlias = Callable[[], Awaitable[None]]
"""Called after each few milliseconds of work: others come first."""


async def recompute(connection: Connection, stale: StaleHours, rest: Rest) -> None:
    """Replace what is stored of these hours and of their days, in the caller's transaction.

    A day that has other stale hours waits for them: until then nobody asks for its roll-up.
    """
    for _, following in groupby(enumerate(stale.hours), lambda pair: pair[1] - pair[0] * HOUR):
        hours = [hour for _, hour in following]  # without a gap between them
        start, end = hours[0], hours[-1] + HOUR
        for level in (MINUTE, HOUR):
            await roll_ups.clear(connection, level, stale.spacecraft_id, start, end)
        anomalies = await _Anomalies.between(connection, stale.spacecraft_id, start, end)
        writer = _Writer(connection, stale.spacecraft_id)
        async for level, at, bucket in _stream(connection, stale.spacecraft_id, start, end, rest):
            if roll_up.is_kept(bucket):
                await writer.add(level, StoredBucket(at, bucket, await anomalies.of(level, at)))
        await writer.write()
    days = {hour - hour % DAY for hour in stale.hours}
    for day in sorted(days - await roll_ups.stale_days(connection, stale, days)):
        # From the roll-ups of its hours, and from the snapshots of those hours that have none.
        anomalies = await _Anomalies.between(connection, stale.spacecraft_id, day, day + DAY)
        whole: Bucket = {}
        violations: Violations = {}
        async for part in _parts(connection, stale.spacecraft_id, day, anomalies, rest):
            whole = roll_up.merge([whole, part.bucket])
            violations = roll_ups.sum_violations((violations, part.violations))
            await rest()
        await roll_ups.clear(connection, DAY, stale.spacecraft_id, day, day + DAY)
        if whole and roll_up.is_kept(whole):
            await roll_ups.add(connection, DAY, stale.spacecraft_id, [StoredBucket(day, whole, violations)])


async def _parts(
    connection: Connection, spacecraft_id: str, day: int, anomalies: "_Anomalies", rest: Rest
) -> AsyncIterator[StoredBucket]:
    """The hours of a day that have snapshots, in the order of time."""
    position, end = day, day + DAY

    async def without_roll_up(until: int) -> AsyncIterator[StoredBucket]:
        if position < until:
            async for level, at, bucket in _stream(connection, spacecraft_id, position, until, rest):
                if level == HOUR:
                    yield StoredBucket(at, bucket, await anomalies.of(HOUR, at))

    async for hour in roll_ups.stored(connection, HOUR, spacecraft_id, day, end):
        async for part in without_roll_up(hour.start):
            yield part
        yield hour
        position = hour.start + HOUR
    async for part in without_roll_up(end):
        yield part


async def _stream(
    connection: Connection, spacecraft_id: str, start: int, end: int, rest: Rest
) -> AsyncIterator[tuple[int, int, Bucket]]:
    """The minutes and hours from `start` until before `end`, from their snapshots."""
    stream = RollUpStream(start)
    async for rows in roll_ups.snapshots(connection, spacecraft_id, start, end):
        for found in stream.add(rows):
            yield found
        await rest()
    for found in stream.finish():
        yield found


class _Anomalies:
    """The anomalies of some hours, counted hour by hour."""

    def __init__(self, connection: Connection, spacecraft_id: str, hours: AbstractSet[int]) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._hours = hours
        self._hour = 0
        self._minutes: Mapping[int, Violations] = {}

    @classmethod
    async def between(cls, connection: Connection, spacecraft_id: str, start: int, end: int) -> Self:
        """Those from `start` until before `end`."""
        return cls(connection, spacecraft_id, await roll_ups.anomalous_hours(connection, spacecraft_id, start, end))

    async def of(self, level: int, start: int) -> Violations:
        """Those of a minute or of an hour."""
        hour = start - start % HOUR
        if hour not in self._hours:
            return {}
        if hour != self._hour or not self._minutes:
            self._hour = hour
            self._minutes = await roll_ups.violations(self._connection, self._spacecraft_id, hour)
        return self._minutes.get(start, {}) if level == MINUTE else roll_ups.sum_violations(self._minutes.values())


class _Writer:
    """Writes roll-ups in portions."""

    def __init__(self, connection: Connection, spacecraft_id: str) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._waiting: dict[int, list[StoredBucket]] = {MINUTE: [], HOUR: []}
        self._columns = 0

    async def add(self, level: int, stored: StoredBucket) -> None:
        """Take one; write what waits once it is a portion."""
        self._waiting[level].append(stored)
        self._columns += sum(10 + len(part.columns) for part in stored.bucket.values())
        if self._columns > _PORTION:
            await self.write()

    async def write(self) -> None:
        """Write what waits."""
        for level, waiting in self._waiting.items():
            await roll_ups.add(self._connection, level, self._spacecraft_id, waiting)
            waiting.clear()
        self._columns = 0
