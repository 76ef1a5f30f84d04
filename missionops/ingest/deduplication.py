"""Identities decided lately, so that most repeats are known without asking the database."""

import time

from missionops.domain.snapshot import SnapshotKey
from missionops.ingest.batch import Batch

_KEPT = 20_000
"""Identities, to twice as many: a second of a flood, in which a publisher that had no answer sends again."""
_SECONDS = 30.0
"""After which they are forgotten, or twice that: what was deleted from the database meanwhile is then stored again."""


class RecentSnapshots:
    """Of batches in stream order, each of which is committed before the next or not at all.

    So what an earlier one holds is stored when the later one is, and two transactions that overlap hardly ever wait for
    a row of each other; where one does, because the other took a minute, the earlier one does not wait for it.
    """

    def __init__(self) -> None:
        self._young: set[SnapshotKey] = set()
        self._old: set[SnapshotKey] = set()
        self._since = time.monotonic()
        self.ask_first = True
        """Whether the next batch probably holds repeats that only the database knows of: the last one did."""

    def remove_known(self, batch: Batch) -> None:
        """Leave out of `batch` what is known, and know the rest from now on."""
        elapsed = time.monotonic() - self._since
        if elapsed > 2 * _SECONDS:
            self._young = set()
        if elapsed > _SECONDS:
            self._age()
        batch.drop(self._young)
        batch.drop(self._old)
        self._young.update(batch.entries)
        if len(self._young) > _KEPT:
            self._age()

    def _age(self) -> None:
        """What was young is old, and what was old is forgotten."""
        self._old, self._young, self._since = self._young, set(), time.monotonic()
