"""What a request for a series has read so far: buckets of each parameter, and its samples as long as they are few."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from missionops.domain import limits, timestamp
from missionops.domain.series import Bucket
from missionops.operations.request_parsing import refused
from missionops.store import configs, rolled_up, samples
from missionops.store.database import Connection
from missionops.store.rolled_up import Stretch
from missionops.store.samples import Positions, Sample, Wanted
from missionops.store.telemetry import Cursor

_BUCKET_BYTES, _SAMPLE_BYTES = 50, 20
"""About the least that one takes in a response."""


class SeriesCursor(NamedTuple):
    """How far a series came."""

    request: int
    """What it is of, as a number: another request has other buckets."""
    timestamp: datetime
    id: str
    counts: list[int]
    """Numbers of each parameter that were read."""
    open: list[Bucket]
    """What was read, and is on no page yet, of the bucket in which the next page begins."""


class SeriesReading:
    """Reads on from where the cursor stands, portion by portion."""

    def __init__(self, wanted: Wanted, start: datetime, points: int, cursor: SeriesCursor | None) -> None:
        count = len(wanted.parameters)
        self._request = zlib.crc32(msgspec.json.encode((wanted.parameters, start, wanted.end, points)))
        if cursor and not (cursor.request == self._request and len(cursor.counts) == len(cursor.open) == count):
            raise refused("cursor", "is of another request")
        self.wanted = wanted
        self.points = points
        self.position: Cursor = (cursor.timestamp, cursor.id) if cursor else (start, "")
        self.is_done = False
        self.buckets: list[dict[int, Bucket]] = [{} for _ in range(count)]
        """For each parameter, by the bucket's number since 1970."""
        self.samples: list[list[Sample] | None] = [[] for _ in range(count)]
        """For each parameter, None where it has more than points."""
        self.before = [0] * count
        """Numbers of each parameter on earlier pages."""
        self.severities: list[Mapping[int, str]] = [{} for _ in range(count)]
        """For each parameter, of the samples that are anomalies, by index."""
        self.limits: dict[tuple[int, str], Mapping[str, float]] = {}
        """By version and parameter."""
        self._where: Positions | None = None
        self._snapshots_until = timestamp.to_microseconds(timestamp.EARLIEST)
        """Up to here no roll-ups say what is wanted."""
        for index, (number, part) in enumerate(zip(cursor.counts, cursor.open, strict=True) if cursor else ()):
            self.before[index] = max(number - part.count, 0)
            if part.count or number > points:
                self.samples[index] = None
            if part != Bucket():
                self.buckets[index][self.open_bucket] = part

    @property
    def open_bucket(self) -> int:
        """The number since 1970 of the bucket that has been read up to the position."""
        return timestamp.to_microseconds(self.position[0]) // self.wanted.step

    @property
    def least_bytes(self) -> int:
        """What a response with all of this takes at least."""
        return sum(
            len(found) * _BUCKET_BYTES if few is None else len(few) * _SAMPLE_BYTES
            for found, few in zip(self.buckets, self.samples, strict=True)
        )

    def numbers(self, index: int, before: int | None = None) -> int:
        """How many numbers of a parameter there are up to here, or before a bucket."""
        found = self.buckets[index].items()
        return self.before[index] + sum(one.count for number, one in found if before is None or number < before)

    def cursor(self) -> SeriesCursor:
        """The cursor that continues where this ends; it takes along what no page has yet of the open bucket."""
        nothing, number = Bucket(), self.open_bucket
        parts = [
            found.get(number, nothing) if few is None else nothing
            for found, few in zip(self.buckets, self.samples, strict=True)
        ]
        return SeriesCursor(self._request, *self.position, [self.numbers(index) for index in range(len(parts))], parts)

    def cursor_before(self, number: int) -> SeriesCursor:
        """The cursor that continues with a bucket that is not on this page."""
        counts = [self.numbers(index, number) for index in range(len(self.buckets))]
        start = timestamp.from_microseconds(number * self.wanted.step)
        return SeriesCursor(self._request, start, "", counts, [Bucket() for _ in counts])

    async def read(self, connection: Connection, count: int) -> bool:
        """Read on: what roll-ups say of a stretch of time, or else the next `count` snapshots; True if these."""
        if self._where is None:
            self._where = await samples.columns(connection, self.wanted.spacecraft_id, self.wanted.parameters)
        position = timestamp.to_microseconds(self.position[0]) + (self.position[1] != "")
        if position >= self._snapshots_until:
            stretch, self._snapshots_until = await rolled_up.next_stretch(connection, self.wanted, position)
            if stretch and await self._read_stretch(connection, self._where, stretch):
                return False
        where = self._where
        until = min(self._snapshots_until, timestamp.to_microseconds(self.wanted.end) + 1)
        wanted = self.wanted._replace(end=timestamp.from_microseconds(until - 1))
        portion = await samples.buckets(connection, wanted, where, self.position, count)
        few = []
        for index, found in enumerate(portion.buckets):
            for number, bucket in found.items():
                self._add(index, number, bucket)
            if self.samples[index] is not None and self.numbers(index) > self.points:
                self.samples[index] = None
            if self.samples[index] is not None and any(bucket.count for bucket in found.values()):
                few.append(index)
        if few:
            wanted = wanted._replace(parameters=[wanted.parameters[index] for index in few])
            where = Positions(where.sets, [where.positions[index] for index in few])
            one_by_one = await samples.one_by_one(connection, wanted, where, self.position, count)
            for index, more in zip(few, one_by_one, strict=True):
                self.samples[index] += more  # type: ignore[operator]
        self.position = portion.after or (timestamp.from_microseconds(until), "")
        self.is_done = portion.after is None and self.position[0] > self.wanted.end
        return True

    async def _read_stretch(self, connection: Connection, where: Positions, stretch: Stretch) -> bool:
        """Read a stretch of roll-ups; False if its beginning has to be read from the snapshots."""
        found = await rolled_up.buckets(connection, self.wanted, where, stretch)
        # Of a parameter that has few samples they are shown one by one, so they have to be read.
        while (first := self._first_of_few(found, stretch)) is not None:
            self._snapshots_until = first + stretch.level
            if first <= stretch.start:
                return False
            stretch = stretch._replace(end=first)
            found = await rolled_up.buckets(connection, self.wanted, where, stretch)
        for index, parts in enumerate(found):
            for number, bucket in parts:
                self._add(index, number, bucket)
            if self.numbers(index) > self.points:
                self.samples[index] = None
        self.position = timestamp.from_microseconds(stretch.end), ""
        self.is_done = self.position[0] > self.wanted.end
        return True

    def _first_of_few(self, found: Sequence[Sequence[tuple[int, Bucket]]], stretch: Stretch) -> int | None:
        """Where the first roll-up begins that has samples of a parameter with few of them; None if there is none."""
        firsts = [
            min(bucket.first_at for _, bucket in parts if bucket.count)
            for index, parts in enumerate(found)
            if self.samples[index] is not None
            and (total := sum(bucket.count for _, bucket in parts)) > 0
            and self.numbers(index) + total <= self.points
        ]
        return min(firsts) // stretch.level * stretch.level if firsts else None

    def _add(self, index: int, number: int, later: Bucket) -> None:
        known = self.buckets[index]
        if number in known:
            known[number].add_later(later)
        else:
            known[number] = later

    async def look_up(self, connection: Connection) -> None:
        """Look up what is said of the samples: which are anomalies, and the limits that judged them."""
        spacecraft_id, parameters, *_ = self.wanted
        for index, few in enumerate(self.samples):
            if few and any(bucket.violations for bucket in self.buckets[index].values()):
                self.severities[index] = await samples.severities(connection, spacecraft_id, parameters[index], few)
        versions = {span.version for found in self.buckets for bucket in found.values() for span in bucket.versions}
        for key, rule in (await configs.rules(connection, spacecraft_id, versions - {0}, parameters)).items():
            self.limits[key] = limits.given(msgspec.json.decode(rule))
