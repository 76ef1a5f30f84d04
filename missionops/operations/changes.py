"""What was changed lately, as hints for pages that show it: they then ask the ordinary operations.

For each spacecraft only the number of its last hint is kept. So a caller that is slow, or comes back after a while,
gets all that was changed since as one hint, and costs no memory but its own position.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from missionops.domain import spacecraft
from missionops.domain.timestamp import Timestamp
from missionops.errors import SetupError, Unavailable
from missionops.operations import pagination
from missionops.store import changes, database
from missionops.store.changes import HintKind

log = logging.getLogger(__name__)

_PAUSE = 1.0
"""Seconds between two attempts to reach a database that is away."""
_CHECK = 5.0
"""Seconds between two looks at whether the connection that listens still answers."""
_MOST_NAMED = 1_000
"""Spacecraft that one hint names; where it would be more, it says any."""
_LISTING = "changes"


class Changes(msgspec.Struct):
    """What was changed since the caller's cursor."""

    cursor: str
    """What continues from here."""
    at: Timestamp
    """Now, by the clock of the service."""
    spacecraft: list[str] | None
    """Those with new telemetry, events or configs; null: any of those that the caller may see."""
    alarms: bool
    """Whether there may be new anomalies or alarms."""
    events: bool
    configs: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed."""
        return self.spacecraft == [] and not (self.alarms or self.events or self.configs)


class ChangeCursor(NamedTuple):
    """How far a caller has seen."""

    feed_id: str
    """Of the feed that wrote it: another one does not know what was changed before."""
    number: int
    """No hint up to this one is news."""


class ChangeFeed:
    """Listens to the hints of all instances, for as long as `running` lasts."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._id = secrets.token_hex(8)
        self._number = 0
        self._last: dict[HintKind, dict[str, int]] = {kind: {} for kind in HintKind}
        """By kind and spacecraft: the number of its last hint, the most recent last."""
        self.changed = asyncio.Event()
        """Set with the next hint; then another one takes its place."""
        self.is_stopping = asyncio.Event()
        """Set when the service stops: nobody waits any more."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen for the time of a block."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            self.is_stopping.set()
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self) -> None:
        while True:
            try:
                async with database.connected(self._dsn) as connection:
                    await connection.add_listener(changes.CHANNEL, lambda *given: self._note(str(given[-1])))
                    # What was changed while nobody listened is not known, so every caller is told that all may be.
                    self._id = secrets.token_hex(8)
                    for last in self._last.values():
                        last.clear()
                    self._wake()
                    while True:  # until the connection is lost
                        await asyncio.sleep(_CHECK)
                        async with asyncio.timeout(_CHECK):
                            await connection.execute("SELECT 1")
            except Exception as error:  # noqa: BLE001 - whatever it is, pages go on, and are told to ask for all
                is_expected = isinstance(error, Unavailable | SetupError | TimeoutError) or database.is_outage(error)
                log.log(logging.DEBUG if is_expected else logging.ERROR, "no hints of changes: %s", error)
            await asyncio.sleep(_PAUSE)

    def _note(self, text: str) -> None:
        try:
            hint = changes.read(text)
        except ValueError:
            log.debug("no hint of ours: %r", text[:100])
            return
        number = self._number = self._advance() + 1
        last = self._last[hint.kind]
        for spacecraft_id in hint.spacecraft_ids:
            last.pop(spacecraft_id, None)
            last[spacecraft_id] = number
        self._wake()

    def _advance(self) -> int:
        """Go on to the time, and return it: a cursor does not tell how many hints of others there were."""
        self._number = max(self._number, time.monotonic_ns() // 1_000)
        return self._number

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def since(self, cursor: str | None, visible: AbstractSet[str] | None) -> tuple[Changes, bool]:
        """What was changed since a cursor of an earlier answer; True if anything may have, as nobody knows.

        `visible` are the spacecraft that the caller may see; None: all, and what is about no one of them.
        """
        position = pagination.read(cursor, ChangeCursor, _LISTING)
        reached = pagination.written(ChangeCursor(self._id, self._advance()), _LISTING)
        now = datetime.now(UTC)
        if position is None or position.feed_id != self._id or position.number > self._number:
            return Changes(reached, now, None, alarms=True, events=True, configs=True), True
        found: dict[HintKind, set[str]] = {kind: set() for kind in HintKind}
        for kind, last in self._last.items():
            for spacecraft_id, number in reversed(last.items()):
                if number <= position.number:
                    break
                if visible is None or spacecraft_id in visible:
                    found[kind].add(spacecraft_id)
        named = sorted(set().union(*found.values()) - {spacecraft.FLEET})
        changed = Changes(
            reached,
            now,
            named if len(named) <= _MOST_NAMED else None,
            alarms=bool(found[HintKind.TELEMETRY] or found[HintKind.ALARM]),
            events=bool(found[HintKind.EVENT] or found[HintKind.CONFIG]),
            configs=bool(found[HintKind.CONFIG]),
        )
        return changed, False
