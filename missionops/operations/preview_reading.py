"""What a preview reads: the parameters of one group through a range of snapshots, portion by portion."""

import asyncio
from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from missionops.domain import timestamp
from missionops.domain.episodes.episode import beginning_of
from missionops.domain.limits import Rules
from missionops.domain.preview.folding import CHANGE
from missionops.domain.preview.parameter import ParameterPreview
from missionops.operations.operation import Context
from missionops.operations.preview_cursor import PreviewCursor
from missionops.operations.request_parsing import refused
from missionops.store import alarm_marks, configs
from missionops.store.snapshot_columns import MOST_PARAMETERS, SnapshotColumns, StoredPortion

AT_ONCE = 500
"""Parameters of the first group."""
MOST_AT_ONCE = 1_500
_MOST_SNAPSHOTS = 4_096
_SLICE = 0.005
"""Seconds after which other tasks run."""
_NO_RULES = Rules({})


class PreviewPlan(NamedTuple):
    """What a preview is about, the same in all its parts."""

    spacecraft_id: str
    draft: Rules
    first: int
    """From this time on, in microseconds."""
    last: int
    version: int
    """Of the config in force when it began."""
    names: Sequence[str]
    """The parameters for which the draft, or a config that may have judged the range, has a rule."""
    changing: Collection[str]
    """Those whose rules may have the check CHANGE."""
    starts: Sequence[tuple[int, int]]
    """When each version began to end what it does not check, in order, with its number."""


async def plan(
    context: Context, spacecraft_id: str, draft: Rules, between: tuple[datetime, datetime], version: int
) -> PreviewPlan:
    """The plan of a preview, as of one version of the config."""
    first, last = map(timestamp.to_microseconds, between)
    async with context.database.transaction() as connection:
        ruled = await configs.ruled(connection, spacecraft_id, version, between[0])
        found = await alarm_marks.config_starts(connection, spacecraft_id)
    starts = sorted((time, number) for number, time in found.items() if number <= version and first <= time <= last)
    changing = {name for name, changes in ruled.items() if changes}
    changing |= {name for name, rule in draft.items() if rule.has(CHANGE)}
    names = sorted(draft.keys() | draft.off | ruled.keys())
    return PreviewPlan(spacecraft_id, draft, first, last, version, names, changing, starts)


class PreviewReading:
    """One group of parameters, from where a cursor stands."""

    def __init__(self, context: Context, plan_: PreviewPlan, cursor: PreviewCursor) -> None:
        self.plan = plan_
        self.first = cursor.first
        self.position = cursor.position
        self.snapshots = 0
        self.is_done = False
        names = plan_.names[cursor.first : cursor.first + cursor.count]
        self.parameters = [ParameterPreview(name, changes=name in plan_.changing) for name in names]
        for place, checks in cursor.checks:
            for check in checks:
                self.parameters[place].resume(check)
        self._context = context
        self._size = cursor.count
        self.is_continued = cursor.position != beginning_of(plan_.first)
        self._columns = SnapshotColumns(plan_.spacecraft_id, plan_.last)
        self._wanted = {*names, *_conditions(plan_.draft, names)}
        self._limit_columns()
        self._last = cursor.position[0]
        self._slice_end = 0.0

    def cursor(self, count: int) -> PreviewCursor:
        """The cursor that continues the first `count` parameters of the group."""
        opened = ((place, [*one.open_checks()]) for place, one in enumerate(self.parameters[:count]))
        checks = [(place, found) for place, found in opened if found]
        return PreviewCursor(self.plan.version, self.first, count, self.position, checks)

    def cursor_after(self, count: int, size: int) -> PreviewCursor:
        """The cursor that begins the next group, of `size`, after the first `count` parameters of this one."""
        return PreviewCursor(self.plan.version, self.first + count, size, beginning_of(self.plan.first))

    def restarted(self, count: int) -> list[str]:
        """The parameters that earlier pages had in the group and that are left for another one, if `count` stay."""
        start = self.first + count
        return [*self.plan.names[start : self.first + self._size]] if self.is_continued else []

    @property
    def share(self) -> float:
        """How much of the range was read."""
        length = self.plan.last - self.plan.first
        return 1.0 if self.is_done or not length else (self.position[0] - self.plan.first) / length

    async def read(self, count: int) -> None:
        """Read the next snapshots, so many at most; or note that there are none."""
        portion, versions = await self._portion(min(count, _MOST_SNAPSHOTS))
        end = 0
        for version, group in groupby(enumerate(versions), key=itemgetter(1)):
            start, end = end, end + sum(1 for _ in group)
            rules = await self._rules(version)
            while start < end:
                until = await self._set_configs(portion.times[start])
                stop = end if until is None else min(end, bisect_right(portion.times, until, start))
                part = portion.cut(start, stop)
                for one in self.parameters:
                    one.add(part, (rules.get(one.name), version), self.plan.draft.get(one.name))
                    if asyncio.get_running_loop().time() > self._slice_end:
                        await asyncio.sleep(0)  # others run
                        self._slice_end = asyncio.get_running_loop().time() + _SLICE
                start, self._last = stop, part.times[-1]
        if versions:
            self.position = portion.position(-1)
            self.snapshots += len(versions)
            return
        await self._set_configs(self.plan.last + 1)
        for one in self.parameters:
            one.end(self._last)
        self.is_done = True

    async def _portion(self, count: int) -> StoredPortion:
        while True:
            async with self._context.database.transaction() as connection:
                found = await self._columns.after(connection, self.position, count, self._wanted)
            names = [one.name for one in self.parameters]
            needed = {name for version in {*found.versions} for name in _conditions(await self._rules(version), names)}
            if needed <= self._wanted:
                return found
            self._wanted |= needed  # a version whose rules ask for other parameters
            self._limit_columns()

    def _limit_columns(self) -> None:
        """Leave the last parameters of the group for another one where a portion would have too many columns."""
        if len(self._wanted) <= MOST_PARAMETERS:
            return
        if len(self.parameters) == 1:
            text = f"asks for more than {MOST_PARAMETERS:,} other parameters, which is more than a preview reads"
            raise refused(f"parameters.{self.parameters[0].name}.when", text)
        self.parameters = self.parameters[: len(self.parameters) // 2]
        names = [one.name for one in self.parameters]
        self._wanted = {*names, *_conditions(self.plan.draft, names)}
        self._limit_columns()

    async def _rules(self, version: int) -> Rules:
        if not version:
            return _NO_RULES
        return (await self._context.limits.of(self._context.database, self.plan.spacecraft_id, version)).rules

    async def _set_configs(self, before: int) -> int | None:
        """Take the configs that were set after the last snapshot and before a time; when the next one was set."""
        for time, version in self.plan.starts:
            if time >= before:
                return time
            if time >= self._last:
                rules = await self._rules(version)
                for one in self.parameters:
                    one.set_config(time, version, rules.get(one.name))
        return None


def _conditions(rules: Rules, names: Collection[str]) -> set[str]:
    """The parameters that rules of others ask for."""
    ruled = (rules[name] for name in names if name in rules)
    return {one.parameter for rule in ruled for context, _ in rule.when for one in context}
