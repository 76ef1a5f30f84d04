"""The fold as an engine uses it: in order by `step`, late readings by spans, states kept as JSON, alarms by number."""

from bisect import insort
from collections.abc import Iterable, Mapping
from itertools import count
from random import Random

import msgspec

from missionops.domain import checks, config_document, limits, rule
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Episode, Facts, Position, Reading
from missionops.domain.episodes.fold import folded
from missionops.domain.limits import Rules
from missionops.domain.recompute import joined_facts
from missionops.domain.recompute.matching import GoesOn, match
from missionops.domain.recompute.span import Span
from tests.unit.domain.episodes.reference import Found, History


def readings(history: History, rules: Mapping[int, Rules], parameter: str, kind: int) -> list[Reading]:
    """What snapshots and versions mean for one parameter and kind of check, in the order in which they are given."""
    told, documents, sets = history
    clocks = {version: config_document.clock(document) for version, document in documents.items()}
    times = [clocks[one.version].time(one.timestamp, one.received) for one in told]
    found = []
    for one, time in zip(told, times, strict=True):
        ruled = rules[one.version].get(parameter)
        check = ruled.in_context(one.values).checks[kind] if ruled else None
        position = time, one.timestamp, one.id
        found.append(Reading(position, one.values.get(parameter), check, one.version))
    for version, updated_at in sets:
        ruled = rules[version].get(parameter)
        if not (ruled and ruled.has(kind)):
            time = max([updated_at, *(time for one, time in zip(told, times, strict=True) if one.version < version)])
            found.append(episodes.unmonitored(time, version))
    return found


class Engine:
    """One parameter and kind of check."""

    def __init__(self, kind: str) -> None:
        self.kind = checks.KINDS[kind]
        self.fold = self.kind.fold()
        self.stored: list[Reading] = []
        self.newest: Position | None = None
        self.marks: list[Position] = []
        self.alarms: dict[int, Episode] = {}
        self.live: int | None = None
        """The number of the open alarm."""
        self.numbers = count()
        self.retracted: list[int] = []
        self.read = 0
        """Readings that spans have read."""
        self.joined = 0
        """Episodes whose facts were told without reading all of their samples."""

    def take(self, batch: Iterable[Reading]) -> None:
        """Store a batch; what comes in order is folded at once, what is late is marked."""
        for reading in batch:
            insort(self.stored, reading, key=lambda one: one.position)
            if self.newest and reading.position < self.newest:
                insort(self.marks, reading.position)
                continue
            self.newest = reading.position
            ended = self.fold.step(reading)
            now = ended or self.fold.episode
            if now:
                self.live = next(self.numbers) if self.live is None else self.live
                self.alarms[self.live] = now
            if ended:
                self.live = None

    def restart(self) -> None:
        """Forget all that is not kept."""
        self.fold = self.kind.decode(msgspec.json.encode(self.fold))
        if self.fold.episode and self.live is not None:
            self.alarms[self.live] = self.fold.episode

    def work_off(self) -> None:
        """Fold every marked span again."""
        while self.marks:
            first = self.marks.pop(0)
            old = sorted(self.alarms.values(), key=lambda one: one.raised_at)
            search = self.kind.search(old)
            older = [one for one in reversed(self.stored) if one.position < first]
            known = next(filter(None, map(search.add, older)), None)
            span = Span(known.fold if known else self.kind.fold(), known.position if known else None, first, old)
            for reading in self.stored:
                if span.after and reading.position <= span.after:
                    continue
                while self.marks and self.marks[0] <= reading.position:
                    span.until = self.marks.pop(0)
                self.read += 1
                if span.add(reading):
                    break
            self._replace(span)

    def _replace(self, span: Span) -> None:
        result = span.result()
        for one in result.new:
            # Each sample above a limit is stored as an anomaly, which are counted.
            if one.is_partial and self.kind.suffix and (facts := joined_facts.joined(one, result.old)):
                facts.samples = sum(self._is_anomaly(one, reading) for reading in self.stored)
                one.facts, one.is_partial = facts, False
                self.joined += 1
        touched = {number: one for number, one in self.alarms.items() if any(one is old for old in result.old)}
        matching = match(touched, result.new)
        for number, becomes in matching.alarms.items():
            if isinstance(becomes, GoesOn):
                self.alarms[number] = becomes.episode
            else:
                del self.alarms[number]
                self.retracted.append(number)
        for one in matching.new:
            self.alarms[next(self.numbers)] = one
        self.live = next((number for number, one in self.alarms.items() if one.end is None), None)
        if result.fold:
            self.fold = result.fold
        elif self.live is not None:
            self.fold.episode = self.alarms[self.live]

    def _is_anomaly(self, episode: Episode, reading: Reading) -> bool:
        is_within = episode.first_at <= reading.position and not (
            episode.closed_at and reading.position > episode.closed_at
        )
        judgement = reading.check.judge(reading.value) if is_within and reading.check else None
        return bool(judgement and judgement.level)

    def counted(self) -> list[Episode]:
        """The alarms in order, with the facts of all their samples."""
        by_raised: dict[Position, Facts] = {}
        for one in folded(self.kind.fold(), self.stored):
            by_raised[one.raised_at] = one.facts
        for one in self.alarms.values():
            assert one.raised_at in by_raised, "nothing was raised there"
            if one.is_partial:
                one.facts, one.is_partial = by_raised[one.raised_at], False
            assert one.facts == by_raised[one.raised_at], "what is told of samples is what they are"
        return sorted(self.alarms.values(), key=lambda one: one.raised_at)


def run(history: History, random: Random) -> list[Found]:
    """What the engine finds of all parameters, in a random order and in random batches, with random restarts."""
    documents = history.documents
    compiled = {version: limits.compile_rules(document) for version, document in documents.items()}
    found = []
    for parameter in sorted({name for document in documents.values() for name in document.get("parameters", {})}):
        for number, kind in enumerate(rule.KINDS):
            engine = Engine(kind)
            waiting = readings(history, compiled, parameter, number)
            random.shuffle(waiting)
            if random.random() < 0.3:
                waiting.sort(key=lambda one: one.position)
                for _ in range(random.randint(0, 3)):
                    waiting.insert(random.randrange(len(waiting) + 1), waiting.pop(random.randrange(len(waiting))))
            while waiting:
                size = random.choice((1, 1, 2, 5, 20))
                batch, waiting = waiting[:size], waiting[size:]
                engine.take(batch)
                if random.random() < 0.3:
                    engine.work_off()
                if random.random() < 0.2:
                    engine.restart()
            engine.work_off()
            found += [told_of(parameter, kind, one) for one in engine.counted()]
    return sorted(found, key=repr)


def told_of(parameter: str, kind: str, one: Episode) -> Found:
    """The facts that promise 8 is about."""
    peak = one.facts.peak and (one.facts.peak.position[1], one.facts.peak.value)
    facts = one.facts.samples, peak
    return Found(parameter, kind, one.severity, one.start, one.raised_at[0], one.end, one.reason, *facts)
