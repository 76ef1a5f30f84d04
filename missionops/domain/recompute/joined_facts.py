"""What is told of the samples of an episode of which only a part was folded again, without reading the rest."""

from collections.abc import Sequence

from missionops.domain.episodes.episode import Episode, Facts, Position


def joined(episode: Episode, old: Sequence[Episode]) -> Facts | None:
    """The facts of an episode, given with those of the part that was folded again; `old` are the episodes before.

    `samples` are those of the old episode with most of them, and not counted anew. None where these facts do not say
    all: the worst sample of an old episode is no longer in this one.

    It is for checks that judge each sample by its own snapshot: what is in both was judged the same.
    """
    parts = [
        one
        for one in old
        if (episode.closed_at is None or one.first_at <= episode.closed_at)
        and (one.closed_at is None or one.closed_at >= episode.first_at)
    ]
    if any(one.is_partial or not (one.facts.peak and _holds(episode, one.facts.peak.position)) for one in parts):
        return None
    all_facts = [episode.facts, *(one.facts for one in parts)]
    first = next((one.first for one in all_facts if one.first and one.first.position == episode.first_at), None)
    peaks = [(one.peak_level, one.peak_excess, one.peak) for one in all_facts if one.peak]
    lasts = [(one.last, one.level) for one in all_facts if one.last and _holds(episode, one.last.position)]
    if first is None or not peaks or not lasts:
        return None
    level, excess = max((level, excess) for level, excess, _ in peaks)
    peak = min((one for *worst, one in peaks if worst == [level, excess]), key=lambda one: one.position)
    last, last_level = max(lasts, key=lambda one: one[0].position)
    samples = max(one.samples for one in all_facts)
    return Facts(samples, first, peak, last, last_level, level, excess)


def _holds(episode: Episode, position: Position) -> bool:
    return episode.first_at <= position and (episode.closed_at is None or position <= episode.closed_at)
