"""A TCP proxy that can hold, abort and discard what passes through it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 1 << 16
_FAULTS = (OSError, asyncio.IncompleteReadError)


class Link:
    """One connection; each direction forwards what it reads while its gate is open."""

    def __init__(self, client: Streams, server: Streams, out: asyncio.Event, back: asyncio.Event) -> None:
        self.client = client
        self.server = server
        self.discards = False
        self._ways = ((client[0], server[1], out), (server[0], client[1], back))

    async def run(self) -> None:
        """Forward until either side ends."""
        pumps = [asyncio.create_task(self._pump(*way)) for way in self._ways]
        try:
            await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.cut()
            await asyncio.gather(self.client[1].wait_closed(), self.server[1].wait_closed(), return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        """Read on while the gate is closed: what a killed client had sent arrives all the same."""
        held: asyncio.Queue[bytes] = asyncio.Queue(maxsize=64)
        drain = asyncio.create_task(self._drain(held, writer, gate))
        try:
            with contextlib.suppress(*_FAULTS):
                while chunk := await reader.read(_CHUNK):
                    await held.put(chunk)
            await held.put(b"")
            await drain
        finally:
            drain.cancel()

    async def _drain(self, held: asyncio.Queue[bytes], writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with contextlib.suppress(*_FAULTS):
            while chunk := await held.get():
                await gate.wait()
                if not self.discards:
                    writer.write(chunk)
                    await writer.drain()
        if self.discards:
            await asyncio.Event().wait()  # the other side does not even see the end
        with contextlib.suppress(*_FAULTS):
            await gate.wait()
            writer.close()

    def cut(self) -> None:
        """Abort the connection, and lose what was in flight."""
        for _, writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Listens on a free port of the loopback interface; `out` (to the server) and `back` are its gates."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._links: dict[asyncio.Task[None], Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.out, self.back = asyncio.Event(), asyncio.Event()
        self.flow()

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def flow(self) -> None:
        """Open both gates."""
        self.out.set()
        self.back.set()

    def stall(self) -> None:
        """Close both gates."""
        self.out.clear()
        self.back.clear()

    def cut(self) -> None:
        """Abort all connections."""
        for link in self._links.values():
            link.cut()

    def discard(self) -> None:
        """Discard all that existing connections send, even their end; new connections work."""
        for link in self._links.values():
            link.discards = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            server = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._tasks.discard(task)
        link = Link((reader, writer), server, self.out, self.back)
        self._tasks.add(task)
        self._links[task] = link
        try:
            await link.run()
        except asyncio.CancelledError:
            pass  # only `stop` cancels it; asyncio would log it
        finally:
            self._tasks.discard(task)
            del self._links[task]
