"""The demo's alarms: those that the service answers, those that the half year holds, and what a late dump changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from missionops.cli.demo import opssat
from missionops.domain import history, limits, timestamp
from missionops.domain.history import JudgedSnapshot
from missionops.domain.severity import AT_LEVEL

DUMP = range(30_613, 31_153)
"""The lines of the recording that are held back: one of the logs that were kept on board and downlinked later."""


class FoundPeak(msgspec.Struct, frozen=True):
    """The worst sample of an alarm."""

    timestamp: datetime
    value: float


class FoundAlarm(msgspec.Struct, rename="camel", frozen=True):
    """What the demo reads of an alarm."""

    parameter: str
    check: str
    severity: str
    start: datetime
    raised_at: datetime
    end: datetime | None
    reason: str | None
    samples: int
    peak: FoundPeak | None
    id: str = ""
    state: str = ""
    merged_into: str | None = None

    @property
    def is_retracted(self) -> bool:
        """Whether later telemetry has shown that it was none."""
        return self.state == "RETRACTED"


class FoundTransition(msgspec.Struct):
    """What the demo reads of a message on `alarms.OPS-SAT-1`."""

    transition: str
    alarm: FoundAlarm


class AlarmRevision(NamedTuple):
    """What the dump has made of an alarm."""

    before: FoundAlarm | None
    """None: there was none."""
    now: FoundAlarm


class ReplayedAlarms(NamedTuple):
    """The alarms of the replay."""

    found: Sequence[FoundAlarm]
    """In the order of their starts; those that were retracted are left out."""
    revisions: Sequence[AlarmRevision]
    expected: frozenset[FoundAlarm]
    """What the whole half year holds, computed in one go from the recording."""

    @property
    def is_exact(self) -> bool:
        """Whether both are the same."""
        facts = [msgspec.structs.replace(one, id="", state="", merged_into=None) for one in self.found]
        return len(facts) == len(self.expected) and frozenset(facts) == self.expected


def compare(
    before: Iterable[FoundAlarm], after: Iterable[FoundAlarm], expected: frozenset[FoundAlarm]
) -> ReplayedAlarms:
    """What became of alarms by the dump, given as they were answered before and after it."""
    known, now = {one.id: one for one in before}, list(after)
    revisions = [
        AlarmRevision(known.get(one.id), one)
        for one in sorted(now, key=lambda one: (one.is_retracted, one.start))
        if one.id not in known or _told(one) != _told(known[one.id])
    ]
    found = sorted((one for one in now if not one.is_retracted), key=lambda one: one.start)
    return ReplayedAlarms(found, revisions, expected)


def _told(alarm: FoundAlarm) -> Sequence[object]:
    """What changes only by a transition; samples are counted without one."""
    return alarm.severity, alarm.state, alarm.start, alarm.raised_at, alarm.end


class _RecordedSnapshot(msgspec.Struct):
    timestamp: str
    parameters: Mapping[str, float | bool | str | None]


_decode = msgspec.json.Decoder(_RecordedSnapshot).decode


def expected(bodies: Iterable[bytes]) -> frozenset[FoundAlarm]:
    """The alarms that these snapshots hold in the order of their timestamps."""
    rules = limits.compile_rules(msgspec.json.decode(opssat.LIMITS.read_bytes()))
    snapshots = []
    for snapshot in map(_decode, bodies):
        time = timestamp.to_microseconds(timestamp.parse(snapshot.timestamp))
        snapshots.append(JudgedSnapshot((time, time, ""), snapshot.parameters, 1))
    found = []
    for parameter, check, episode in history.alarms(snapshots, {1: rules}):
        peak = episode.facts.peak
        found.append(
            FoundAlarm(
                parameter,
                check,
                AT_LEVEL[episode.severity],
                timestamp.from_microseconds(episode.start),
                timestamp.from_microseconds(episode.raised_at[0]),
                None if episode.end is None else timestamp.from_microseconds(episode.end),
                episode.reason,
                episode.facts.samples,
                peak and FoundPeak(timestamp.from_microseconds(peak.position[1]), float(peak.value)),  # type: ignore[arg-type]
            )
        )
    return frozenset(found)
