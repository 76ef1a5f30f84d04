"""What is known of spacecraft already, so that a batch writes down only what is new: parameters, and being heard."""

import logging
from collections.abc import Iterable

from missionops.domain import timestamp
from missionops.domain.limits import MAX_PARAMETERS
from missionops.ingest.batch import Batch, ParameterKey
from missionops.store import spacecraft
from missionops.store.database import Connection

log = logging.getLogger(__name__)

_MINUTE = 60_000_000_000  # nanoseconds
_MOST = 100_000


class ReportedParameters:
    """Layouts (which parameters came together) and times that are written down; a repeat writes nothing.

    What it holds may be of a batch that is rolled back: whoever owns it forgets it with everything else then.
    """

    def __init__(self) -> None:
        self._layouts: set[tuple[str, ParameterKey]] = set()
        self._digests: set[bytes] = set()
        self._heard: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        """How many names are noted, by spacecraft; of those that have reported new ones lately."""

    async def note(self, connection: Connection, batch: Batch) -> None:
        """Write down what is new in `batch`, in the caller's transaction."""
        for kept in (self._layouts, self._digests, self._heard, self._counts):
            if len(kept) > _MOST:
                kept.clear()
        await self._note_names(connection, batch)
        heard = {name: at for name, at in batch.last_received.items() if self._is_news(name, at)}
        self._heard |= heard
        if heard:
            await spacecraft.note_reception(
                connection, [(name, timestamp.from_nanoseconds(heard[name])) for name in sorted(heard)]
            )

    async def _note_names(self, connection: Connection, batch: Batch) -> None:
        new = batch.reported.keys() - self._layouts
        self._layouts |= new
        named = {digest: batch.reported[name, digest] for name, digest in new if isinstance(digest, bytes)}
        # Of those known already nothing is written: it would have to wait for the batch that wrote it first.
        if vocabularies := {digest: names for digest, names in named.items() if digest not in self._digests}:
            self._digests |= vocabularies.keys()
            await spacecraft.add_vocabularies(connection, vocabularies)
        if named:
            pairs = sorted((name, digest) for name, digest in new if isinstance(digest, bytes))
            await spacecraft.add_spacecraft_vocabularies(connection, pairs)
        await self._add_names(connection, batch, [key for key in new if isinstance(key[1], int)])

    async def _add_names(self, connection: Connection, batch: Batch, new: Iterable[tuple[str, ParameterKey]]) -> None:
        """Note names, up to a bound for each spacecraft: one that invents names must not fill the database."""
        reported: dict[str, set[str]] = {}
        for name, layout in new:
            if self._counts.get(name, 0) < MAX_PARAMETERS:
                reported.setdefault(name, set()).update(batch.reported[name, layout])
        if uncounted := reported.keys() - self._counts.keys():
            self._counts |= dict.fromkeys(uncounted, 0) | await spacecraft.count_parameters(connection, uncounted)
        for name, names in reported.items():
            room = max(0, MAX_PARAMETERS - self._counts[name])
            reported[name] = names if len(names) <= room else set(sorted(names)[:room])
        if not reported:
            return
        for name, count in (await spacecraft.add_parameters(connection, reported)).items():
            self._counts[name] += count
            if self._counts[name] >= MAX_PARAMETERS:
                log.warning("%s has reported %d different parameters: further names are stored and judged, but not "
                            "listed", name, MAX_PARAMETERS, extra={"spacecraft": name})  # fmt: skip

    def _is_news(self, name: str, at: int) -> bool:
        return name not in self._heard or at >= self._heard[name] + _MINUTE
