"""Episodes: what an alarm is by definition, and the readings that they are found in."""

from typing import Any, Literal, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.episodes.judgement import Judgement
from missionops.domain.parameter_set import Value

Position = tuple[int, int, str]
"""Where a snapshot stands among those of its spacecraft: time, timestamp (microseconds since 1970) and id.

Time is the timestamp, or when it was received where the clock cannot be right. Text compares by code point.
"""

Reason = Literal["unmonitored"]
"""Why an episode ended without its samples being nominal."""

_FIRST, _LAST = (timestamp.to_microseconds(moment) for moment in (timestamp.EARLIEST, timestamp.LATEST))


def beginning_of(time: int) -> Position:
    """The position before all snapshots of that time."""
    return time, _FIRST, ""


def end_of(time: int) -> Position:
    """The position after all snapshots of that time."""
    return time, _LAST, "\U0010ffff"


class Reading(NamedTuple):
    """What one snapshot means for one parameter and one kind of check."""

    position: Position
    value: Value
    """None where the snapshot does not carry the parameter."""
    check: Any
    """The check in force: of the version that judged the snapshot, and the `when` that holds in it; None if none."""
    version: int = 0
    """The config version that judged the snapshot."""
    waits: bool = True
    """Whether an alarm that it raises waits for an operator once it has returned."""


def unmonitored(time: int, version: int) -> Reading:
    """A version that has not the check was set: it ends what is open, as a snapshot that carries the parameter does.

    `time` is when it was set, or that of the newest snapshot that an earlier version judged, whichever is later.
    """
    return Reading(end_of(time), value=False, check=None, version=version)


class SampleAt(NamedTuple):
    """A value, and where it stands."""

    position: Position
    value: Value


class Facts(msgspec.Struct):
    """What is told of the samples of an episode."""

    samples: int = 0
    """Those above a limit."""
    first: SampleAt | None = None
    peak: SampleAt | None = None
    """Of the highest level; of those the farthest beyond its limit; of those the first."""
    last: SampleAt | None = None
    level: int = 0
    """That of the last sample."""
    peak_level: int = 0
    peak_excess: int | float = 0

    def add(self, reading: Reading, judgement: Judgement) -> None:
        """Add the next sample."""
        self.last = SampleAt(reading.position, reading.value)
        self.level = judgement.level
        if not judgement.level:
            return
        self.samples += 1
        self.first = self.first or self.last
        if (judgement.level, judgement.excess) > (self.peak_level, self.peak_excess):
            self.peak, self.peak_level, self.peak_excess = self.last, judgement.level, judgement.excess


class Rise(NamedTuple):
    """That the severity of an episode became this."""

    level: int
    position: Position
    limit: str
    bound: int | float | str
    """The limit that the sample broke, as its name and value."""
    version: int
    """The config version that judged the sample."""
    waits: bool = True
    """Whether, by its rule, the alarm waits for an operator once it has returned."""


class Episode(msgspec.Struct):
    """One time in which a check was not met."""

    start: int
    first_at: Position
    """Of the first sample; for STALE, where no sample begins it, the position of `start`."""
    rises: list[Rise]
    """The first one raised it; there are at most four."""
    facts: Facts
    closed_at: Position | None = None
    """The sample at which its end was known; None while it is open."""
    end: int | None = None
    reason: Reason | None = None
    is_partial: bool = False
    """Whether `facts` lack samples: those before or after what was computed again."""

    @property
    def severity(self) -> int:
        """From 1 to 4."""
        return self.rises[-1].level

    @property
    def raised_at(self) -> Position:
        """The sample that raised it."""
        return self.rises[0].position

    def overlaps(self, other: "Episode") -> bool:
        """Whether both were open at one time, each from its first sample to the one at which its end was known."""
        return (other.closed_at is None or self.first_at <= other.closed_at) and (
            self.closed_at is None or other.first_at <= self.closed_at
        )

    def close(self, position: Position, end: int, reason: Reason | None = None) -> None:
        """End it; that is known at `position`."""
        self.closed_at, self.end, self.reason = position, end, reason
