"""The search for the newest values of a spacecraft's parameters: backwards, as far as it takes and time allows."""

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from missionops.domain import latest as reports
from missionops.domain import timestamp
from missionops.domain.clock import Clock
from missionops.domain.latest import COUNTED, ReportedValue
from missionops.domain.parameter_set import ParameterSet, Value
from missionops.store import latest, parameter_sets
from missionops.store.database import Connection
from missionops.store.latest import FoundSnapshot, Search
from missionops.store.telemetry import Between, Cursor

_SCANNED = (32, 256, 2_048, 16_384, 131_072)
"""Snapshots that are looked at in one portion after the other."""
_FOUND = 256
"""Snapshots of a portion that are read."""
_MISDATED = 1_000
"""Snapshots with a time that no clock had, that are looked at: the newest by timestamp."""
_SECONDS = 1.0
"""What the search may take; then it begins no other portion."""

_decode = msgspec.json.Decoder(dict[str, Value]).decode


class LatestReading:
    """What was found of each parameter."""

    def __init__(self, spacecraft_id: str, names: Collection[str] | None, clock: Clock, last_time: datetime) -> None:
        self._spacecraft_id = spacecraft_id
        self._only = None if names is None else set(names)
        self._clock = clock
        self._last_time = timestamp.to_microseconds(last_time)
        self._sets: dict[int, ParameterSet] = {}
        self._until = asyncio.get_running_loop().time() + _SECONDS
        self.incomplete: set[str] = set()
        """Parameters of which fewer reports were found than count."""
        self.absent: set[str] = set()
        """Of these, those that were looked for in all snapshots and are in none."""
        self.reports: dict[str, list[ReportedValue]] = {}
        self._dated: dict[str, int] = {}
        """How many reports of each parameter are noted that stand at their timestamp."""

    async def search(self, connection: Connection, last: datetime, latest_possible: datetime) -> None:
        """Search the snapshots up to a timestamp, and those whose timestamp cannot be right.

        No timestamp after `latest_possible` can be; of those before, but after `last`, none is looked at.
        """
        known = set(await parameter_sets.reported_names(connection, self._spacecraft_id))
        self.incomplete = known if self._only is None else known & self._only
        first = timestamp.EARLIEST if self._clock.since is None else timestamp.from_microseconds(self._clock.since)
        # The newest snapshots, of fewer and fewer parameter sets, until no parameter is incomplete.
        before = _end((first, last))
        for scanned in _SCANNED:
            sets = await latest.sets_with(connection, self._spacecraft_id, self.incomplete)
            search = Search(self._spacecraft_id, (first, last), sets, scanned, _FOUND)
            found = await latest.backwards(connection, search, before)
            await self._add(connection, found)
            if not found or not self.incomplete or asyncio.get_running_loop().time() > self._until:
                break
            before = found[-1].timestamp, found[-1].id
        # Then, one by one, each parameter of which nothing was found: it is rare among snapshots that have room for it.
        rare, most = sorted(self.incomplete - self.reports.keys()), _SCANNED[-1] + 1
        count = await latest.count(connection, self._spacecraft_id, (first, last), most) if rare else 0
        if not count:  # there is nothing to look at
            self.absent.update(rare)
            rare = []
        for name in rare:
            if asyncio.get_running_loop().time() > self._until:
                break
            search = Search(self._spacecraft_id, (first, last), (), _SCANNED[-1], COUNTED)
            found = await latest.of_parameter(connection, search, name)
            # Of older snapshots the roll-ups say where to look.
            if not found and (end := await latest.last_rolled_up(connection, self._spacecraft_id, name, (first, last))):
                search = search._replace(between=(first, end))
                found = await latest.of_parameter(connection, search, name)
            if not found and count < most:
                self.absent.add(name)
            await self._add(connection, found)
        microsecond = timedelta(microseconds=1)
        for between in (
            (latest_possible + microsecond, timestamp.LATEST),
            (timestamp.EARLIEST, first - microsecond),
        ):
            if between[0] <= between[1]:
                names = [*self.incomplete, *self.reports]
                sets = await latest.sets_with(connection, self._spacecraft_id, names)
                search = Search(self._spacecraft_id, between, sets, _MISDATED, _MISDATED)
                await self._add(connection, await latest.backwards(connection, search, _end(between)))

    async def _add(self, connection: Connection, found: Iterable[FoundSnapshot]) -> None:
        """Note the values of snapshots."""
        rows = list(found)
        sets = {row.parameter_set_id for row in rows if row.parameter_set_id is not None}
        if unknown := sets - self._sets.keys():
            self._sets |= await parameter_sets.read(connection, unknown)
        for row in rows:
            stamped, received = map(timestamp.to_microseconds, (row.timestamp, row.received_at))
            time = self._clock.time(stamped, received)
            if time <= self._last_time:
                values: list[tuple[str, Value]] = []
                if row.numbers is not None and row.parameter_set_id is not None:
                    values += zip(self._sets[row.parameter_set_id].names, row.numbers, strict=False)
                if row.others is not None:
                    values += _decode(row.others).items()
                for name, value in values:
                    if value is None or (self._only is not None and name not in self._only):
                        continue
                    # The newest come first, but for those that do not stand at their timestamp.
                    dated = self._dated.get(name, 0) + (time == stamped)
                    if dated > COUNTED:
                        continue
                    self._dated[name] = dated
                    known = self.reports.setdefault(name, [])
                    known.append(ReportedValue(time, stamped, row.id, received, row.version, value))
                    if len(known) == COUNTED:
                        self.incomplete.discard(name)
            await asyncio.sleep(0)  # one may have 10,000 parameters

    def newest(self) -> dict[str, list[ReportedValue]]:
        """The newest reports of each parameter, by name."""
        return {name: reports.newest_first(found) for name, found in sorted(self.reports.items()) if found}


def _end(between: Between) -> Cursor:
    return between[1], latest.AFTER_ANY_ID
