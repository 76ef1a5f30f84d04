"""What is known of spacecraft already, so that a batch writes down only what is new: parameters, and being heard."""

from missionops.batch import Batch, Layout
from missionops.database import Connection
from missionops.domain import moment
from missionops.store import spacecraft

_MINUTE = 60_000_000_000  # nanoseconds
_MOST = 100_000


class Acquaintance:
    """Layouts (which parameters came together) and times that are written down; a repeat writes nothing.

    What it holds may be of a batch that is rolled back: whoever owns it forgets it with everything else then.
    """

    def __init__(self) -> None:
        self._layouts: set[tuple[str, Layout]] = set()
        self._digests: set[bytes] = set()
        self._heard: dict[str, int] = {}

    async def note(self, connection: Connection, batch: Batch) -> None:
        """Write down what is new in `batch`, in the caller's transaction."""
        for kept in (self._layouts, self._digests, self._heard):
            if len(kept) > _MOST:
                kept.clear()
        await self._note_names(connection, batch)
        heard = {name: at for name, at in batch.heard.items() if self._is_news(name, at)}
        self._heard |= heard
        if heard:
            await spacecraft.hear(connection, [(name, moment.from_nanoseconds(heard[name])) for name in sorted(heard)])

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
        if reported := [(name, batch.reported[name, layout]) for name, layout in new if isinstance(layout, int)]:
            await spacecraft.add_parameters(connection, reported)

    def _is_news(self, name: str, at: int) -> bool:
        return name not in self._heard or at >= self._heard[name] + _MINUTE
