"""Room for requests and their answers: what each may hold in memory is bounded, and so is how many of its kind do.

Kinds do not wait for each other: whoever sends slowly keeps nobody from asking, and whoever reads slowly keeps nobody
from being answered.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from missionops.http.connections import Connections
from missionops.operations.operation import Route

SMALL = 512 << 10
"""Bytes of an answer that many may hold at once; who needs more asks again where there is room for it."""

_QUERIES = 16
_LARGE = 1
"""Answers of up to 8 MB that are being made."""
_SENT = 24 << 20
"""Bytes of answers that are on their way to those who asked."""
_KEPT_FOR_SMALL = 4 << 20
"""Of these."""
_SMALL_BODIES = 64
"""Bodies that `body.is_small`, each waiting for seconds while the database is away; likewise the larger ones."""
_BODIES = 16
"""Of up to 1 MB."""
_HEAVY = 4
"""Of up to 8 MB."""
_HEAVY_BODY = 1 << 20
_PAUSE = 0.1


class Slots:
    """Who may work, and who may have how many bytes."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._queries = asyncio.Semaphore(_QUERIES)
        self._large = asyncio.Semaphore(_LARGE)
        self._small_bodies = asyncio.Semaphore(_SMALL_BODIES)
        self._bodies = asyncio.Semaphore(_BODIES)
        self._heavy = asyncio.Semaphore(_HEAVY)
        self._sent = 0
        self._is_sent = asyncio.Event()

    def of(self, route: Route, *, is_small: bool) -> asyncio.Semaphore:
        """Where a request of this route waits for its turn; `is_small`: its body is, and is there already."""
        if route.method == "GET":
            return self._queries
        if is_small:
            return self._small_bodies
        return self._heavy if route.max_body > _HEAVY_BODY else self._bodies

    @property
    def of_large(self) -> asyncio.Semaphore:
        """Where one waits whose answer will be larger than SMALL."""
        return self._large

    @contextlib.contextmanager
    def sent(self, size: int) -> Iterator[None]:
        """Memory for an answer until it is sent."""
        self._sent += size
        try:
            yield
        finally:
            self._sent -= size
            self._is_sent.set()

    async def room_to_send(self, size: int, deadline: float) -> None:
        """Wait until there is memory for an answer; TimeoutError if there is none before the deadline.

        Where there is none, whoever has taken nothing of an answer for longest is closed.
        """
        most = _SENT if size <= SMALL else _SENT - _KEPT_FOR_SMALL
        async with asyncio.timeout_at(deadline):
            while self._sent and self._sent + size > most:
                self._connections.close_stalled(asyncio.get_running_loop().time())
                self._is_sent.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await self._is_sent.wait()


@contextlib.asynccontextmanager
async def held(slots: asyncio.Semaphore, deadline: float) -> AsyncIterator[None]:
    """One of these; TimeoutError if there is none before the deadline."""
    async with asyncio.timeout_at(deadline):
        await slots.acquire()
    try:
        yield
    finally:
        slots.release()
