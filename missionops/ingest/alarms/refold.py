"""Folds marked spans again from what is stored, and says what becomes of the alarms in them."""

from collections.abc import AsyncIterator, Sequence
from itertools import count

import msgspec

from missionops.domain import rule
from missionops.domain.episodes.episode import Episode, Facts, Position, Reading
from missionops.domain.episodes.fold import BackwardSearch, Fold, Known
from missionops.domain.episodes.level_fold import LevelFold
from missionops.domain.history import JudgedSnapshot
from missionops.domain.recompute.matching import match
from missionops.domain.recompute.span import Span
from missionops.domain.timestamp import DAY, HOUR
from missionops.ingest.alarms import known_alarms
from missionops.ingest.alarms.history import BEGINNING, END, History
from missionops.ingest.alarms.known_alarms import KnownAlarms
from missionops.ingest.alarms.marked_spans import MarkedSpan
from missionops.ingest.alarms.memory import Key
from missionops.ingest.alarms.rule_versions import RuleVersions

_TURN = 100
"""Readings after which others may work."""


class Refold:
    """Folds one parameter and check of a spacecraft again."""

    def __init__(self, history: History, versions: RuleVersions, key: Key, known: KnownAlarms) -> None:
        self._history = history
        self._versions = versions
        self._key = key
        self._kind = rule.kind_at(key[1])
        self._parameter = None if rule.KINDS[key[1]] == "STALE" else key[0]
        """Only snapshots that carry it matter; None: each matters."""
        self._known = known

    async def fold(self, marked: MarkedSpan) -> Fold | None:
        """Fold a span; the fold after the newest snapshot, or None where what follows is as it was."""
        await self._known.cover(known_alarms.before(marked.first, 0), marked.first)
        old = self._known.episodes
        known = await self._search(self._kind.search(old), marked.first, old)
        span = Span(known.fold if known else self._kind.fold(), known and known.position, marked.last, old)
        goes_on = None
        if not marked.is_late:
            await self.count_samples()
            goes_on = _Resumed.of(span, old)
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

    async def count_samples(self) -> None:
        """Count the samples of the alarms of which only parts were folded again, once for all spans."""
        await self._known.count_samples(has_misdated=await self._history.has_misdated())

    async def _search(self, search: BackwardSearch, first: Position, old: list[Episode] | None) -> Known | None:
        """Where the fold is known before a position; None: nowhere, so it begins with what is stored."""
        covered, reach, oldest, steps = known_alarms.before(first, 0), HOUR, first, count(1)
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
        snapshots = self._history.before(position, self._parameter)
        ends = self._versions.ends_before(self._key, position)
        return self._merged(snapshots, ends, is_ascending=False)

    def _readings_after(self, position: Position | None) -> AsyncIterator[Reading]:
        after = position or BEGINNING
        snapshots = self._history.after(after, self._parameter)
        return self._merged(snapshots, self._versions.ends_after(self._key, after), is_ascending=True)

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
        if facts := self._known.facts(episode, old):
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
        """Give an episode its facts, if it is that one; not where it has ended before what was told of it."""
        if episode is not self._episode or (episode.closed_at and episode.closed_at < self._after):
            return False
        episode.facts, episode.is_partial = self._facts, False
        return True
