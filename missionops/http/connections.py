"""All open connections: how many there may be, and which are closed to make room for new ones.

A new connection is never refused because old ones are idle: `/health/live` is answered however many there are.
"""

import logging
from collections.abc import Mapping
from typing import Protocol

log = logging.getLogger(__name__)

MOST = 700
"""Connections; a process may usually have 1,024 files, and needs some for itself."""
_SPARE = 40
"""Connections beyond MOST that are accepted while a request is being answered on each of the others."""
_SILENT = 0.5
"""Seconds for which a client has sent nothing before its connection may be closed; sooner only at MOST + _SPARE."""
_STALLED = 2.0
"""Seconds for which a client has received nothing of its response before its connection may be closed."""
_LOG_INTERVAL = 60.0
"""Seconds without too many connections after which it is logged again."""


class Connection(Protocol):
    """What this module needs of a connection."""

    def abort(self) -> None:
        """End it at once, whatever was written and not sent."""


class Connections:
    """Clients that have to send a request, and clients that do not receive their response; oldest first."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._silent: dict[Connection, float] = {}
        self._stalled: dict[Connection, float] = {}
        self._full_at = float("-inf")

    def opened(self, connection: Connection, now: float) -> None:
        """A connection is open; if there are too many, the one that has been silent longest is closed."""
        self._open.add(connection)
        if len(self._open) <= MOST:
            return
        if now - self._full_at > _LOG_INTERVAL:
            log.warning(
                "HTTP has more than %d connections: the one whose client has sent nothing for longest is closed", MOST
            )
        self._full_at = now
        chosen = _oldest(self._silent, now - _SILENT) or _oldest(self._stalled, now - _STALLED)
        if chosen is None and len(self._open) > MOST + _SPARE:
            chosen = _oldest(self._silent, now) or connection
        if chosen is not None:
            self._end(chosen)

    def closed(self, connection: Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        self._silent.pop(connection, None)
        self._stalled.pop(connection, None)

    def expects(self, connection: Connection, now: float) -> None:
        """The client has to send something: it has just connected, sent a part of a request, or received a response."""
        if connection in self._open:
            self._silent.pop(connection, None)
            self._silent[connection] = now

    def answers(self, connection: Connection) -> None:
        """The service has to respond."""
        self._silent.pop(connection, None)

    def stalls(self, connection: Connection, now: float) -> None:
        """The client does not receive what was written."""
        if connection in self._open:
            self._stalled[connection] = now

    def goes_on(self, connection: Connection) -> None:
        """The client has received it."""
        self._stalled.pop(connection, None)

    def close_stalled(self, now: float) -> None:
        """Close the client that has received nothing for longest, if that is long: its response holds memory."""
        if (chosen := _oldest(self._stalled, now - _STALLED)) is not None:
            self._end(chosen)

    def _end(self, connection: Connection) -> None:
        self.closed(connection)
        connection.abort()


def _oldest(since: Mapping[Connection, float], before: float) -> Connection | None:
    """The first connection, if it has been in this state since `before` or longer."""
    for connection, began in since.items():
        return connection if began <= before else None
    return None
