"""Folds marked spans again from what is stored, and says what becomes of the alarms in them."""

from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import NamedTuple

import msgspec

from missionops.domain import rule, timestamp
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Episode, Facts, Position, Reading
from missionops.domain.episodes.fold import BackwardSearch, Fold, Known
from missionops.domain.episodes.level_fold import LevelFold
from missionops.domain.history import JudgedSnapshot
from missionops.domain.recompute.matching import match
from missionops.domain.recompute.span import Span
from missionops.ingest.alarms import known_alarms
from missionops.ingest.alarms.known_alarms import DAY, KnownAlarms
from missionops.ingest.alarms.memory import Key
from missionops.ingest.alarms.pace import Pace
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.store.judged_snapshots import JudgedSnapshots

_HOUR = 3_600_000_000
_EARLIEST = timestamp.to_microseconds(timestamp.EARLIEST)
BEGINNING: Position = episodes.beginning_of(_EARLIEST)
END: Position = episodes.end_of(timestamp.to_microseconds(timestamp.LATEST))
_MOST_KEPT = 250_000
"""Values of snapshots that are kept for the next parameter to be folded, of some 100 bytes each."""
_OF_ITSELF = 5
"""A snapshot takes as much memory as so many values, beside its own."""
_LARGE = 200
"""Values in a snapshot above which those are left out that nobody needs."""
_TURN = 100
"""Readings after which others may work."""


class MarkedSpan(NamedTuple):
    """A span of one parameter and check that is to be folded again."""

    first: Position
    last: Position
    """The end of time: up to the newest snapshot."""
    is_late: bool


class History:
    """The snapshots of one spacecraft in both directions; what was read for one parameter is kept for the next.

    Of large snapshots only the values are kept that the prepared parameters need.
    """

    def __init__(self, snapshots: JudgedSnapshots, versions: RuleVersions, pace: Pace) -> None:
        self.pace = pace
        self._snapshots = snapshots
        self._versions = versions
        self._is_narrowed = False
        self._count = 0
        """How many values are kept."""
        self._cut: set[tuple[bool, Position]] = set()
        """Of these not all are kept that were read."""
        self._kept: dict[tuple[bool, Position], list[JudgedSnapshot]] = {}
        self._sources: dict[tuple[bool, Position], AsyncIterator[JudgedSnapshot] | None] = {}

    def prepare(self, parameters: Sequence[str]) -> None:
        """What is asked for next is about these parameters."""
        self._versions.prepare(parameters)
        if self._is_narrowed:
            self._kept.clear()
            self._sources.clear()
            self._cut.clear()
            self._is_narrowed, self._count = False, 0

    async def has_misdated(self) -> bool:
        """Whether any of them stands elsewhere than at its timestamp."""
        return await self._snapshots.has_misdated()

    def after(self, position: Position) -> AsyncIterator[JudgedSnapshot]:
        """Those after a position, in order."""
        return self._read(position, is_ascending=True)

    def before(self, position: Position) -> AsyncIterator[JudgedSnapshot]:
        """Those before a position, the newest first."""
        return self._read(position, is_ascending=False)

    async def _read(self, position: Position, *, is_ascending: bool) -> AsyncIterator[JudgedSnapshot]:
        source, key = self._snapshots.after if is_ascending else self._snapshots.before, (is_ascending, position)
        kept = self._kept.setdefault(key, [])
        for one in kept:
            yield one
        if key in self._cut:
            rest: AsyncIterator[JudgedSnapshot] | None = source(kept[-1].position if kept else position)
        else:
            rest = self._sources.setdefault(key, source(position))
        if rest is None:
            return
        async for one in rest:
            if len(one.values) > _LARGE:
                self._is_narrowed = True
                used = await self._versions.used(one.version)
                one = one._replace(values={name: one.values[name] for name in used & one.values.keys()})  # noqa: PLW2901
            if self._count > _MOST_KEPT:
                self._cut.add(key)
            if key not in self._cut:
                kept.append(one)
                self._count += len(one.values) + _OF_ITSELF
            yield one
        if key not in self._cut:
            self._sources[key] = None


class Refold:
    """Folds one parameter and check of a spacecraft again."""

    def __init__(self, history: History, versions: RuleVersions, key: Key, known: KnownAlarms) -> None:
        self._history = history
        self._versions = versions
        self._key = key
        self._kind = rule.kind_at(key[1])
        self._known = known

    async def fold(self, marked: MarkedSpan) -> Fold | None:
        """Fold a span; the fold after the newest snapshot, or None where what follows is as it was."""
        await self._known.cover(known_alarms.before(marked.first, 0), marked.first)
        old = self._known.episodes
        known = await self._search(self._kind.search(old), marked.first, old)
        span = Span(known.fold if known else self._kind.fold(), known and known.position, marked.last, old)
        goes_on = None if marked.is_late else _Resumed.of(span, old)
        covered, steps = marked.first, count(1)
        async for reading in self._readings_after(span.after):
            if reading.position > covered:
                covered = known_alarms.after(reading.position, DAY)
                await self._known.cover(marked.first, covered)
                old[:] = self._known.episodes
            is_joined = span.add(reading)
            if goes_on:
                goes_on.add(reading, span.fold)
            if is_joined:
                break
            if next(steps) % _TURN == 0:
                await self._history.pace.rest()
        else:  # what follows the newest snapshot, if anything, is of what is not stored any more
            await self._known.cover(marked.first, END)
            old[:] = self._known.episodes
        result = span.result()
        for one in result.new:
            if one.is_partial and not (goes_on and goes_on.complete(one)):
                await self._count(one, result.old)
        self._known.apply(match(self._known.named(result.old), result.new), is_late=marked.is_late)
        return result.fold

    async def _search(self, search: BackwardSearch, first: Position, old: list[Episode] | None) -> Known | None:
        """Where the fold is known before a position; None: nowhere, so it begins with what is stored."""
        covered, reach, oldest, steps = known_alarms.before(first, 0), _HOUR, first, count(1)
        async for reading in self._readings_before(first):
            if next(steps) % _TURN == 0:
                await self._history.pace.rest()
            oldest = reading.position
            if old is not None and reading.position < covered:  # what was open there is read, too
                covered = known_alarms.before(reading.position, reach)
                reach *= 8
                await self._known.cover(covered, first)
                old[:] = self._known.episodes
            if known := search.add(reading):
                return known
        # What is not stored any more changes nothing: its alarms stay as they were.
        if old is not None:
            old[:] = [one for one in old if one.closed_at is None or one.closed_at >= oldest]
        return None

    def _readings_before(self, position: Position) -> AsyncIterator[Reading]:
        snapshots, ends = self._history.before(position), self._versions.ends_before(self._key, position)
        return self._merged(snapshots, ends, is_ascending=False)

    def _readings_after(self, position: Position | None) -> AsyncIterator[Reading]:
        after = position or BEGINNING
        return self._merged(self._history.after(after), self._versions.ends_after(self._key, after), is_ascending=True)

    async def _merged(
        self, snapshots: AsyncIterator[JudgedSnapshot], ends: AsyncIterator[Reading], *, is_ascending: bool
    ) -> AsyncIterator[Reading]:
        """What snapshots mean, and where versions end the check, in one order."""
        end = await anext(ends, None)
        async for snapshot in snapshots:
            while end and (end.position < snapshot.position) == is_ascending:
                yield end
                end = await anext(ends, None)
            yield await self._versions.reading(snapshot, self._key)
        while end:
            yield end
            end = await anext(ends, None)

    async def _count(self, episode: Episode, old: Sequence[Episode]) -> None:
        """Find out again what is told of the samples of an episode."""
        if not await self._history.has_misdated() and (facts := await self._known.facts(episode, old)):
            episode.facts, episode.is_partial = facts, False
            return
        known = await self._search(self._kind.search([]), episode.first_at, None)
        fold = known.fold if known else self._kind.fold()
        steps = count(1)
        async for reading in self._readings_after(known and known.position):
            ended = fold.step(reading)
            found = ended or fold.episode
            if found and found.raised_at == episode.raised_at and (ended or reading.position == episode.closed_at):
                episode.facts, episode.is_partial = found.facts, False
                return
            if next(steps) % _TURN == 0:
                await self._history.pace.rest()
        if fold.episode and fold.episode.raised_at == episode.raised_at:
            episode.facts, episode.is_partial = fold.episode.facts, False


class _Resumed:
    """What is told of an alarm that was open before a span, and of which only newer samples are in it."""

    def __init__(self, episode: Episode, told: Facts) -> None:
        self._episode = episode
        self._after = told.last.position if told.last else episode.raised_at
        self._facts = told
        self._is_over = False

    @classmethod
    def of(cls, span: Span, old: Sequence[Episode]) -> "_Resumed | None":
        """None where no alarm was open."""
        opened = span.fold.episode
        told = opened and next((one for one in old if one.first_at == opened.first_at), None)
        return cls(opened, msgspec.structs.replace(told.facts)) if opened and told else None

    def add(self, reading: Reading, fold: Fold) -> None:
        """Add a sample that the fold has just taken."""
        if self._is_over:
            return
        self._is_over = self._episode.end is not None
        is_new = reading.position > self._after and reading.check is not None and reading.value is not None
        if is_new and isinstance(fold, LevelFold) and (judgement := fold.judge(reading)):
            self._facts.add(reading, judgement)

    def complete(self, episode: Episode) -> bool:
        """Give an episode its facts, if it is that one."""
        if episode is not self._episode:
            return False
        episode.facts, episode.is_partial = self._facts, False
        return True
