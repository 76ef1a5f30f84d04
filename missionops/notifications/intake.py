"""Takes in what has happened to alarms: which targets are to be told of them, and when."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from missionops.domain.alarm import AlarmMessage, AlarmRecord
from missionops.domain.notification import progress as progresses
from missionops.domain.notification.progress import NotificationProgress
from missionops.domain.notification.route import RouteTarget
from missionops.store import notifications
from missionops.store.database import Database
from missionops.store.notifications import NotificationRow

_PAGE = 200
_LONGEST = 1.0
"""Seconds for which histories are followed in one transaction: one that takes too long is undone."""
_MARGIN = timedelta(minutes=1)
"""By how much what is noted as handled lies back: another instance may not be done with what came before, and the clock
of NATS may not be ours."""


class Intake:
    """Keeps the progress of each delivery. It may be given an alarm any number of times, in any order."""

    def __init__(
        self,
        database: Database,
        deliveries: Collection[RouteTarget],
        clock: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when something may be due."""
        self._database = database
        self._deliveries = deliveries
        self._clock = clock
        self._wake = wake
        self.lock = asyncio.Lock()
        """For changes of the progress, which take turns: the database gives its lock to those that ask at the right
        moment, and while alarms flood in nobody else would get it."""

    async def begin(self) -> datetime:
        """Up to when the stream ALARMS was taken in, at least; kept as now where nobody has notified yet."""
        latest = self._clock() - _MARGIN
        async with self._database.transaction() as connection:
            return min(await notifications.begin(connection, latest), latest)  # a clock may have been ahead

    async def take(self, messages: Iterable[AlarmMessage], until: datetime) -> None:
        """Take in transitions as they were published, the last of them at that time of the stream."""
        last = {message.alarm.id: message.alarm for message in messages}
        concerned = {
            identifier: alarm
            for identifier, alarm in last.items()
            if any(delivery.route.match.concerns(alarm) for delivery in self._deliveries)
        }
        await self._take(concerned, until - _MARGIN)

    async def catch_up(self) -> None:
        """Take in all alarms that stand and were not yet, as for a route that is new."""
        after, keys = "", [delivery.key for delivery in self._deliveries]
        while True:
            async with self._database.transaction() as connection:
                found = await notifications.behind(connection, after, keys, _PAGE)
            if not found:
                return
            await self._take(dict.fromkeys(found))
            after = found[-1]

    async def _take(self, alarms: Mapping[str, AlarmRecord | None], until: datetime | None = None) -> None:
        """Take in what has happened to alarms, by id, each with how it was told if that is known.

        It is read from their history, where nothing is missing or out of order, from where it was not followed yet; in
        as many transactions as that takes.
        """
        unfinished: str | None = ""
        while unfinished is not None:
            async with self.lock, self._database.transaction() as connection:
                await notifications.lock(connection)
                before = await notifications.of(connection, alarms.keys())
                followed = {
                    identifier: min(
                        (
                            before[identifier].get(one.key, NotificationProgress()).revision
                            for one in self._deliveries
                            if alarm is None or one.key in before[identifier] or one.route.match.concerns(alarm)
                        ),
                        default=0,
                    )
                    for identifier, alarm in alarms.items()
                }
                last: dict[str, AlarmRecord] = {}
                reached = {identifier: {**found} for identifier, found in before.items()}
                unfinished = None
                end = asyncio.get_running_loop().time() + _LONGEST
                async for message in notifications.transitions(connection, followed):
                    alarm = last[message.alarm.id] = message.alarm
                    for delivery in self._deliveries:
                        progress = reached[alarm.id].get(delivery.key, NotificationProgress())
                        if alarm.revision > progress.revision:
                            reached[alarm.id][delivery.key] = progresses.follow(delivery.route, progress, message)
                    if asyncio.get_running_loop().time() > end:
                        unfinished = alarm.id
                        break
                rows, now = list[NotificationRow](), self._clock()
                for identifier, alarm in last.items():
                    for delivery in self._deliveries:
                        is_kept = delivery.key in before[identifier] or identifier == unfinished
                        if is_kept or delivery.route.match.concerns(alarm):
                            progress = progresses.happened_by(reached[identifier][delivery.key], now)
                            due = progresses.due(delivery.route, progress, alarm, now)
                            rows.append(NotificationRow(identifier, delivery.key, progress, due.at if due else None))
                await notifications.put(connection, rows)
                if until is not None and unfinished is None:
                    await notifications.note_handled(connection, until)
        self._wake()
