"""The response to a preview: what a part of it found, parameter by parameter."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from missionops.domain import number, severity, timestamp
from missionops.domain.parameter_set import Value
from missionops.domain.preview.comparison import NOW, THEN
from missionops.domain.preview.digest import Mean
from missionops.domain.preview.findings import Difference, FoundAlarm, SideTally
from missionops.domain.preview.parameter import MOST_TEXT, ParameterPreview
from missionops.domain.severity import Severity
from missionops.domain.timestamp import SECOND, Timestamp
from missionops.errors import Detail
from missionops.operations.configs import Warning as ConfigWarning
from missionops.operations.preview_reading import PreviewReading

_EARLIEST, _LATEST = map(timestamp.to_microseconds, (timestamp.EARLIEST, timestamp.LATEST))


class Observed(msgspec.Struct):
    """The numbers of a parameter: exact ends, and percentiles by a t-digest, off by some tenths of a percent of ranks.

    Those of a page are of its part of the range. For the percentiles of all, merge the digests: means, each with the
    count of numbers that it stands for.
    """

    min: float
    max: float
    p01: float
    p99: float
    digest: list[Mean]


class AlarmTally(msgspec.Struct, rename="camel"):
    """Alarms that ended on this page, and on the last one those that are active; all anomalies of the page."""

    alarms: int
    by_severity: dict[Severity, int]
    seconds: float
    """In alarm, the sum of all; an active one lasts until the last snapshot."""
    anomalies: int


class Peak(msgspec.Struct):
    """The worst sample."""

    timestamp: Timestamp
    value: Annotated[Value, Meta(extra_json_schema={"type": ["number", "string", "boolean", "null"]})]


class PreviewAlarm(msgspec.Struct, rename="camel"):
    """An alarm that is found on one side."""

    severity: Severity
    start: Timestamp
    raised_at: Timestamp
    end: Timestamp | None
    peak: Peak | None


class OneSidedAlarm(PreviewAlarm, rename="camel"):
    """An alarm that is found on one side alone."""

    check: str


class ChangedAlarm(msgspec.Struct):
    """An alarm of which severity, start, raisedAt or end are others."""

    check: str
    now: PreviewAlarm
    then: PreviewAlarm


class DifferenceCounts(msgspec.Struct):
    """How many alarms differ, of which at most 20 each are shown."""

    gained: int
    lost: int
    changed: int


class ParameterComparison(msgspec.Struct):
    """What this page has of one parameter."""

    parameter: str
    count: int
    """Snapshots that carry it."""
    observed: Observed | None
    """Null where there are no numbers."""
    now: AlarmTally
    """By the configs that judged the snapshots."""
    then: AlarmTally
    """By the config that is tried."""
    counts: DifferenceCounts
    gained: list[OneSidedAlarm]
    """The worst first, as in the others."""
    lost: list[OneSidedAlarm]
    changed: list[ChangedAlarm]


class PreviewResponse(msgspec.Struct, rename="camel"):
    """A part of a preview; where it is not `complete` the cursor continues it, and the parts add up.

    Nothing is taken to have been before `from`. Pages of many parameters take these in groups, by name, each through
    the whole range: a page holds those of its group.
    """

    start: Timestamp = msgspec.field(name="from")
    end: Timestamp = msgspec.field(name="to")
    until: Timestamp
    """How far this page came."""
    complete: bool
    progress: float
    """How much of the whole preview is done, from 0 to 1."""
    snapshots: int
    """Read on this page; those that an earlier group has counted are not counted again."""
    parameters: list[ParameterComparison]
    restarted: list[str]
    """Parameters that are read again from the beginning, for want of room: what earlier pages say of them is void."""
    warnings: list[ConfigWarning]
    """On the first page: what in the config checks nothing, and what of it a preview cannot show."""
    faults: list[ConfigWarning] = []
    """With `faults` in the request: why the config would be refused; nothing is read then."""


def response(
    reading: PreviewReading, count: int, share: float, warnings: Sequence[Detail], *, is_complete: bool
) -> PreviewResponse:
    """What the first `count` parameters of a group have on this page; `share` of the whole preview is done."""
    first, last = reading.plan.first, reading.plan.last
    return PreviewResponse(
        _time(first),
        _time(last),
        _time(last if reading.is_done else reading.position[0]),
        is_complete,
        share,
        0 if reading.first else reading.snapshots,
        [_comparison(one) for one in reading.parameters[:count]],
        reading.restarted(count),
        [ConfigWarning(*one) for one in warnings],
    )


def refused(start: datetime, end: datetime, faults: Sequence[Detail]) -> PreviewResponse:
    """What is wrong with a config that cannot be tried."""
    return PreviewResponse(
        start,
        end,
        start,
        complete=False,
        progress=0.0,
        snapshots=0,
        parameters=[],
        restarted=[],
        warnings=[],
        faults=[ConfigWarning(*one) for one in faults],
    )


def _comparison(one: ParameterPreview) -> ParameterComparison:
    found, digest = one.findings, one.findings.digest
    ends = [digest.least, digest.greatest, digest.quantile(0.01), digest.quantile(0.99)]
    least, greatest, p01, p99 = (number.plain(0.0 if each is None else each) for each in ends)
    observed = Observed(least, greatest, p01, p99, digest.means) if digest.means else None
    gained, lost, changed = (found.worst(name) for name in ("gained", "lost", "changed"))
    return ParameterComparison(
        one.name,
        found.count,
        observed,
        _tally(found.tallies[NOW]),
        _tally(found.tallies[THEN]),
        DifferenceCounts(**found.counts),
        [_one_sided(each) for each in gained],
        [_one_sided(each) for each in lost],
        [ChangedAlarm(each.check, *(_alarm(side) for side in (each.now, each.then) if side)) for each in changed],
    )


def _tally(tally: SideTally) -> AlarmTally:
    by_severity = {level: tally.by_severity[level] for level in Severity if level in tally.by_severity}
    return AlarmTally(sum(by_severity.values()), by_severity, tally.microseconds / SECOND, tally.anomalies)


def _one_sided(one: Difference) -> OneSidedAlarm:
    [found] = filter(None, (one.now, one.then))
    return OneSidedAlarm(**msgspec.structs.asdict(_alarm(found)), check=one.check)


def _alarm(found: FoundAlarm) -> PreviewAlarm:
    peak = None
    if found.peak:
        at, value = found.peak
        is_long = isinstance(value, str) and len(value) > MOST_TEXT
        peak = Peak(_time(at), f"{str(value)[:MOST_TEXT]}…" if is_long else value)
    return PreviewAlarm(
        severity.AT_LEVEL[found.severity],
        _time(found.start),
        _time(found.raised_at),
        None if found.end is None else _time(found.end),
        peak,
    )


def _time(microseconds: int) -> datetime:
    return timestamp.from_microseconds(min(max(microseconds, _EARLIEST), _LATEST))
