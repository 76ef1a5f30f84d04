"""The notifier of an instance: writes messages of what is due, and has their targets send them, each for itself.

All that it has to remember is in the database, so it goes on after a crash; several instances share the work.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from prometheus_client import CollectorRegistry

from missionops.domain.notification import text
from missionops.errors import MissionopsError
from missionops.logs import RepeatFilter
from missionops.notifications.composer import Composer
from missionops.notifications.file import NotifyFile
from missionops.notifications.intake import Intake
from missionops.notifications.status import NotificationStatus
from missionops.notifications.target import SEND_TIME
from missionops.store import database, notification_messages
from missionops.store.database import Connection, Database
from missionops.store.notification_messages import Claimed

log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between two looks at what is due."""
_CLAIM = timedelta(seconds=SEND_TIME + 10)
"""How long a message is this instance's, to be sent."""
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
"""Seconds before a message is tried again, doubling each time."""
_HEARTBEAT_LOOK = timedelta(seconds=5)
_STOP_TIME = 2.0
"""Seconds in which what is being sent may be finished."""
_LIMITS = {"statement_timeout": "30s", "transaction_timeout": "60s", "lock_timeout": "10s"}

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Notifier:
    """Works from `run` until `stop`; whatever fails is tried again."""

    def __init__(
        self, file: NotifyFile, pool: Database, registry: CollectorRegistry | None = None, clock: Clock = utc_now
    ) -> None:
        self.status = NotificationStatus(file.targets, registry)
        self._file = file
        self._pool = pool
        self._clock = clock
        self._woken = asyncio.Event()
        self._is_stopping = False
        self.intake = Intake(pool, file.deliveries, clock, self._woken.set)
        self._composer = Composer(file.deliveries, self.intake.lock)
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._done: list[tuple[Claimed, str | None]] = []
        self._heartbeats: dict[str, asyncio.Task[None]] = {}
        self._next_heartbeat = clock()
        self._repeats = RepeatFilter()
        self._failing: dict[str, str] = {}
        """By target that does not take messages: why."""

    def now(self) -> datetime:
        """The time by the notifier's clock."""
        return self._clock()

    async def run(self, is_handling: Callable[[], Awaitable[bool]]) -> None:
        """Work until stopped; `is_handling` says whether telemetry is handled, for the heartbeat."""
        if not self._file.routes:
            log.warning("nobody is told of alarms: the notify file has no [[routes]]")
        catching_up = asyncio.create_task(self._until_done(self.intake.catch_up))
        await self._until_done(partial(self._work, is_handling))
        catching_up.cancel()
        await asyncio.wait([catching_up])

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work, again after each error; everything waits in the database for another attempt."""
        while not self._is_stopping:
            try:
                await work()
            except Exception as error:
                self.status.trouble = trouble = f"Nobody is notified now: {str(error) or type(error).__name__}"
                is_expected = isinstance(error, MissionopsError) or database.is_outage(error)
                if self._repeats.is_new(trouble):
                    log.log(logging.WARNING if is_expected else logging.ERROR, "%s", trouble,
                            exc_info=None if is_expected else error)  # fmt: skip
                await asyncio.sleep(_LOOK)
            else:
                return

    async def _work(self, is_handling: Callable[[], Awaitable[bool]]) -> None:
        """Work on one connection, until stopped."""
        async with database.connected(self._pool.dsn, **_LIMITS) as connection:
            for target, alarms in await notification_messages.forget(connection, list(self._file.targets)):
                log.warning("a message about %d alarms is dropped: the notify file has its target %s no more",
                            alarms, target)  # fmt: skip
            while not self._is_stopping:
                self._woken.clear()
                await self.turn(connection)
                await self._beat(connection, is_handling)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await self._woken.wait()
            if tasks := [*self._sending.values(), *self._heartbeats.values()]:
                # What is being sent gets some time, so that it is not sent again.
                _, left = await asyncio.wait(tasks, timeout=_STOP_TIME)
                for task in left:
                    task.cancel()
            await self._record(connection)

    def stop(self) -> None:
        """Begin nothing more, note what was sent, and end `run`."""
        self._is_stopping = True
        self._woken.set()

    async def turn(self, connection: Connection) -> None:
        """Write what is due, and begin to send what waits, to each target that is not at it already."""
        await self._record(connection)
        await self._composer.compose(connection, self._clock())
        for target in self._file.targets:
            if target in self._sending:
                continue
            now = self._clock()
            if claimed := await notification_messages.claim(connection, target, now, now + _CLAIM, _LONGEST_PAUSE):
                self._sending[target] = asyncio.create_task(self._send(target, claimed))
        self.status.note_waiting(await notification_messages.waiting(connection), self._clock())

    async def _send(self, target: str, claimed: Claimed) -> None:
        try:
            reason = await self._file.targets[target].send(claimed.message)
            self._done.append((claimed, reason))
        finally:
            del self._sending[target]
            self._woken.set()

    async def _record(self, connection: Connection) -> None:
        """Note what became of messages; one that failed is tried again, after pauses that grow."""
        while self._done:
            claimed, reason = self._done[0]
            target = claimed.key[1]
            if reason is None:
                await notification_messages.remove(connection, claimed)
                log.info("the target %s was told of alarms: %d", target, claimed.message.alarms)
            else:
                pause = min(_FIRST_PAUSE * 2.0 ** min(claimed.attempt - 1, 10), _LONGEST_PAUSE)
                until = self._clock() + timedelta(seconds=pause)
                await notification_messages.put_off(connection, claimed, until, reason)
            self._count(target, reason)
            del self._done[0]

    async def _beat(self, connection: Connection, is_handling: Callable[[], Awaitable[bool]]) -> None:
        """Send the heartbeat, if it is time, and if telemetry is handled and alarms are told."""
        heartbeat, now = self._file.heartbeat, self._clock()
        if heartbeat is None:
            return
        pause = min(_HEARTBEAT_LOOK, timedelta(seconds=heartbeat.every))
        if self._next_heartbeat - pause <= now < self._next_heartbeat:
            return
        self._next_heartbeat = now + pause
        if not self.status.is_telling(now) or not await is_handling():
            return
        if not await notification_messages.take_heartbeat(connection, now, heartbeat.every):
            return
        for target in heartbeat.to:
            if target not in self._heartbeats:
                self._heartbeats[target] = asyncio.create_task(self._send_heartbeat(target))

    async def _send_heartbeat(self, target: str) -> None:
        try:
            reason = await self._file.targets[target].send(text.heartbeat(self._clock()))
            self._count(target, reason)
        finally:
            del self._heartbeats[target]

    def _count(self, target: str, reason: str | None) -> None:
        """Count that a target has taken a message, or why not; log it where that is new."""
        self.status.count(target, is_sent=reason is None)
        if reason is None and self._failing.pop(target, ""):
            log.warning("the target %s of notifications takes them again", target)
        elif reason and self._failing.get(target) != reason:
            log.warning("the target %s of notifications does not take them: %s; it is tried again", target, reason)
            self._failing[target] = reason
