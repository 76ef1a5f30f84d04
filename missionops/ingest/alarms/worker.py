"""The alarm worker of a session: folds again what batches have marked, one spacecraft after another.

It never waits for long: of telemetry that comes late it takes together what came within a second, and a spacecraft with
very much to fold again goes on beside the others, which come first.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import asyncpg

from missionops.errors import MissionopsError, OwnershipLost
from missionops.ingest.alarms import shelving
from missionops.ingest.alarms.engine import AlarmEngine
from missionops.ingest.alarms.pace import Pace
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
_LONG = 5.0
"""Seconds after which other spacecraft no longer wait for one."""
_MOST_LONG = 2
"""Spacecraft that go on beside the others at the same time."""
_PATIENCE = 10.0
"""Seconds after which one is given up for now, where so many go on already."""
_MOST = 100
"""Spacecraft that are looked up at a time."""
_SET_ASIDE = 30.0
"""Seconds for which a spacecraft whose alarms could not be found is passed over."""

_LIMITS = {"transaction_timeout": "30s", "lock_timeout": "5s"}
"""An owner that was stopped would hold its locks against its successor."""

_EXPECTED = (MissionopsError, asyncpg.LockNotAvailableError)


class _Drafting(NamedTuple):
    """A spacecraft whose marks are worked off."""

    spacecraft_id: str
    task: asyncio.Task[None]
    connection: Connection
    pace: Pace


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
        self._idle: list[Connection] = []
        """At least one: the others are those of `_long`."""
        self._long: list[_Drafting] = []
        """They take long, and go on beside the others."""

    async def run(self) -> None:
        """Work, on connections of its own."""
        try:
            while True:
                try:
                    async with contextlib.AsyncExitStack() as stack:
                        connections = [
                            await stack.enter_async_context(database.connected(self._database_url, **_LIMITS))
                            for _ in range(1 + _MOST_LONG)
                        ]
                        await connections[0].add_listener(alarm_marks.CHANNEL, lambda *_: self._engine.marked.set())
                        self._idle = [*connections]
                        try:
                            while not any(one.is_closed() for one in connections):
                                await self._work()
                        finally:
                            ended, self._long = self._long, []
                            for one in ended:
                                await _cancel(one.task)
                except OwnershipLost:
                    raise
                except (*database.AWAY, *_EXPECTED) as error:
                    log.debug("marked alarms wait for the database: %s", error)
                    await asyncio.sleep(_PAUSE)
        finally:
            self._status.forget()

    async def _work(self) -> None:
        """Do what is due, and wait until there may be more."""
        self._engine.marked.clear()
        await self._work_off_due()
        connection = self._idle[-1]
        # A spacecraft is silent only once all that was received is handled.
        if now := await self._handled_at():
            async with self._engine.lock, connection.transaction():
                await self._engine.silence.find(connection, self._engine.partition, now)
                await alarm_marks.fence(connection, self._lease)
        ended = shelving.ENDED_AT_ONCE
        while ended == shelving.ENDED_AT_ONCE:
            async with connection.transaction():
                ended = await shelving.end_shelves(connection, datetime.now(UTC))
                await alarm_marks.fence(connection, self._lease)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self._engine.marked.wait()

    async def _work_off_due(self) -> None:
        """Work until nothing is due."""
        while True:
            for ended in [one for one in self._long if one.task.done()]:
                self._long.remove(ended)
                self._idle.append(ended.connection)
                self._handle_end(ended)
            now = time.monotonic()
            self._set_aside = {name: until for name, until in self._set_aside.items() if until > now}
            busy = {*self._set_aside, *(one.spacecraft_id for one in self._long)}
            connection = self._idle[-1]
            spacecraft_ids = await alarm_marks.due(connection, self._lease, _MOST, busy)
            self._status.note_waiting(await alarm_marks.waiting(connection), self._set_aside)
            if not spacecraft_ids:
                return
            for spacecraft_id in spacecraft_ids:
                await self._work_off(spacecraft_id)

    async def _work_off(self, spacecraft_id: str) -> None:
        """Work off the marks of one spacecraft; if that takes long, it goes on beside the others."""
        connection, fence, pace = self._idle.pop(), partial(alarm_marks.fence, lease=self._lease), Pace()
        task = asyncio.create_task(self._engine.work_off(connection, spacecraft_id, fence, pace))
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # else asyncio logs those given up
        current, has_room = _Drafting(spacecraft_id, task, connection, pace), len(self._long) < _MOST_LONG
        self._slow_down(is_slow=True)
        try:
            await asyncio.wait({task}, timeout=_LONG if has_room else _PATIENCE)
            if not task.done() and has_room:
                self._long.append(current)
                return
        finally:
            self._slow_down(is_slow=False)
            if current not in self._long:
                self._idle.append(connection)
                await _cancel(task)
        self._handle_end(current)

    def _slow_down(self, *, is_slow: bool) -> None:
        """Whether those that take long leave most of the time to another."""
        for one in self._long:
            one.pace.is_slow = is_slow

    def _handle_end(self, ended: _Drafting) -> None:
        """Go on with others if it failed: it is tried again in a while. Raises what ends the session."""
        spacecraft_id, task, connection, _ = ended
        if task.cancelled():
            error: BaseException | None = TimeoutError("those of other spacecraft take long, too, and come first")
        else:
            error = task.exception()
        if error is None:
            return
        is_outage = connection.is_closed() or database.is_outage(error)
        if isinstance(error, OwnershipLost) or (is_outage and not isinstance(error, TimeoutError)):
            raise error
        self._set_aside[spacecraft_id] = time.monotonic() + _SET_ASIDE
        self._status.count_failure()
        if self._repeats.is_new(f"{type(error).__name__} {error}"):
            is_expected = isinstance(error, (*_EXPECTED, TimeoutError))
            reason = str(error) or type(error).__name__
            log.log(logging.WARNING if is_expected else logging.ERROR, "alarms of %s are not up to date: %s",
                    spacecraft_id, reason, exc_info=None if is_expected else error,
                    extra={"spacecraft": spacecraft_id})  # fmt: skip


async def _cancel(task: asyncio.Task[None]) -> None:
    """Stop a task, unless it has ended, and wait until its transaction is rolled back."""
    task.cancel()
    await asyncio.wait({task})
