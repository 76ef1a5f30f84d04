"""Deduplication: keys of snapshots that were handled lately, so that most repeats are found without the database."""

import time
from collections.abc import Set as AbstractSet

from missionops.domain.snapshot import SnapshotKey
from missionops.ingest.batch import Batch

_KEPT = 20_000
"""Keys of one generation; two are kept: a second of a flood, in which a publisher without an answer sends again."""
_SECONDS = 30.0
"""A generation's longest time: what was deleted from the database is stored again a minute later at the latest."""


class RecentSnapshots:
    """Keys of the snapshots of recent batches; it removes them from the next batch.

    Batches come in stream order, and each is committed before the next or not at all: what an earlier one holds is
    stored when the later one is. So two transactions that overlap hardly ever wait for a row of each other; where one
    does, because the other took a minute, the earlier one does not wait for the later one.
    """

    def __init__(self) -> None:
        self._young: set[SnapshotKey] = set()
        self._old: set[SnapshotKey] = set()
        self._since = time.monotonic()
        self.ask_first = True
        """Whether the next batch probably holds repeats that only the database knows of: the last one did."""

    def remove_known(self, batch: Batch) -> None:
        """Remove what is known from `batch`, and remember the rest."""
        elapsed = time.monotonic() - self._since
        if elapsed > 2 * _SECONDS:
            self._young = set()
        if elapsed > _SECONDS:
            self._age()
        batch.remove(self._young)
        batch.remove(self._old)
        self._young.update(batch.entries)
        if len(self._young) > _KEPT:
            self._age()

    def forget(self, keys: AbstractSet[SnapshotKey]) -> None:
        """Forget snapshots that were not stored after all."""
        self._young -= keys
        self._old -= keys

    def _age(self) -> None:
        """What was young is old, and what was old is forgotten."""
        self._old, self._young, self._since = self._young, set(), time.monotonic()
