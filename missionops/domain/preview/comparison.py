"""Comparisons: which alarms of one history are those of another one, and which are gained, lost or changed.

Both are in order. Two that overlap, from the first sample to the one at which the end was known, are one alarm; where
several overlap the first ones are taken together. The result does not depend on how much is known at a time: an alarm
waits until nothing that comes later could change it.
"""

from collections.abc import Iterator, Sequence

import msgspec

from missionops.domain.episodes.episode import Episode, Position
from missionops.domain.episodes.fold import Fold
from missionops.domain.episodes.level_fold import LevelFold

NOW, THEN = 0, 1
"""What the configs found that judged the telemetry, and what another one would have found."""

Pair = tuple[Episode | None, Episode | None]
"""An alarm as it is now and as it would be; None where there is none."""


class AlarmComparison(msgspec.Struct, array_like=True):
    """The alarms of one parameter and check that ended, and wait for what they are compared with."""

    now: list[Episode] = []
    then: list[Episode] = []

    def queue(self, side: int) -> list[Episode]:
        """Those of one side."""
        return self.then if side == THEN else self.now

    def pairs(self, folds: Sequence[Fold], *, is_end: bool = False) -> Iterator[Pair]:
        """What is certain while the folds go on; at the end all that is left, and what is open goes on for ever."""
        queues = self.now, self.then
        for side in (NOW, THEN) if is_end else ():
            queues[side].extend(filter(None, [folds[side].episode]))
        while True:
            now, then = (
                queues[side][0] if queues[side] else None if is_end else folds[side].episode for side in (NOW, THEN)
            )
            if now and then:
                if not now.overlaps(then):
                    side = NOW if now.first_at < then.first_at else THEN
                    yield _alone(side, queues[side].pop(0))
                elif is_end or (now.closed_at and then.closed_at):
                    yield queues[NOW].pop(0), queues[THEN].pop(0)
                else:
                    yield from self._later(NOW)
                    yield from self._later(THEN)
                    return
                continue
            side, alone = (NOW, now) if now else (THEN, then)
            if alone is None or not (is_end or alone.closed_at):
                return
            other = folds[THEN if side == NOW else NOW]
            if not is_end and alone.closed_at and _can_begin_before(other, alone.closed_at):
                if isinstance(other, LevelFold):
                    yield from self._later(side)
                return
            yield _alone(side, queues[side].pop(0))

    def _later(self, side: int) -> Iterator[Pair]:
        """All that ended but the first: the first overlaps what goes on, or may begin to, and these meet none."""
        queue = self.queue(side)
        yield from (_alone(side, each) for each in queue[1:])
        del queue[1:]


def _alone(side: int, one: Episode) -> Pair:
    return (one, None) if side == NOW else (None, one)


def _can_begin_before(fold: Fold, position: Position) -> bool:
    """Whether an episode may still be found that began up to a position in the past."""
    if isinstance(fold, LevelFold):
        return fold.pending is not None and fold.pending.first_at <= position
    since: int | None = getattr(fold, "since", None)
    return since is not None and since <= position[0]
