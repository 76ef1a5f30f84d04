"""What becomes of alarms whose episodes were found anew: which goes on as which, and what is to be told of it."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from missionops.domain.episodes.episode import Episode

Id = TypeVar("Id", bound=Hashable)


class GoesOn(NamedTuple):
    """An alarm goes on as an episode."""

    episode: Episode
    is_revised: bool
    """Its severity fell, or start, raisedAt or end changed otherwise than by returning."""
    has_risen: bool
    """Its severity rose."""
    has_returned: bool
    """It was active and ended."""
    is_active_again: bool
    """It had ended and is active."""


class Retracted(NamedTuple, Generic[Id]):
    """No episode is left of an alarm, or it goes on in another alarm."""

    merged_into: Id | None


class Matching(NamedTuple, Generic[Id]):
    """What becomes of the alarms of one parameter and check, and which episodes are new alarms."""

    alarms: Mapping[Id, GoesOn | Retracted[Id]]
    new: Sequence[Episode]


def match(alarms: Mapping[Id, Episode], episodes: Sequence[Episode]) -> Matching[Id]:
    """What becomes of alarms, given by id with the episodes they were, now that these are the episodes.

    An alarm goes on as the first episode that overlaps it, from its start to the sample at which its end was known;
    without one it is retracted. Where several go on as one episode the earliest stays.
    """
    found: dict[Id, GoesOn | Retracted[Id]] = {}
    taken: dict[int, Id] = {}
    for identifier, old in sorted(alarms.items(), key=lambda item: item[1].first_at):
        index = next((index for index, one in enumerate(episodes) if old.overlaps(one)), None)
        if index is None:
            found[identifier] = Retracted(None)
        elif index in taken:
            found[identifier] = Retracted(taken[index])
        else:
            taken[index] = identifier
            found[identifier] = goes_on(old, episodes[index])
    return Matching(found, [one for index, one in enumerate(episodes) if index not in taken])


def goes_on(old: Episode, now: Episode) -> GoesOn:
    """What is to be told of an alarm that was one episode and goes on as another."""
    has_returned = old.end is None and now.end is not None
    end_changed = not has_returned and (old.end, old.reason) != (now.end, now.reason)
    return GoesOn(
        now,
        is_revised=now.severity < old.severity
        or (old.start, old.raised_at[0]) != (now.start, now.raised_at[0])
        or end_changed,
        has_risen=now.severity > old.severity,
        has_returned=has_returned,
        is_active_again=old.end is not None and now.end is None,
    )
