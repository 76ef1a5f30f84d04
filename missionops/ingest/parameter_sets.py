"""Which parameter sets snapshots are stored with, and which names their spacecraft report for the first time.

The names that a spacecraft reports for the first time in a batch are stored as sets, numbers apart from the rest: so
every name is listed, up to 10,000. A number gets a place in a set once its name was seen in ten snapshots; until then,
and past those 10,000, it is kept among `others`: a spacecraft that invents names must not fill the database with sets.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.domain.parameter_set import ParameterSet, Value, is_double
from missionops.domain.snapshot import ParameterValues, Snapshot
from missionops.ingest.batch import Batch, BatchEntry, ParameterKey
from missionops.store import parameter_sets, snapshot_rows
from missionops.store.database import Connection
from missionops.store.spacecraft import IngestConfig

log = logging.getLogger(__name__)

_OFTEN = 10
"""Snapshots after which a name has a place. And a set is made only once so many times its names were kept without a
place, each counted for one set: whatever names come, the sets are a small part of what the snapshots are."""
_MOST_SETS = 200
"""That one spacecraft's numbers are stored with."""
_SMALL = 256
"""Names up to which a set takes whatever a spacecraft reports; a larger one only what fills a quarter of it at once."""
_MOST_CHOICES = 1_000
_MOST_KEYS = 100_000
_MOST_NAMES = 200_000
"""Of those that are kept in memory; what is needed again is read from the database."""


class NumberSets:
    """The sets that the numbers of a spacecraft may be stored with; spacecraft that have the same share this."""

    def __init__(self, sets: Iterable[ParameterSet]) -> None:
        self.sets = sorted(sets, key=lambda one: len(one.names))[-_MOST_SETS:]
        self._chosen: dict[ParameterKey, ParameterSet | None] = {}

    def choose(self, values: ParameterValues | Mapping[str, Value]) -> ParameterSet | None:
        """The set that has most of these numbers; of several the smallest. None if none has any."""
        if len(self.sets) < 2:  # noqa: PLR2004 - nothing to choose from
            return self.sets[0] if self.sets else None
        key: ParameterKey = values.digest if isinstance(values, ParameterValues) else hash(tuple(values))
        if key not in self._chosen:
            if len(self._chosen) >= _MOST_CHOICES:
                self._chosen.clear()
            if isinstance(values, ParameterValues):  # what is absent now may be the next snapshot's
                numbers = dict.fromkeys(values.fields, 0) | values.named()
            else:
                numbers = dict(values)
            names = {name for name, value in numbers.items() if is_double(value)}
            best = max(self.sets, key=lambda one: (len(names & one.positions.keys()), -len(one.names)))
            self._chosen[key] = None if names.isdisjoint(best.names) else best
        return self._chosen[key]

    def forget_choices(self) -> None:
        """Choose anew: what was no number at first may be one now."""
        self._chosen.clear()


class _Known(NamedTuple):
    """What is stored of one spacecraft."""

    names: frozenset[str]
    """All that it has reported, up to 10,000."""
    numbers: NumberSets


class _Waiting:
    """How often the names of a spacecraft came whose numbers have no place yet."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.values = 0
        """How many numbers were kept without a place."""
        self.often: set[str] = set()
        """Names that came often enough."""
        # As long as the same names come, one count does for all of them: a whole fleet may be new.
        self._names = names
        self._count = 0
        self._counts: dict[str, int] | None = None

    def add(self, names: tuple[str, ...]) -> int:
        """One more snapshot; returns how many names are held in memory for it alone."""
        self.values += len(names)
        if self._counts is None and names == self._names:
            self._count += 1
            if self._count == _OFTEN:
                self.often.update(names)
            return 0
        if self._counts is None:
            self._counts = dict.fromkeys(self._names, self._count)
        before = len(self._counts)
        for name in names:
            count = self._counts[name] = self._counts.get(name, 0) + 1
            if count == _OFTEN:
                self.often.add(name)
        return len(self._counts) - before

    def remove(self, names: Iterable[str]) -> bool:
        """These names have a place now; whether others wait still."""
        self.often.difference_update(names)
        if self._counts is None:
            self._counts = dict.fromkeys(set(self._names).difference(names), self._count)
        for name in names:
            self._counts.pop(name, None)
        return bool(self._counts)


class ParameterSets:
    """What is known of stored sets and names, in one session; batches use it one after the other.

    What is remembered here may belong to a batch that is rolled back: then the session ends, and this object with it.
    """

    def __init__(self) -> None:
        self._keys: set[tuple[str, ParameterKey]] = set()
        """Names that came together and are all listed."""
        self._known: dict[str, _Known] = {}
        self._sets: dict[int, ParameterSet] = {}
        self._by_names: dict[tuple[str, ...], ParameterSet] = {}
        self._shared: dict[frozenset[int], NumberSets] = {}
        self._shared_names: dict[frozenset[str], frozenset[str]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._wanted: set[tuple[str, tuple[str, ...]]] = set()
        """New sets of spacecraft, to be made before the next batch."""
        self._extended: set[str] = set()
        """Spacecraft that are to have a larger set: one of them at a time."""
        self._size = 0
        """How many names are held."""

    async def prepare(self, connection: Connection, batch: Batch) -> "BatchSets":
        """The sets for a batch; those that are missing are made, on a connection that is in no transaction."""
        if len(self._keys) + len(self._known) > _MOST_KEYS or self._size > _MOST_NAMES:
            for kept in (self._keys, self._known, self._sets, self._by_names, self._shared, self._shared_names,
                         self._waiting):  # fmt: skip
                kept.clear()
            self._size = 0
        await self._read(connection, batch)
        wanted: list[tuple[str, tuple[str, ...]]] = []
        for spacecraft_id, new in self._new_names(batch).items():
            wanted += [(spacecraft_id, tuple(sorted(names))) for names in new if names]
        listed = len(wanted)
        wanted += self._wanted
        if missing := {names for _, names in wanted} - self._by_names.keys():
            for made in await parameter_sets.create(connection, sorted(missing)):
                self._keep(made)
        pairs = [(spacecraft_id, self._by_names[names].id) for spacecraft_id, names in wanted]
        for spacecraft_id, names in wanted[:listed]:
            known = self._known[spacecraft_id]
            self._known[spacecraft_id] = known._replace(names=self._share(known.names.union(names)))
        for spacecraft_id, names in wanted[listed:]:
            if known_before := self._known.get(spacecraft_id):
                known_before.numbers.forget_choices()
                sets = {one.id for one in known_before.numbers.sets} | {self._by_names[names].id}
                self._known[spacecraft_id] = known_before._replace(numbers=self._number_sets(sets))
            if (waiting := self._waiting.get(spacecraft_id)) and not waiting.remove(names):
                del self._waiting[spacecraft_id]
        self._wanted.clear()
        self._extended.clear()
        return BatchSets(self, {name: self._known[name] for name in batch.last_received}, pairs)

    def _new_names(self, batch: Batch) -> dict[str, tuple[set[str], set[str]]]:
        """Names that a spacecraft has not reported before, by spacecraft: numbers, and all others."""
        new: dict[str, tuple[set[str], set[str]]] = {}
        for key in batch.reported.keys() - self._keys:
            self._keys.add(key)
            known = self._known[key[0]].names
            if len(known) >= MAX_PARAMETERS:
                continue
            for name, value in batch.reported[key].parameters.items():
                if name not in known:
                    new.setdefault(key[0], (set(), set()))[not is_double(value)].add(name)
        for spacecraft_id, (numbers, others) in new.items():
            others.difference_update(numbers)
            room = MAX_PARAMETERS - len(self._known[spacecraft_id].names)
            if len(numbers) + len(others) >= room:
                numbers.intersection_update(sorted(numbers)[:room])
                others.intersection_update(sorted(others)[: room - len(numbers)])
                log.warning("%s has reported %d different parameters: further names are stored and judged, but not "
                            "listed", spacecraft_id, MAX_PARAMETERS, extra={"spacecraft": spacecraft_id})  # fmt: skip
        return new

    def count(self, spacecraft_id: str, known: _Known, snapshot: Snapshot, unplaced: Iterable[str]) -> None:
        """Note a snapshot with numbers that have no place; once they came often, a set for them is wanted."""
        if len(known.numbers.sets) >= _MOST_SETS:
            return
        names = tuple(sorted(known.names.intersection(unplaced)))
        if not names:
            return
        if shared := self._by_names.get(names):
            names = shared.names
        waiting = self._waiting.get(spacecraft_id) or self._waiting.setdefault(spacecraft_id, _Waiting(names))
        self._size += waiting.add(names)
        used = known.numbers.choose(snapshot.values)
        before = used.names if used else ()
        if not waiting.often or waiting.values < _OFTEN * len(before):
            return
        wanted = waiting.often.union(before)
        reported = snapshot.parameters.keys()
        # What would be mostly empty, because the spacecraft reports by turns, is a set for each kind of snapshot.
        is_part = len(wanted) > _SMALL and 4 * len(wanted & reported) < len(wanted)
        if is_part:
            wanted &= reported
        new = spacecraft_id, tuple(sorted(wanted))
        is_allowed = waiting.values >= _OFTEN * len(wanted) and len(wanted) <= MAX_PARAMETERS
        if not is_allowed or new in self._wanted or (not is_part and spacecraft_id in self._extended):
            return
        self._wanted.add(new)
        waiting.values -= _OFTEN * len(wanted)
        if not is_part:
            self._extended.add(spacecraft_id)

    async def _read(self, connection: Connection, batch: Batch) -> None:
        """Know what is stored for the spacecraft of a batch; its decoder knows, too."""
        spacecraft_ids = batch.last_received.keys() - self._known.keys()
        if not spacecraft_ids:
            return
        found = await parameter_sets.of_spacecraft(connection, spacecraft_ids)
        if missing := set().union(*found.values()) - self._sets.keys():
            for read in (await parameter_sets.read(connection, missing)).values():
                self._keep(read)
        for spacecraft_id, ids in found.items():
            names = frozenset().union(*(self._sets[one].names for one in ids))
            self._known[spacecraft_id] = _Known(self._share(names), self._number_sets(set(ids)))
            batch.decoder.trust(spacecraft_id, names)

    def _keep(self, one: ParameterSet) -> None:
        self._sets[one.id] = self._by_names[one.names] = one
        self._size += len(one.names)

    def _share(self, names: frozenset[str]) -> frozenset[str]:
        if (shared := self._shared_names.setdefault(names, names)) is names:
            self._size += len(names)
        return shared

    def _number_sets(self, ids: set[int]) -> NumberSets:
        key = frozenset(ids)
        if (shared := self._shared.get(key)) is None:
            shared = self._shared[key] = NumberSets(self._sets[one] for one in ids)
        return shared


class BatchSets:
    """The sets of the spacecraft in one batch."""

    def __init__(
        self, parameter_sets_: ParameterSets, known: Mapping[str, _Known], pairs: Sequence[tuple[str, int]]
    ) -> None:
        self._parameter_sets = parameter_sets_
        self._known = known
        self._pairs = pairs

    async def note(self, connection: Connection) -> None:
        """Store which spacecraft have which new sets, in the caller's transaction."""
        if self._pairs:
            await parameter_sets.add_to_spacecraft(connection, self._pairs)

    def rows(self, configs: Mapping[str, IngestConfig], entries: Sequence[BatchEntry]) -> list[bytes]:
        """The rows of snapshots, each written once, with the version of the config that judges it.

        It takes the least time where the snapshots of a spacecraft follow upon each other.
        """
        spacecraft_id, values_class = "", None
        for entry in entries:
            if entry.row:
                continue
            snapshot = entry.snapshot
            values = snapshot.values
            if values.__class__ is not values_class or snapshot.identity[0] != spacecraft_id or values_class is dict:
                spacecraft_id, values_class = snapshot.identity[0], values.__class__
                known = self._known[spacecraft_id]
                chosen = known.numbers.choose(values)
                write = snapshot_rows.writer(spacecraft_id, configs[spacecraft_id].version, values_class, chosen)
            entry.row, unplaced = write(snapshot, entry.received)
            if unplaced:
                self._parameter_sets.count(spacecraft_id, known, snapshot, unplaced)
        return [entry.row for entry in entries]
