"""Writes messages of what is due: each says of its alarms how they are then, and what it tells is noted with it."""

import asyncio
import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from missionops.domain.notification import progress as progresses
from missionops.domain.notification.progress import NotificationProgress
from missionops.domain.notification.route import RouteTarget
from missionops.domain.notification.text import NotificationDigest
from missionops.store import notification_messages, notifications
from missionops.store.database import Connection
from missionops.store.notifications import Key, NotificationRow

log = logging.getLogger(__name__)

_PAGE = 500
_LONGEST = 3.0
"""Seconds for which alarms are gathered for one message; of a flood the rest is told in the next one."""
_LEAST_PAUSE = timedelta(seconds=1)
_MOST_PAUSE = timedelta(seconds=60)


class _MessagePace:
    """When the next message of a route may be written: the pauses grow while one follows upon another."""

    def __init__(self) -> None:
        self._pause = timedelta()
        self._written_at: datetime | None = None

    def allows(self, now: datetime) -> bool:
        return self._written_at is None or not self._written_at <= now < self._written_at + self._pause

    def note(self, now: datetime) -> None:
        is_close = self._written_at is not None and now < self._written_at + 2 * self._pause
        self._pause = min(2 * self._pause, _MOST_PAUSE) if is_close else _LEAST_PAUSE
        self._written_at = now


class Composer:
    """Writes one message for each delivery of which something is due."""

    def __init__(self, deliveries: Collection[RouteTarget], lock: asyncio.Lock) -> None:
        """`lock` is held while the progress is changed in this process."""
        self._lock = lock
        self._deliveries = {delivery.key: delivery for delivery in deliveries}
        self._paces: dict[Key, _MessagePace] = {key: _MessagePace() for key in self._deliveries}

    async def compose(self, connection: Connection, now: datetime) -> None:
        """Write what is due and has waited for others as long as its route says."""
        for key, first in (await notifications.first_due(connection, list(self._deliveries))).items():
            delivery, pace = self._deliveries[key], self._paces[key]
            if first + timedelta(seconds=delivery.route.group) > now or not pace.allows(now):
                continue
            async with self._lock, connection.transaction():
                await notifications.lock(connection)
                if key not in await notifications.first_due(connection, [key]):
                    continue  # another instance has written it meanwhile
                if message := (await self._take(connection, delivery, now)).message():
                    await notification_messages.add(connection, key, message, now)
                    pace.note(now)

    async def _take(self, connection: Connection, delivery: RouteTarget, now: datetime) -> NotificationDigest:
        """What is due, noted as told."""
        digest, after = NotificationDigest(), ""
        until = asyncio.get_running_loop().time() + _LONGEST
        while page := await notifications.due(connection, delivery.key, now, after, _PAGE):
            rows = []
            for found, progress in page:
                alarm = found.record()
                next_progress: NotificationProgress = progress
                due = progresses.due(delivery.route, progress, alarm, now)
                if due and due.at <= now:
                    digest.add(due.news, alarm)
                    next_progress = progresses.told(progress, alarm, now)
                elif due:
                    next_progress = progresses.held(progress, alarm, now)
                due = progresses.due(delivery.route, next_progress, alarm, now)
                rows.append(NotificationRow(found.id, delivery.key, next_progress, due.at if due else None))
            await notifications.put(connection, rows)
            after = page[-1][0].id
            if asyncio.get_running_loop().time() > until:
                break
        return digest
