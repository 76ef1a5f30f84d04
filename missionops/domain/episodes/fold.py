"""Folds: a state that takes the readings of one parameter and check in order, and finds their episodes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from missionops.domain.episodes.episode import Episode, Facts, Position, Reading


class Fold(msgspec.Struct):
    """What later readings need to know of all earlier ones. A copy of it is its JSON (msgspec)."""

    episode: Episode | None = None
    """The one that is open."""

    is_settled: bool = False
    """Whether the last reading leaves nothing in doubt: what follows depends on what is open and how severe it is."""

    def step(self, reading: Reading) -> Episode | None:
        """Take the next reading; the episode that ended by it, if one did."""
        raise NotImplementedError

    def is_past(self, _time: int) -> bool:
        """Whether nothing of that time or earlier is compared with what follows."""
        return True


class Known(NamedTuple):
    """What a fold is after the reading at a position."""

    position: Position
    fold: Fold


class BackwardSearch:
    """Finds where a fold is known: readings are added newest first."""

    def __init__(self, old: Sequence[Episode]) -> None:
        self.old = old
        """The episodes that were found so far, in order: what was open after a reading is read from them."""

    def add(self, reading: Reading) -> Known | None:
        """Add the next older reading; None as long as the fold is known after none of them."""
        raise NotImplementedError

    def open_after(self, position: Position) -> Episode | None:
        """The episode that was open after a reading, as it was then; its samples are not counted."""
        return open_after(self.old, position)


def open_after(old: Sequence[Episode], position: Position) -> Episode | None:
    """The episode that is open after the reading at a position, as it was then; its samples are not counted."""
    for one in old:
        if one.raised_at > position:
            break
        if one.closed_at is None or position < one.closed_at:
            rises = [rise for rise in one.rises if rise.position <= position]
            return Episode(one.start, one.first_at, rises, Facts(), is_partial=True)
    return None


def folded(fold: Fold, readings: Iterable[Reading]) -> Iterator[Episode]:
    """The episodes of readings in order; one that is open at their end is the last."""
    for reading in readings:
        if ended := fold.step(reading):
            yield ended
    if fold.episode:
        yield fold.episode
