"""The course of a mission: its snapshots at given moments."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from missionops.domain.parameter_set import Value
from missionops.simulator.fault import Active, Injection
from missionops.simulator.noise import Noise
from missionops.simulator.profile import Profile

J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
DIGITS = 6
LONGEST_STEP = 30.0
WARM_UP = timedelta(hours=4)
"""Simulated before the start, so that charge and temperatures have settled."""


class Report(NamedTuple):
    """What one spacecraft reports at one time."""

    spacecraft_id: str
    timestamp: datetime
    parameters: dict[str, Value]


class Course:
    """One spacecraft from `start` on, moment after moment."""

    def __init__(self, profile: Profile, seed: int, start: datetime, injections: Iterable[Injection] = ()) -> None:
        self._profile = profile
        self._start = _seconds(start)
        self._onsets = sorted((self._start + injection.seconds, injection.name) for injection in injections)
        self._model = profile.model(Noise(seed, profile.spacecraft_id))
        self._now = _seconds(start - WARM_UP)
        self._pass_until(self._start)

    def report(self, moment: datetime) -> Report:
        """The snapshot of `moment`, which is not before the last one."""
        self._pass_until(_seconds(moment))
        reported = self._model.report(self._now, self._active())
        parameters = {
            name: round(value, DIGITS) + 0.0 if isinstance(value, float) else value for name, value in reported.items()
        }
        return Report(self._profile.spacecraft_id, moment, parameters)

    def _pass_until(self, end: float) -> None:
        # A fault begins on time, however far the moments are apart.
        for onset, _ in self._onsets:
            if self._now < onset < end:
                self._pass_evenly(onset)
        self._pass_evenly(end)

    def _pass_evenly(self, end: float) -> None:
        begin = self._now
        steps = math.ceil(max(end - begin, 0.0) / LONGEST_STEP)
        for step in range(1, steps + 1):
            self._now = begin + (end - begin) * step / steps
            self._model.advance((end - begin) / steps, self._now, self._active())

    def _active(self) -> Active:
        """The active faults; of several with one name the earliest."""
        return {name: self._now - onset for onset, name in reversed(self._onsets) if onset <= self._now}


def moments(end: datetime, count: int, interval: timedelta) -> list[datetime]:
    """`count` times at an interval, the last of them `end`."""
    return [end - interval * left for left in reversed(range(count))]


def history(
    profile: Profile, seed: int, at: Iterable[datetime], injections: Iterable[Injection] = ()
) -> Iterator[Report]:
    """The snapshots of the moments `at`, which rise; a fault's time counts from the first."""
    course = None
    for moment in at:
        course = course or Course(profile, seed, moment, injections)
        yield course.report(moment)


def _seconds(moment: datetime) -> float:
    return (moment - J2000).total_seconds()
