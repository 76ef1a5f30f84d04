"""What the owner of a partition remembers of each spacecraft's alarms: the folds that are not quiet.

It is a copy: whatever is forgotten is folded again from stored snapshots.
"""

from missionops.domain import rule
from missionops.domain.episodes.episode import Position
from missionops.domain.episodes.fold import Fold
from missionops.domain.episodes.level_fold import LevelFold

Key = tuple[str, int]
"""A parameter and a kind of check (its place in rule.KINDS)."""

_MOST_SPACECRAFT = 25_000
_MOST_FOLDS = 50_000
_MOST_SETS = 8


class LiveFold:
    """A fold, and the alarm that tells of its open episode."""

    __slots__ = ("alarm_id", "fold", "told_severity")

    def __init__(self, fold: Fold, alarm_id: str | None = None) -> None:
        self.fold = fold
        self.alarm_id = alarm_id
        """None: there is no open episode, or it was not told yet."""
        self.told_severity = fold.episode.severity if fold.episode else 0


class SpacecraftMemory:
    """What is remembered of one spacecraft."""

    __slots__ = (
        "busy_until",
        "changes",
        "coming",
        "ended",
        "is_known",
        "judged_until",
        "live",
        "newest",
        "version",
        "with_memory",
    )

    def __init__(self, *, is_known: bool) -> None:
        self.is_known = is_known
        """Whether `live` has all folds that are not quiet; else a mark says that they are to be found."""
        self.version = 0
        """The newest config version that is known here."""
        self.judged_until: dict[int, int] = {}
        """While it is not known: by config version, the newest time of what that judged."""
        self.live: dict[Key, LiveFold] = {}
        self.newest: dict[type, Position] = {}
        """By the class of the values: the position of the newest snapshot. Other snapshots are late where they share
        parameters with one of these and come before it."""
        self.busy_until: Position | None = None
        """Where the last alarm ended: a nominal snapshot after that changes nothing, in whatever order it comes."""
        self.coming: list[tuple[int, int]] = []
        """Times after `newest` at which a config version ends what it does not check, each with the version."""
        self.ended: frozenset[Key] = frozenset()
        """The checks in force that one of these ends which is no longer in force."""
        self.with_memory: tuple[int, frozenset[Key]] = (0, frozenset())
        """Up to a config version: the checks of any version that every snapshot matters to."""
        self.changes = 0
        """How many batches have had snapshots of it."""

    def copy(self) -> "SpacecraftMemory":
        """The same, to be changed without changing this one."""
        found = SpacecraftMemory(is_known=self.is_known)
        for name in self.__slots__:
            setattr(found, name, getattr(self, name))
        found.live, found.newest, found.judged_until = dict(self.live), dict(self.newest), {}
        return found

    def note(self, values: type, position: Position) -> None:
        """A snapshot with such values was folded."""
        known = self.newest.get(values)
        if known is None or position > known:
            self.newest[values] = position
            if len(self.newest) > _MOST_SETS:  # sets are learned anew now and then, and the old ones kept in vain
                self.newest = {dict: max(self.newest.values())}

    def close(self, position: Position) -> None:
        """An alarm has ended at a position."""
        self.busy_until = max(self.busy_until or position, position)

    def keep(self, key: Key, live: LiveFold) -> None:
        """Keep a fold if it is not quiet."""
        if is_quiet(key, live.fold):
            self.live.pop(key, None)
        else:
            self.live[key] = live


def is_quiet(key: Key, fold: Fold) -> bool:
    """Whether a fold says no more than a new one does."""
    has_memory = rule.kind_at(key[1]).suffix is None
    return not has_memory and fold.episode is None and isinstance(fold, LevelFold) and fold.pending is None


class AlarmMemory:
    """What is remembered of all spacecraft, within a bound."""

    def __init__(self) -> None:
        self._kept: dict[str, SpacecraftMemory] = {}

    def get(self, spacecraft_id: str) -> SpacecraftMemory | None:
        """What is remembered of a spacecraft."""
        return self._kept.get(spacecraft_id)

    def begin(self, spacecraft_id: str, *, is_known: bool) -> SpacecraftMemory:
        """Remember a spacecraft from now on."""
        found = self._kept[spacecraft_id] = SpacecraftMemory(is_known=is_known)
        return found

    def put(self, spacecraft_id: str, memory: SpacecraftMemory) -> None:
        """Remember this from now on instead of what was remembered of a spacecraft."""
        self._kept[spacecraft_id] = memory

    def forget(self, spacecraft_id: str) -> None:
        """Forget a spacecraft: its next telemetry is folded with what is stored."""
        self._kept.pop(spacecraft_id, None)

    def make_room(self) -> None:
        """Forget what was remembered first where it is too much."""
        folds = sum(len(one.live) for one in self._kept.values())
        while self._kept and (len(self._kept) > _MOST_SPACECRAFT or folds > _MOST_FOLDS):
            oldest = next(iter(self._kept))
            folds -= len(self._kept.pop(oldest).live)
