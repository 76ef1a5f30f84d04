"""HTTP on one connection, with time limits: uvicorn alone waits without end for a head and for a slow client."""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from missionops.http.connections import Connections
from missionops.http.framing import StrictConnection

HEAD_SECONDS = 10.0
"""Seconds from the start of a connection, or the first byte after a response, to the end of a request's head."""
READ_SECONDS = 10.0
"""Seconds for a client to receive what was written, some 64 KB, before it is disconnected."""
ANSWER_SECONDS = 60.0
"""Seconds for a client to receive a whole response of at most 8 MB."""
HEAD_BYTES = 16 << 10
"""The most bytes of an incomplete head; one that arrives in one piece may be as long as what is read at once."""


class _TimeLimit:
    """Calls something so many seconds after it was started, unless it is stopped before; then it can start again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start it, unless it runs already."""
        self._handle = self._handle or self._loop.call_later(self._seconds, self._run)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._handle:
            self._handle.cancel()
        self._handle = None

    def _run(self) -> None:
        self._handle = None
        self._callback()


class BoundedProtocol(H11Protocol):
    """A connection that ends when its client is too slow."""

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self.conn = StrictConnection(HEAD_BYTES)
        self._connections = connections
        self._head_timer = _TimeLimit(self.loop, HEAD_SECONDS, self._close_if_idle)
        self._read_timer = _TimeLimit(self.loop, READ_SECONDS, self.abort)
        self._answer_timer = _TimeLimit(self.loop, ANSWER_SECONDS, self.abort)

    def abort(self) -> None:
        """Disconnect at once."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A client has connected: now it has to send a request."""
        super().connection_made(transport)
        self._connections.opened(self, self.loop.time())
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected."""
        self._connections.closed(self)
        super().connection_lost(exc)
        for timer in (self._head_timer, self._read_timer, self._answer_timer):
            timer.stop()

    def data_received(self, data: bytes) -> None:
        """A part of a head has arrived, or of a body, which has a time limit of its own."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """A request that was sent ahead is handled now; otherwise uvicorn waits a few seconds for one."""
        self._answer_timer.stop()
        super().on_response_complete()
        self._note_turn()
        if self.timeout_keep_alive_task is None:
            self._watch_head()

    def pause_writing(self) -> None:
        """More is written than the client has received."""
        super().pause_writing()
        self._connections.stalls(self, self.loop.time())
        self._answer_timer.start()
        self._read_timer.start()

    def resume_writing(self) -> None:
        """The client has received nearly all."""
        super().resume_writing()
        self._connections.goes_on(self)
        self._read_timer.stop()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, unless a response is being sent, in which nothing can be inserted."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _note_turn(self) -> None:
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._connections.expects(self, self.loop.time())
        else:
            self._connections.answers(self)

    def _watch_head(self) -> None:
        self._note_turn()
        if self.conn.their_state is not h11.IDLE:
            self._head_timer.stop()
        else:
            self._head_timer.start()

    def _close_if_idle(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
