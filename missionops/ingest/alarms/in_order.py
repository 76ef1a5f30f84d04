"""What a batch means for alarms: what comes in order is folded at once, what came late is marked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import lt
from types import MappingProxyType
from typing import NamedTuple

from missionops.domain import rule
from missionops.domain.clock import Clock
from missionops.domain.episodes.episode import Episode, Position, Reading
from missionops.domain.limits import Rules
from missionops.domain.parameter_set import Value
from missionops.domain.recompute.matching import GoesOn
from missionops.domain.snapshot import ParameterValues
from missionops.domain.timestamp import HOUR
from missionops.ingest.alarms.memory import Key, LiveFold, SpacecraftMemory
from missionops.ingest.alarms.writing import New, new_id
from missionops.ingest.batch import BatchEntry
from missionops.store.alarm_marks import Mark

_GAP = HOUR
"""Microseconds: late snapshots that are farther apart are folded again in spans of their own."""
_STALE = rule.PLACES["STALE"]


class JudgedEntries(NamedTuple):
    """The snapshots of one spacecraft that a batch stores, as judging found them."""

    entries: Sequence[BatchEntry]
    """In the order in which they came; at least one."""
    stamps: Sequence[int]
    """Their timestamps, in microseconds since 1970."""
    version: int = 0
    """The config version that judged them; 0: there is none."""
    clock: Clock = Clock()
    has_memory: bool = False
    """Whether the rules have checks that every snapshot matters to."""
    anomalous: Mapping[int, Sequence[Key]] = MappingProxyType({})
    """By the place among the entries: which checks it does not meet; none of those that meet all."""


@lru_cache(10_000)
def key_of(parameter: str, kind: str) -> Key:
    """The parameter, and the check that finds anomalies of a kind such as WARN_HIGH or STATE."""
    return parameter, rule.PLACES["STATE" if kind == "STATE" else "LIMIT"]


class Findings:
    """What a batch found in the snapshots of all its spacecraft."""

    def __init__(self) -> None:
        self.new: list[New] = []
        self.changed: dict[str, GoesOn] = {}
        """By alarm; of several that are told for one alarm the last, which the steps between follow from."""
        self.updated: dict[str, Episode] = {}
        """Open alarms of which nothing is told, by id."""
        self.marks: list[Mark] = []
        self.misdated: list[tuple[str, Position]] = []
        self.unknown: dict[str, tuple[Position, Position]] = {}
        """Spacecraft whose snapshots between two positions are to be folded by the worker."""


class PlacedEntry(NamedTuple):
    """A snapshot where it stands among those of its spacecraft."""

    position: Position
    entry: BatchEntry
    keys: Sequence[Key]
    """The checks that it does not meet."""


class PlacedEntries:
    """The snapshots of one spacecraft in the order of their positions.

    Nearly always that is the order in which they came. Most of them change nothing and are not even looked at: what is
    known of each is found when it is asked for.
    """

    def __init__(self, judged: JudgedEntries) -> None:
        self._judged = judged
        stamps, clock = judged.stamps, judged.clock
        is_right = max(stamps) <= judged.entries[0].received + clock.ahead  # the first was received first
        self.misdated: list[Position] = []
        """Of those whose clock cannot have been right."""
        self.is_as_it_came = (
            is_right and (clock.since is None or min(stamps) >= clock.since) and all(map(lt, stamps, stamps[1:]))
        )
        self._sorted: list[PlacedEntry] = []
        if not self.is_as_it_came:
            for place, entry in enumerate(judged.entries):
                _, stamp, identifier = entry.snapshot.identity
                position = clock.time(stamp, entry.received), stamp, identifier
                if position[0] != stamp:
                    self.misdated.append(position)
                self._sorted.append(PlacedEntry(position, entry, judged.anomalous.get(place, ())))
            self._sorted.sort(key=lambda one: one.position)

    def __getitem__(self, place: int) -> PlacedEntry:
        if self._sorted:
            return self._sorted[place]
        place %= len(self)
        entry = self._judged.entries[place]
        _, stamp, identifier = entry.snapshot.identity
        return PlacedEntry((stamp, stamp, identifier), entry, self._judged.anomalous.get(place, ()))

    def __len__(self) -> int:
        return len(self._judged.entries)

    @property
    def anomalous(self) -> Iterable[int]:
        """The places of those that do not meet a check, where all stand as they came."""
        return self._judged.anomalous

    @property
    def last_of_classes(self) -> Iterable[PlacedEntry]:
        """The last of each class of values, where all stand as they came."""
        entries = self._judged.entries
        places = {entry.snapshot.values.__class__: place for place, entry in enumerate(entries)}
        return [self[place] for place in places.values()]


def is_quiet(memory: SpacecraftMemory, judged: JudgedEntries) -> bool:
    """Note snapshots that change nothing, as nearly all do; False where that has to be looked at."""
    if not memory.is_known or judged.anomalous or judged.has_memory or memory.live:
        return False
    oldest, newest = min(judged.stamps), max(judged.stamps)
    clock = judged.clock
    if newest > judged.entries[0].received + clock.ahead or (clock.since is not None and oldest < clock.since):
        return False
    if memory.busy_until and oldest <= memory.busy_until[0]:
        return False
    known = memory.newest
    for entry, stamp in zip(judged.entries, judged.stamps, strict=True):
        values = entry.snapshot.values.__class__
        if values not in known or stamp >= known[values][0]:
            memory.note(values, (stamp, stamp, entry.snapshot.identity[2]))
    memory.version = max(memory.version, judged.version)
    return True


class InOrder:
    """Folds the snapshots of one spacecraft that a batch stores."""

    def __init__(
        self, spacecraft_id: str, memory: SpacecraftMemory, version: int, rules: Rules, findings: Findings
    ) -> None:
        self._spacecraft_id = spacecraft_id
        self._memory = memory
        self._version = version
        self._rules = rules
        self._findings = findings
        self._touched: dict[Key, None] = {}
        self.late: list[PlacedEntry] = []

    def take(self, snapshots: PlacedEntries) -> None:
        """Fold those that come after all that was folded before; the others are put into `late`."""
        memory = self._memory
        known = max(memory.newest.values(), default=None)
        first = snapshots[0].position
        is_after_all = (known is None or first > known) and (memory.busy_until is None or first > memory.busy_until)
        if is_after_all and snapshots.is_as_it_came and not self._rules.with_memory:
            self._take_next(snapshots)
        else:
            self._take_each(snapshots)
        for key in self._touched:
            self._tell(key)

    def _take_next(self, snapshots: PlacedEntries) -> None:
        """While nothing is wrong, what meets all checks changes nothing: go on with what does not."""
        place, anomalous = 0, iter(sorted(snapshots.anomalous))
        while place < len(snapshots):
            if not self._memory.live:
                place = next((one for one in anomalous if one >= place), len(snapshots))
                if place == len(snapshots):
                    break
            one = snapshots[place]
            self._step(one, {**dict.fromkeys(self._memory.live), **dict.fromkeys(one.keys)})
            place += 1
        for one in snapshots.last_of_classes:
            self._memory.note(one.entry.snapshot.values.__class__, one.position)

    def _take_each(self, snapshots: PlacedEntries) -> None:
        memory = self._memory
        for place in range(len(snapshots)):
            one = snapshots[place]
            values = one.entry.snapshot.values
            if any(one.position <= known for known in self._related(values)) or (
                memory.busy_until and one.position <= memory.busy_until
            ):
                self.late.append(one)
                continue
            keys = {**dict.fromkeys(memory.live), **dict.fromkeys(one.keys), **dict.fromkeys(self._rules.with_memory)}
            if keys:
                self._step(one, keys)
            memory.note(values.__class__, one.position)

    def _related(self, values: ParameterValues | dict[str, Value]) -> Iterator[Position]:
        """The newest positions of snapshots that have a parameter in common with these values, or a check."""
        for values_class, position in self._memory.newest.items():
            if (
                values_class is values.__class__
                or values_class is dict
                or isinstance(values, dict)
                or self._rules.with_memory
                or not values_class.fields.keys().isdisjoint(values.fields)  # type: ignore[attr-defined] # a parameter set
            ):
                yield position

    def _step(self, one: PlacedEntry, keys: Iterable[Key]) -> None:
        values = one.entry.snapshot.parameters
        for key in keys:
            name, kind = key
            ruled = self._rules.get(name)
            in_context = ruled.in_context(values) if ruled else None
            reading = Reading(
                one.position,
                values.get(name),
                in_context.checks[kind] if in_context else None,
                self._version,
                in_context.acknowledge if in_context else True,
            )
            live = self._memory.live.get(key) or LiveFold(rule.kind_at(kind).fold())
            ended = live.fold.step(reading)
            if ended:
                self._end(key, live, ended)
            if live.fold.episode:
                self._touched[key] = None
            self._memory.keep(key, live)

    def _end(self, key: Key, live: LiveFold, episode: Episode) -> None:
        self._touched.pop(key, None)
        if episode.closed_at:
            self._memory.close(episode.closed_at)
        if live.alarm_id is None:
            self._findings.new.append(New(new_id(), self._spacecraft_id, key, episode, is_late=False))
            return
        self._findings.updated.pop(live.alarm_id, None)
        self._findings.changed[live.alarm_id] = _going_on(live, episode)
        live.alarm_id, live.told_severity = None, 0

    def _tell(self, key: Key) -> None:
        """What is told of an alarm that is open after the batch."""
        live = self._memory.live[key]
        episode = live.fold.episode
        if episode is None:
            return
        if live.alarm_id is None:
            live.alarm_id = new_id()
            self._findings.new.append(New(live.alarm_id, self._spacecraft_id, key, episode, is_late=False))
        elif episode.severity > live.told_severity:
            self._findings.changed[live.alarm_id] = _going_on(live, episode)
        else:
            self._findings.updated[live.alarm_id] = episode
        live.told_severity = episode.severity


def _going_on(live: LiveFold, episode: Episode) -> GoesOn:
    return GoesOn(
        episode,
        is_revised=False,
        has_risen=episode.severity > live.told_severity,
        has_returned=episode.end is not None,
        is_active_again=False,
    )


def marks_of(
    spacecraft_id: str, late: Sequence[PlacedEntry], memory: SpacecraftMemory, others: Iterable[Key]
) -> Iterator[Mark]:
    """The marks of snapshots that came late: for checks that they do not meet, that are not quiet, and others.

    A snapshot that does not carry a parameter means something for STALE alone.
    """
    wanted: dict[Key, list[Position]] = {}
    always = {*memory.live, *others}
    for one in late:
        values = one.entry.snapshot.parameters if always else {}
        carried = {key for key in always if key[1] == _STALE or values.get(key[0]) is not None}
        for key in carried.union(one.keys):
            wanted.setdefault(key, []).append(one.position)
    for (name, kind), positions in wanted.items():
        for first, last in _spans(positions):
            yield Mark(spacecraft_id, name, rule.KINDS[kind], first, last, is_late=True)


def _spans(positions: Sequence[Position]) -> Iterator[tuple[Position, Position]]:
    first = positions[0]
    for before, position in pairwise(positions):
        if position[0] - before[0] > _GAP:
            yield first, before
            first = position
    yield first, positions[-1]
