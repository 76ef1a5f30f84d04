"""All open connections: how many there may be, and who makes room for others.

A new connection is never refused because old ones do nothing: `/health/live` is to be answered whoever is there.
"""

import logging
from collections.abc import Mapping
from typing import Protocol

log = logging.getLogger(__name__)

MOST = 700
"""Connections; a process may usually have 1,024 files, and needs some for itself."""
_SPARE = 40
"""More, for those who come while every connection has a request that is being answered."""
_SILENT = 0.5
"""Seconds for which a client has said nothing before it makes room; sooner only where there is no other way."""
_STALLED = 2.0
"""Seconds for which a client has taken nothing of its answer before it makes room, or frees memory that others need."""
_SPELL = 60.0
"""Seconds without too many connections after which it is said again."""


class Connection(Protocol):
    """One connection, as far as it is looked at here."""

    def abort(self) -> None:
        """End it at once, whatever was written and not sent."""


class Connections:
    """Who waits for whom: clients that owe us a request, and clients that do not take their answer; oldest first."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._silent: dict[Connection, float] = {}
        self._stalled: dict[Connection, float] = {}
        self._full_at = float("-inf")

    def opened(self, connection: Connection, now: float) -> None:
        """A client is there; if there are too many, the one that has been silent longest is closed."""
        self._open.add(connection)
        if len(self._open) <= MOST:
            return
        if now - self._full_at > _SPELL:
            log.warning("HTTP has more than %d connections: whoever has been silent longest is closed", MOST)
        self._full_at = now
        chosen = _oldest(self._silent, now - _SILENT) or _oldest(self._stalled, now - _STALLED)
        if chosen is None and len(self._open) > MOST + _SPARE:
            chosen = _oldest(self._silent, now) or connection
        if chosen is not None:
            self._end(chosen)

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        self._open.discard(connection)
        self._silent.pop(connection, None)
        self._stalled.pop(connection, None)

    def expects(self, connection: Connection, now: float) -> None:
        """It is the client's turn; it has just come, said a part of a request, or been answered."""
        if connection in self._open:
            self._silent.pop(connection, None)
            self._silent[connection] = now

    def answers(self, connection: Connection) -> None:
        """It is our turn."""
        self._silent.pop(connection, None)

    def stalls(self, connection: Connection, now: float) -> None:
        """The client does not take what was written."""
        if connection in self._open:
            self._stalled[connection] = now

    def goes_on(self, connection: Connection) -> None:
        """It has taken it."""
        self._stalled.pop(connection, None)

    def close_stalled(self, now: float) -> None:
        """Close whoever has taken nothing for longest, if that is long: his answer takes memory that others need."""
        if (chosen := _oldest(self._stalled, now - _STALLED)) is not None:
            self._end(chosen)

    def _end(self, connection: Connection) -> None:
        self.closed(connection)
        connection.abort()


def _oldest(since: Mapping[Connection, float], before: float) -> Connection | None:
    """Whoever is first, if that is so since `before`."""
    for connection, began in since.items():
        return connection if began <= before else None
    return None
