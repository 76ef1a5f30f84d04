"""The alarm worker of a session: folds again what batches have marked, one spacecraft after another.

It never waits for long: of telemetry that comes late it takes together what came within a second.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import asyncpg

from missionops.errors import MissionopsError, OwnershipLost
from missionops.ingest.alarms import shelving
from missionops.ingest.alarms.engine import AlarmEngine
from missionops.ingest.alarms.status import AlarmStatus
from missionops.logs import RepeatFilter
from missionops.store import alarm_marks, database
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection

log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between two looks for what is due."""
_PAUSE = 1.0
"""Seconds before another attempt to reach a database that is away."""
_MOST = 100
"""Spacecraft that are looked up at a time."""
_SET_ASIDE = 30.0
"""Seconds for which a spacecraft whose alarms could not be found is passed over."""

_LIMITS = {"transaction_timeout": "30s", "lock_timeout": "5s"}
"""An owner that was stopped would hold its locks against its successor."""

_EXPECTED = (MissionopsError, asyncpg.LockNotAvailableError)


class AlarmWorker:
    """Works off what is marked, until it is cancelled; OwnershipLost if another instance has claimed the partition."""

    def __init__(
        self,
        database_url: str,
        lease: Lease,
        engine: AlarmEngine,
        status: AlarmStatus,
        handled_at: Callable[[], Awaitable[datetime | None]],
    ) -> None:
        """`handled_at`: the time of the stream TELEMETRY if all that it holds is handled, None otherwise."""
        self._database_url = database_url
        self._lease = lease
        self._engine = engine
        self._status = status
        self._handled_at = handled_at
        self._set_aside: dict[str, float] = {}
        """By spacecraft: until when."""
        self._repeats = RepeatFilter()

    async def run(self) -> None:
        """Work, on a connection of its own."""
        try:
            while True:
                try:
                    async with database.connected(self._database_url, **_LIMITS) as connection:
                        await connection.add_listener(alarm_marks.CHANNEL, lambda *_: self._engine.marked.set())
                        while not connection.is_closed():
                            self._engine.marked.clear()
                            await self.work_off_due(connection)
                            await self._find_silent(connection)
                            while await self._end_shelves(connection) == shelving.ENDED_AT_ONCE:
                                pass
                            with contextlib.suppress(TimeoutError):
                                async with asyncio.timeout(_LOOK):
                                    await self._engine.marked.wait()
                except OwnershipLost:
                    raise
                except (*database.AWAY, MissionopsError) as error:
                    log.debug("marked alarms wait for the database: %s", error)
                    await asyncio.sleep(_PAUSE)
        finally:
            self._status.forget()

    async def work_off_due(self, connection: Connection) -> None:
        """Work until nothing is due."""
        fence = partial(alarm_marks.fence, lease=self._lease)
        while True:
            now = time.monotonic()
            self._set_aside = {name: until for name, until in self._set_aside.items() if until > now}
            spacecraft_ids = await alarm_marks.due(connection, self._lease, _MOST, self._set_aside)
            self._status.note_waiting(await alarm_marks.waiting(connection), self._set_aside)
            if not spacecraft_ids:
                return
            for spacecraft_id in spacecraft_ids:
                try:
                    await self._engine.work_off(connection, spacecraft_id, fence)
                except OwnershipLost:
                    raise
                except Exception as error:
                    self._engine.forget(spacecraft_id)
                    is_too_much = isinstance(error, TimeoutError)  # for the time that batches may wait
                    if connection.is_closed() or (database.is_outage(error) and not is_too_much):
                        raise
                    self._pass_over(spacecraft_id, error)

    async def _find_silent(self, connection: Connection) -> None:
        """Whoever has not been heard for long is an alarm; not while what was received is still to be handled."""
        now = await self._handled_at()
        if now is not None:
            async with self._engine.lock, connection.transaction():
                await self._engine.silence.find(connection, self._engine.partition, now)
                await alarm_marks.fence(connection, self._lease)

    async def _end_shelves(self, connection: Connection) -> int:
        async with connection.transaction():
            ended = await shelving.end_shelves(connection, datetime.now(UTC))
            await alarm_marks.fence(connection, self._lease)
        return ended

    def _pass_over(self, spacecraft_id: str, error: Exception) -> None:
        """Go on with other spacecraft; this one is tried again in a while."""
        self._set_aside[spacecraft_id] = time.monotonic() + _SET_ASIDE
        self._status.count_failure()
        if self._repeats.is_new(f"{type(error).__name__} {error}"):
            is_expected = isinstance(error, (*_EXPECTED, TimeoutError))
            reason = str(error) or "to find them takes longer than batches may wait"
            log.log(logging.WARNING if is_expected else logging.ERROR, "alarms of %s are not up to date: %s",
                    spacecraft_id, reason, exc_info=None if is_expected else error,
                    extra={"spacecraft": spacecraft_id})  # fmt: skip
