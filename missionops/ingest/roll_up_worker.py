"""The roll-up worker of a session: rolls up stale hours, a few at a time, whenever the database has some that are due.

It is never in the way of ingest. While batches are in flight it takes a tenth of the time; what it does not get done
waits in app.stale_hour, and requests for a series read the snapshots themselves meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

import asyncpg

from missionops.errors import MissionopsError
from missionops.ingest import roll_up
from missionops.ingest.roll_up_status import RollUpStatus
from missionops.logs import RepeatFilter
from missionops.store import database, roll_ups
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection

log = logging.getLogger(__name__)

_BUSY_REST = 9.0
"""While batches are in flight the worker rests so many times as long as it worked."""
_BUSY_SECONDS = 60.0
"""The age of a transaction from which on the worker only lets others have their turn, as where nothing is in flight."""
_SHORT, _LONG = 0.2, 1.0
"""Seconds of work in a transaction: after less the worker takes twice as many hours the next time, after more half as
many."""
_MOST_HOURS = 512
_IDLE = 2.0
"""Seconds between two looks for hours that are due."""
_SETTINGS = {"transaction_timeout": "600s", "application_name": "missionops roll-ups"}
_SET_ASIDE = 300.0
"""Seconds for which a spacecraft that could not be rolled up is passed over."""

_MOST_MARKED = 200_000

_EXPECTED = (MissionopsError, asyncpg.LockNotAvailableError)


class MarkedHours:
    """The hours of spacecraft that are marked in the database, as far as this session's batches did it.

    A snapshot may be added without a mark of its own only as long as the mark that it relies on stays. So hours are
    forgotten first, then every batch that relied on them is committed, and only what is read after that is rolled up.
    """

    def __init__(self) -> None:
        self._marked: set[tuple[str, int]] = set()
        self._committed: asyncio.Event | None = None
        """Set with the commit of the last batch that has decided what to mark; those before it are committed then."""

    def unmarked(self, hours: AbstractSet[tuple[str, int]], committed: asyncio.Event) -> AbstractSet[tuple[str, int]]:
        """The hours that a batch has to mark, of those that it adds to; it commits next, or the session ends."""
        self._committed = committed
        new = hours - self._marked
        if len(self._marked) > _MOST_MARKED:
            self._marked.clear()  # to mark an hour twice does no harm
        self._marked |= new
        return new

    async def forget(self, spacecraft_id: str, hours: Iterable[int]) -> None:
        """Have batches that add to these hours mark them anew, and wait for the one that did not know it yet."""
        self._marked.difference_update([(spacecraft_id, hour) for hour in hours])
        if self._committed:
            await self._committed.wait()


class RollUpWorker:
    """Rolls up what is stale, one spacecraft after another, until it is cancelled; what fails is tried again."""

    def __init__(
        self,
        database_url: str,
        lease: Lease,
        marked_hours: MarkedHours,
        is_busy: Callable[[], bool],
        status: RollUpStatus,
    ) -> None:
        self._database_url = database_url
        self._lease = lease
        self._marked_hours = marked_hours
        self._is_busy = is_busy
        self._status = status
        self._most_hours = 1
        self._set_aside: dict[str, float] = {}
        """By spacecraft: until when."""
        self._began = self._resumed = self._worked = 0.0
        """Of the transaction in hand: when it began, when it went on last, and for how long it has worked."""
        self._repeats = RepeatFilter()

    async def run(self) -> None:
        """Roll up, on a connection of its own."""
        try:
            while True:
                try:
                    async with database.connected(self._database_url, **_SETTINGS) as connection:
                        while not connection.is_closed():
                            await self.roll_up_due(connection)
                            await asyncio.sleep(_IDLE)
                except (*database.AWAY, *_EXPECTED) as error:
                    log.debug("roll-ups wait for the database: %s", error)
                    await asyncio.sleep(_IDLE)
        finally:
            self._status.forget()

    async def roll_up_due(self, connection: Connection) -> None:
        """Roll up until nothing is due any more."""
        looked = float("-inf")
        while not connection.is_closed():
            if time.monotonic() - looked > _IDLE:
                looked = time.monotonic()
                self._set_aside = {name: until for name, until in self._set_aside.items() if until > looked}
                self._status.note_waiting(await roll_ups.waiting(connection))
            stale = await roll_ups.due(connection, *self._lease, self._most_hours, self._set_aside)
            if stale is None:
                self._status.note_waiting(await roll_ups.waiting(connection))
                return
            try:
                await self._roll_up(connection, stale)
            except Exception as error:
                # Go on with another spacecraft; this one is tried again later, with fewer hours at once.
                self._set_aside[stale.spacecraft_id] = time.monotonic() + _SET_ASIDE
                self._most_hours = 1
                self._status.count_failure()
                if not self._repeats.is_new(f"{type(error).__name__} {error}"):
                    continue
                is_expected = isinstance(error, _EXPECTED) or database.is_outage(error)
                log.log(logging.WARNING if is_expected else logging.ERROR, "%s is not rolled up for now: %s",
                        stale.spacecraft_id, error, exc_info=None if is_expected else error,
                        extra={"spacecraft": stale.spacecraft_id})  # fmt: skip

    async def _roll_up(self, connection: Connection, stale: roll_ups.StaleHours) -> None:
        self._worked, self._began = 0.0, time.monotonic()
        self._resumed = self._began
        await self._marked_hours.forget(stale.spacecraft_id, stale.hours)
        async with connection.transaction():
            if await roll_ups.begin(connection, self._lease.partition, stale):
                await roll_up.recompute(connection, stale, self._rest)
                await roll_ups.remove(connection, stale)
        await self._rest()
        self._status.count(len(stale.hours), self._worked)
        if self._worked < _SHORT:
            self._most_hours = min(2 * self._most_hours, _MOST_HOURS)
        elif self._worked > _LONG:
            self._most_hours = max(self._most_hours // 2, 1)

    async def _rest(self) -> None:
        """Let others work."""
        now = time.monotonic()
        worked, is_new = now - self._resumed, now - self._began < _BUSY_SECONDS
        self._worked += worked
        await asyncio.sleep(_BUSY_REST * worked if is_new and self._is_busy() else 0)
        self._resumed = time.monotonic()
