"""Identities decided lately, so that most repeats are known without asking the database."""

from missionops.batch import Batch
from missionops.domain.snapshot import Identity

_KEPT = 20_000
"""Identities, to twice as many: a second of a flood, in which a publisher that had no answer sends again."""


class Recent:
    """Of batches in stream order, each of which is committed before the next or not at all.

    So what an earlier one holds is stored when the later one is, and two transactions that overlap never wait for a
    row of each other.
    """

    def __init__(self) -> None:
        self._young: set[Identity] = set()
        self._old: set[Identity] = set()
        self.ask_first = True
        """Whether the next batch probably holds repeats that only the database knows of: the last one did."""

    def sift(self, batch: Batch) -> None:
        """Leave out of `batch` what is known, and know the rest from now on."""
        batch.drop(self._young)
        batch.drop(self._old)
        self._young.update(batch.entries)
        if len(self._young) > _KEPT:
            self._old, self._young = self._young, set()
