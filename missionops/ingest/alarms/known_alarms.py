"""The alarms of one parameter and check as they were told, and what becomes of them while spans are folded again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from missionops.domain import rule, timestamp
from missionops.domain.alarm import Alarm
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Episode, Facts, Position
from missionops.domain.recompute import joined_facts
from missionops.domain.recompute.matching import GoesOn, Matching, Retracted, goes_on
from missionops.domain.timestamp import DAY
from missionops.ingest.alarms.memory import Key
from missionops.ingest.alarms.writing import New, new_id
from missionops.store import alarms, anomalies
from missionops.store.database import Connection

_EARLIEST, _LATEST = (timestamp.to_microseconds(moment) for moment in (timestamp.EARLIEST, timestamp.LATEST))


@dataclass(slots=True, eq=False)
class KnownAlarm:
    """An alarm, and what it has become."""

    id: str
    told: Episode | None
    """As it was told; None: it is new."""
    now: Episode
    is_late: bool = False
    is_retracted: bool = False
    merged_into: str | None = None


class KnownAlarms:
    """Those that were open between two positions, which move as far as is needed."""

    def __init__(self, connection: Connection, spacecraft_id: str, key: Key) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self.key = key
        self._first: Position | None = None
        self._last: Position | None = None
        self._there: list[KnownAlarm] = []
        """Those between, in order, which are not retracted."""
        self._left: list[KnownAlarm] = []
        """Those that have changed and are no longer between, or were retracted."""
        self._by_id: dict[str, KnownAlarm] = {}
        self._uncounted: dict[int, Episode] = {}
        """By identity: those of which `facts.samples` are not counted yet."""

    def preload(self, found: Sequence[Alarm], first: Position, last: Position) -> None:
        """These are known to be all between two positions."""
        self._first, self._last = first, last
        self._there = [KnownAlarm(one.id, one.episode, one.episode) for one in found]
        self._by_id = {one.id: one for one in self._there}

    async def cover(self, first: Position, last: Position) -> None:
        """Have all that were open between these positions; of what is near, only what was not read before is read."""
        known = {one.id: one for one in (*self._left, *self._there)}
        missing = [(first, last)]
        if self._first is not None and self._last is not None:
            if self._first <= first and last <= self._last:
                return
            if first[0] <= self._last[0] + DAY and last[0] >= self._first[0] - DAY:
                missing = [(first, self._first)] if first < self._first else []
                missing += [(self._last, last)] if last > self._last else []
                first, last = min(first, self._first), max(last, self._last)
            else:
                known = {name: one for name, one in known.items() if one.told is not one.now or one.is_retracted}
        self._first, self._last = first, last
        key = self.key[0], rule.KINDS[self.key[1]]
        for part in missing:
            for one in await alarms.between(self._connection, self._spacecraft_id, key, *part):
                known.setdefault(one.id, KnownAlarm(one.id, one.episode, one.episode))
        self._left, self._there = [], []
        for each in known.values():  # some are new, or have moved
            (self._left if each.is_retracted or not self._lies_between(each.now) else self._there).append(each)
        self._there.sort(key=lambda one: one.now.raised_at)
        self._by_id = {one.id: one for one in self._there}

    def _lies_between(self, episode: Episode) -> bool:
        first, last = self._first, self._last
        if first is None or last is None:
            return False
        return episode.raised_at <= last and (episode.closed_at is None or episode.closed_at >= first)

    @property
    def episodes(self) -> list[Episode]:
        """What they are now, in order."""
        return [one.now for one in self._there]

    def named(self, old: Sequence[Episode]) -> Mapping[str, Episode]:
        """These episodes by the ids of their alarms."""
        wanted = {id(one) for one in old}
        return {one.id: one.now for one in self._there if id(one.now) in wanted}

    def apply(self, matching: Matching[str], *, is_late: bool) -> None:
        """Take what has become of them."""
        for identifier, becomes in matching.alarms.items():
            known = self._by_id[identifier]
            if isinstance(becomes, GoesOn):
                known.now = becomes.episode
            else:
                known.is_retracted, known.merged_into = True, becomes.merged_into
                self._there.remove(known)
                self._left.append(known)
                del self._by_id[identifier]
        for episode in matching.new:
            known = KnownAlarm(new_id(), None, episode, is_late)
            self._by_id[known.id] = known
            self._there.append(known)
        self._there.sort(key=lambda one: one.now.raised_at)

    def facts(self, episode: Episode, old: Sequence[Episode]) -> Facts | None:
        """The facts of an episode without reading all of it, which may have stood for months.

        It is given with those of the part that was folded again, and with the episodes before. Its samples are counted
        by `count_samples`. None where all of it has to be read.
        """
        check = rule.KINDS[self.key[1]]
        if check == "STALE":  # it has no samples
            return Facts(level=episode.severity)
        if check == "CHANGE" or (found := joined_facts.joined(episode, old)) is None:
            return None
        self._uncounted[id(episode)] = episode
        return found

    async def count_samples(self, *, has_misdated: bool) -> None:
        """Count the samples of those of which only parts were folded again: each above a limit is stored as an anomaly.

        `has_misdated`: whether snapshots of the spacecraft stand elsewhere than at their timestamp.
        """
        parameter, is_state = self.key[0], rule.KINDS[self.key[1]] == "STATE"
        for one in (*self._left, *self._there) if self._uncounted else ():
            if id(one.now) in self._uncounted and not one.is_retracted:
                facts, between = one.now.facts, (one.now.first_at, one.now.closed_at or episodes.end_of(_LATEST))
                counted = await anomalies.count(
                    self._connection, self._spacecraft_id, parameter, between,
                    is_state=is_state, has_misdated=has_misdated,
                )  # fmt: skip
                # Samples that retention has removed stay in the count.
                facts.samples = counted.found if counted.has_first else max(counted.found, facts.samples)
        self._uncounted.clear()

    @property
    def open(self) -> KnownAlarm | None:
        """The one that is open."""
        return next((one for one in reversed(self._there) if one.now.end is None), None)

    @property
    def has_changed(self) -> bool:
        """Whether there is anything to write."""
        return any(True for _ in self.new()) or any(True for _ in self.changed())

    def new(self) -> Iterator[New]:
        """Those that are to be raised."""
        for one in (*self._left, *self._there):
            if one.told is None and not one.is_retracted:
                yield New(one.id, self._spacecraft_id, self.key, one.now, one.is_late)

    def changed(self) -> Iterator[tuple[str, GoesOn | Retracted[str]]]:
        """What became of those that were told; of several steps, what they come to."""
        for one in (*self._left, *self._there):
            if one.told is None:
                continue
            if one.is_retracted:
                yield one.id, Retracted(one.merged_into)
            elif one.told != one.now:
                yield one.id, goes_on(one.told, one.now)


def before(position: Position, microseconds: int) -> Position:
    """The beginning of a time so long before a position."""
    return episodes.beginning_of(max(position[0] - microseconds, _EARLIEST))


def after(position: Position, microseconds: int) -> Position:
    """The end of a time so long after a position."""
    return episodes.end_of(min(position[0] + microseconds, _LATEST))
