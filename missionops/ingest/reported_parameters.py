"""Parameters that a spacecraft reports for the first time: stored with the batch that brings them."""

import logging
from collections.abc import Collection, Iterable

from missionops.domain import parameter_set
from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.ingest.batch import Batch, ParameterKey
from missionops.store import parameter_sets
from missionops.store.database import Connection

log = logging.getLogger(__name__)

_MOST_KEYS = 100_000
_MOST_NAMES = 200_000
"""Of those that are kept in memory; what is needed again is read from the database."""


class ReportedParameters:
    """Which names are stored for which spacecraft; a snapshot without a new name writes nothing.

    The names that a spacecraft reports for the first time in a batch are stored as one set, which spacecraft of one
    kind share. At most 10,000 names are stored for one: a spacecraft that invents names must not fill the database.

    What is remembered here may belong to a batch that is rolled back: then the session ends, and this object with it.
    """

    def __init__(self) -> None:
        self._keys: set[tuple[str, ParameterKey]] = set()
        """Names that came together and are all stored."""
        self._full: set[str] = set()
        """Spacecraft that have as many names as are stored."""
        self._names: dict[str, frozenset[str]] = {}
        """The names that are stored for a spacecraft."""
        self._sets: dict[bytes, frozenset[str]] = {}
        self._size = 0
        """How many names the two hold."""

    async def note(self, connection: Connection, batch: Batch) -> None:
        """Store the names that are new in `batch`, in the caller's transaction."""
        if len(self._keys) + len(self._full) > _MOST_KEYS or self._size > _MOST_NAMES:
            self._forget()
        reported: dict[str, set[str]] = {}
        for key in batch.reported.keys() - self._keys:
            if key[0] not in self._full:
                self._keys.add(key)
                reported.setdefault(key[0], set()).update(batch.reported[key])
        if not reported:
            return
        await self._read(connection, reported.keys() - self._names.keys())
        sets: dict[bytes, Iterable[str]] = {}
        pairs: list[tuple[str, bytes]] = []
        for spacecraft_id, names in reported.items():
            known = self._names[spacecraft_id]
            new = sorted(names - known)[: MAX_PARAMETERS - len(known)]
            if not new:
                continue
            digest = parameter_set.digest(new)
            if digest not in self._sets:
                # A set that is known already is not written: that would wait for the batch that wrote it first.
                sets[digest] = self._sets[digest] = frozenset(new)
                self._size += len(new)
            pairs.append((spacecraft_id, digest))
            self._add(spacecraft_id, [self._sets[digest]])
            if len(self._names[spacecraft_id]) >= MAX_PARAMETERS:
                del self._names[spacecraft_id]
                self._full.add(spacecraft_id)
                log.warning("%s has reported %d different parameters: further names are stored and judged, but not "
                            "listed", spacecraft_id, MAX_PARAMETERS, extra={"spacecraft": spacecraft_id})  # fmt: skip
        if pairs:
            await parameter_sets.add(connection, sets, pairs)

    async def _read(self, connection: Connection, spacecraft_ids: Collection[str]) -> None:
        """Know what is stored for these spacecraft."""
        if not spacecraft_ids:
            return
        digests = await parameter_sets.digests(connection, spacecraft_ids)
        if missing := set().union(*digests.values()) - self._sets.keys():
            for digest, names in (await parameter_sets.names(connection, missing)).items():
                self._sets[digest] = frozenset(names)
                self._size += len(names)
        for spacecraft_id, found in digests.items():
            self._names[spacecraft_id] = frozenset()
            self._add(spacecraft_id, [self._sets[digest] for digest in found])
            if len(self._names[spacecraft_id]) >= MAX_PARAMETERS:
                self._full.add(spacecraft_id)

    def _add(self, spacecraft_id: str, sets: Collection[frozenset[str]]) -> None:
        known = self._names[spacecraft_id]
        if not known and len(sets) == 1:
            (self._names[spacecraft_id],) = sets  # shared by spacecraft of one kind
        elif sets:
            self._names[spacecraft_id] = known.union(*sets)
            self._size += len(self._names[spacecraft_id])

    def _forget(self) -> None:
        for kept in (self._keys, self._full, self._names, self._sets):
            kept.clear()
        self._size = 0
