"""Slots for requests and memory for responses: how many of each kind there may be at once.

The kinds do not wait for each other: clients that send slowly do not delay queries, and clients that read slowly do not
delay other responses.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from missionops.http.connections import Connections
from missionops.operations.operation import Route

SMALL = 512 << 10
"""Bytes of a response that many may hold at once; a larger one is made again in a slot for large ones."""

_QUERIES = 16
_LARGE = 1
"""Responses of up to 8 MB that are being made."""
_SENT = 24 << 20
"""Bytes of responses that are being sent."""
_KEPT_FOR_SMALL = 4 << 20
"""Of these bytes, those that only responses of at most SMALL may take."""
_SMALL_BODIES = 64
"""Requests with a body that `request_body.is_small`; they may wait for seconds while the database is away."""
_BODIES = 16
"""Requests with a body of up to 1 MB."""
_HEAVY = 4
"""Requests with a body of up to 8 MB."""
_HEAVY_BODY = 1 << 20
_PAUSE = 0.1


class Slots:
    """The slots and the memory of one HTTP server."""

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
        """The slots for requests of this route; `is_small`: its body is small and has arrived."""
        if route.method == "GET":
            return self._queries
        if is_small:
            return self._small_bodies
        return self._heavy if route.max_body > _HEAVY_BODY else self._bodies

    @property
    def of_large(self) -> asyncio.Semaphore:
        """The slots for requests whose response is larger than SMALL."""
        return self._large

    @contextlib.contextmanager
    def sent(self, size: int) -> Iterator[None]:
        """Memory for a response until it is sent."""
        self._sent += size
        try:
            yield
        finally:
            self._sent -= size
            self._is_sent.set()

    async def room_to_send(self, size: int, deadline: float) -> None:
        """Wait until there is memory for a response; TimeoutError if there is none before the deadline.

        Meanwhile the client that has received nothing for longest is disconnected.
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
    """One slot for the time of a block; TimeoutError if none is free before the deadline."""
    async with asyncio.timeout_at(deadline):
        await slots.acquire()
    try:
        yield
    finally:
        slots.release()
