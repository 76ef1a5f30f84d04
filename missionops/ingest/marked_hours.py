"""The hours that are marked as stale: a batch marks those that no earlier batch of its session has marked."""

import asyncio
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

_MOST = 200_000


class MarkedHours:
    """The hours of spacecraft that are marked in the database, as far as this session's batches did it.

    A snapshot may be added without a mark of its own only as long as the mark that it relies on stays. So hours are
    forgotten first, then every batch that relied on them is committed, and only what is read after that is rolled up.
    """

    def __init__(self) -> None:
        self._marked: set[tuple[str, int]] = set()
        self._committed: asyncio.Event | None = None
        """Of the last batch that has decided what to mark; those before it are committed."""

    def unmarked(self, hours: AbstractSet[tuple[str, int]], committed: asyncio.Event) -> AbstractSet[tuple[str, int]]:
        """The hours that a batch has to mark, of those that it adds to; it commits next, or the session ends."""
        self._committed = committed
        new = hours - self._marked
        if len(self._marked) > _MOST:
            self._marked.clear()  # to mark an hour twice does no harm
        self._marked |= new
        return new

    async def forget(self, spacecraft_id: str, hours: Iterable[int]) -> None:
        """Have these hours marked anew by whoever adds to them, and wait for the batch that did not know it yet."""
        self._marked.difference_update([(spacecraft_id, hour) for hour in hours])
        if self._committed:
            await self._committed.wait()
