"""Kinds of checks: what each of them brings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from missionops.domain.episodes.episode import Episode
from missionops.domain.episodes.fold import BackwardSearch, Fold
from missionops.domain.episodes.judgement import Judgement
from missionops.domain.rule_key import KeyCheck
from missionops.errors import Detail


class Kind(NamedTuple):
    """A kind of check."""

    keys: Mapping[str, KeyCheck]
    """The keys of a rule that are its own, and what their values may be."""
    contradictions: Callable[[str, Mapping[str, Any]], Iterator[Detail]]
    """The faults of a rule at a path, whose keys are valid one by one."""
    compiled: Callable[[Mapping[str, Any]], Any]
    """The check of a valid rule; None if the rule does not have it."""
    describe: Callable[[str, str, float | str], str]
    """What happened, in a sentence about a parameter, the name of a limit and its value."""
    fold: Callable[[], Fold]
    """The fold of its readings, at the beginning."""
    search: Callable[[Sequence[Episode]], BackwardSearch]
    """Where that fold is known, going back from a late reading; the argument is what was found so far."""
    decode: Callable[[bytes], Fold]
    """A fold from its JSON."""
    suffix: Callable[[Judgement], str] | None = None
    """What ends the id of an anomaly; None where one snapshot alone makes none."""


def no_contradictions(_path: str, _rule: Mapping[str, Any]) -> Iterator[Detail]:
    """For a kind whose keys cannot contradict each other."""
    return iter(())
