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
from missionops.domain.timestamp import DAY, HOUR
from missionops.ingest.alarms import known_alarms
from missionops.ingest.alarms.known_alarms import KnownAlarms
from missionops.ingest.alarms.memory import Key
from missionops.ingest.alarms.pace import Pace
from missionops.ingest.alarms.rule_versions import RuleVersions
from missionops.store.judged_snapshots import JudgedSnapshots

_EARLIEST = timestamp.to_microseconds(timestamp.EARLIEST)
BEGINNING: Position = episodes.beginning_of(_EARLIEST)
END: Position = episodes.end_of(timestamp.to_microseconds(timestamp.LATEST))
_MOST_KEPT = 120_000
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


class _Kept:
    """The snapshots that were read from a position on in one direction."""

    def __init__(self, source: AsyncIterator[JudgedSnapshot]) -> None:
        self.source: AsyncIterator[JudgedSnapshot] | None = source
        """Of those that follow; None where there is none any more."""
        self.snapshots: list[JudgedSnapshot] = []
        self.is_cut = False
        """Not all are kept that were read."""
        self._by_parameter: dict[str, list[JudgedSnapshot]] | None = None

    def with_parameter(self, name: str) -> Sequence[JudgedSnapshot]:
        """Those that carry a parameter, once all are read: of a spacecraft that reports few at a time these are few."""
        if self._by_parameter is None:
            self._by_parameter = {}
            for one in self.snapshots:
                for each in one.values:
                    self._by_parameter.setdefault(each, []).append(one)
        return self._by_parameter.get(name, ())


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
        self._kept: dict[tuple[bool, Position], _Kept] = {}

    def prepare(self, parameters: Sequence[str]) -> None:
        """What is asked for next is about these parameters."""
        self._versions.prepare(parameters)
        if self._is_narrowed:
            self._kept.clear()
            self._is_narrowed, self._count = False, 0

    async def has_misdated(self) -> bool:
        """Whether any of them stands elsewhere than at its timestamp."""
        return await self._snapshots.has_misdated()

    def after(self, position: Position, parameter: str | None = None) -> AsyncIterator[JudgedSnapshot]:
        """Those after a position that carry the parameter, if one is given, in order."""
        return self._read((True, position), parameter)

    def before(self, position: Position, parameter: str | None = None) -> AsyncIterator[JudgedSnapshot]:
        """Those before a position that carry the parameter, if one is given, the newest first."""
        return self._read((False, position), parameter)

    async def _read(self, key: tuple[bool, Position], parameter: str | None) -> AsyncIterator[JudgedSnapshot]:
        kept = self._kept.get(key)
        if kept and kept.source is None and parameter is not None:
            for one in kept.with_parameter(parameter):
                yield one
        else:
            async for one in self._read_all(key):
                if parameter is None or parameter in one.values:
                    yield one

    async def _read_all(self, key: tuple[bool, Position]) -> AsyncIterator[JudgedSnapshot]:
        is_ascending, position = key
        read = self._snapshots.after if is_ascending else self._snapshots.before
        kept = self._kept.get(key) or self._kept.setdefault(key, _Kept(read(position)))
        for one in kept.snapshots:
            yield one
        rest = kept.source
        if kept.is_cut:
            rest = read(kept.snapshots[-1].position if kept.snapshots else position)
        if rest is None:
            return
        async for one in rest:
            if len(one.values) > _LARGE:
                self._is_narrowed = True
                used = await self._versions.used(one.version)
                one = one._replace(values={name: one.values[name] for name in used & one.values.keys()})  # noqa: PLW2901
            kept.is_cut |= self._count > _MOST_KEPT
            if not kept.is_cut:
                kept.snapshots.append(one)
                self._count += len(one.values) + _OF_ITSELF
            yield one
        if not kept.is_cut:
            kept.source = None


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
        """Give an episode its facts, if it is that one."""
        if episode is not self._episode:
            return False
        episode.facts, episode.is_partial = self._facts, False
        return True
