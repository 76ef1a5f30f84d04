"""Spans: the part of one parameter's history that late readings may have changed, folded again.

Back: readings older than the first late one are given to the kind's search, newest first, until the fold is known after
one of them. Forward: from there the fold goes on, over the late readings, until after a reading past the last of them
that leaves nothing in doubt the old episodes say the same: open or not, and how severe. What follows is as it was.

    search = kind.search(old)
    known = next(filter(None, map(search.add, readings_before(first))), None)      # None: from the beginning
    span = Span(known.fold if known else kind.fold(), known and known.position, last, old)
    for reading in readings_after(known and known.position):
        if span.add(reading):
            break
    result = span.result()
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from missionops.domain.episodes.episode import Episode, Position, Reading
from missionops.domain.episodes.fold import Fold, open_after


class Recomputed(NamedTuple):
    """What takes the place of the old episodes in a span."""

    old: Sequence[Episode]
    """Those that were open somewhere in it, in order."""
    new: Sequence[Episode]
    """What they are now. The facts of one that `is_partial` are those of a fold from before its `first_at`."""
    fold: Fold | None
    """The fold after the newest reading, where the span goes up to it; None where what follows is as it was."""


class Span(msgspec.Struct):
    """A span that is being folded; it can be left after any reading, and taken up with the next."""

    fold: Fold
    after: Position | None
    """The reading after which the fold was known; None for the beginning of what is stored."""
    until: Position
    """The last late reading."""
    old: Sequence[Episode]
    """The episodes as they were found so far: those open at `after` and all that follow."""
    new: list[Episode] = []
    joined_at: Position | None = None
    """The reading from which on everything is as it was; None as long as there is none."""

    def add(self, reading: Reading) -> bool:
        """Take the next reading; whether the span ends with it."""
        if ended := self.fold.step(reading):
            self.new.append(ended)
        if reading.position <= self.until or not self.fold.is_settled or not self.fold.is_past(self.until[0]):
            return False
        before, now = open_after(self.old, reading.position), self.fold.episode
        if (before and before.severity) == (now and now.severity):
            self.joined_at = reading.position
        return self.joined_at is not None

    def result(self) -> Recomputed:
        """What the span changed, once it has joined or nothing newer is stored."""
        joined_at = self.joined_at
        touched = [
            one
            for one in self.old
            if (self.after is None or one.closed_at is None or one.closed_at > self.after)
            and (joined_at is None or one.raised_at <= joined_at)
        ]
        if joined_at is None:
            return Recomputed(touched, [*self.new, *([self.fold.episode] if self.fold.episode else [])], self.fold)
        if head := self.fold.episode:
            # It begins as this one does, and goes on and ends as the last of those before.
            tail = touched[-1]
            later = [rise for rise in tail.rises if rise.position > joined_at]
            joined = Episode(
                head.start,
                head.first_at,
                head.rises + later,
                head.facts,
                tail.closed_at,
                tail.end,
                tail.reason,
                is_partial=True,
            )
            return Recomputed(touched, [*self.new, joined], None)
        return Recomputed(touched, self.new, None)
