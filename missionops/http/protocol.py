"""HTTP on one connection, with time limits: uvicorn alone waits without end for a head and for a slow client."""

import asyncio
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


class BoundedProtocol(H11Protocol):
    """A connection that ends when its client is too slow."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self.conn = StrictConnection(HEAD_BYTES)
        self._connections = connections

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
        self._stop_head_timer()
        self._stop_read_timer()
        self._stop_answer_timer()

    def data_received(self, data: bytes) -> None:
        """A part of a head has arrived, or of a body, which has a time limit of its own."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """A request that was sent ahead is handled now; otherwise uvicorn waits a few seconds for one."""
        self._stop_answer_timer()
        super().on_response_complete()
        self._note_turn()
        if self.timeout_keep_alive_task is None:
            self._watch_head()

    def pause_writing(self) -> None:
        """More is written than the client has received."""
        super().pause_writing()
        self._connections.stalls(self, self.loop.time())
        self._answer_timer = self._answer_timer or self.loop.call_later(ANSWER_SECONDS, self.transport.abort)
        self._read_timer = self._read_timer or self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has received nearly all."""
        super().resume_writing()
        self._connections.goes_on(self)
        self._stop_read_timer()

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
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end)

    def _end(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
        self._head_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer:
            self._answer_timer.cancel()
        self._answer_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer:
            self._read_timer.cancel()
        self._read_timer = None
