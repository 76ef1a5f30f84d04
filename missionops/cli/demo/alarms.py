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


class Peak(msgspec.Struct, frozen=True):
    """The worst sample of an alarm."""

    timestamp: datetime
    value: float


class Alarm(msgspec.Struct, rename="camel", frozen=True):
    """What the demo reads of an alarm."""

    parameter: str
    check: str
    severity: str
    start: datetime
    raised_at: datetime
    end: datetime | None
    reason: str | None
    samples: int
    peak: Peak | None
    id: str = ""
    state: str = ""
    merged_into: str | None = None

    @property
    def is_retracted(self) -> bool:
        """Whether later telemetry has shown that it was none."""
        return self.state == "RETRACTED"


class Transition(msgspec.Struct):
    """What the demo reads of a message on `alarms.OPS-SAT-1`."""

    transition: str
    alarm: Alarm


class Revision(NamedTuple):
    """What the dump has made of an alarm."""

    before: Alarm | None
    """None: there was none."""
    now: Alarm


class Alarms(NamedTuple):
    """The alarms of the replay."""

    found: Sequence[Alarm]
    """In the order of their starts; those that were retracted are left out."""
    revisions: Sequence[Revision]
    expected: frozenset[Alarm]
    """What the whole half year holds, computed in one go from the recording."""

    @property
    def is_exact(self) -> bool:
        """Whether both are the same."""
        facts = [msgspec.structs.replace(one, id="", state="", merged_into=None) for one in self.found]
        return len(facts) == len(self.expected) and frozenset(facts) == self.expected


def compare(before: Iterable[Alarm], after: Iterable[Alarm], expected: frozenset[Alarm]) -> Alarms:
    """What became of alarms by the dump, given as they were answered before and after it."""
    known, now = {one.id: one for one in before}, list(after)
    revisions = [
        Revision(known.get(one.id), one)
        for one in sorted(now, key=lambda one: (one.is_retracted, one.start))
        if one.id not in known or _told(one) != _told(known[one.id])
    ]
    found = sorted((one for one in now if not one.is_retracted), key=lambda one: one.start)
    return Alarms(found, revisions, expected)


def _told(alarm: Alarm) -> Sequence[object]:
    """What changes only by a transition; samples are counted without one."""
    return alarm.severity, alarm.state, alarm.start, alarm.raised_at, alarm.end


class _Snapshot(msgspec.Struct):
    timestamp: str
    parameters: Mapping[str, float | bool | str | None]


_decode = msgspec.json.Decoder(_Snapshot).decode


def expected(bodies: Iterable[bytes]) -> frozenset[Alarm]:
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
            Alarm(
                parameter,
                check,
                AT_LEVEL[episode.severity],
                timestamp.from_microseconds(episode.start),
                timestamp.from_microseconds(episode.raised_at[0]),
                None if episode.end is None else timestamp.from_microseconds(episode.end),
                episode.reason,
                episode.facts.samples,
                peak and Peak(timestamp.from_microseconds(peak.position[1]), float(peak.value)),  # type: ignore[arg-type]
            )
        )
    return frozenset(found)
