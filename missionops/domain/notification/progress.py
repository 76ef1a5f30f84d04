"""How far a target has been told of an alarm, what it is still to be told, and when.

An alarm's transitions are followed in order, each once. What is told is read from the alarm as it is when the message
is written, so a message that had to wait says how things are.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from missionops.domain.alarm import AlarmMessage, AlarmRecord, State, Transition
from missionops.domain.notification.route import NotifyRoute

HOLD = timedelta(seconds=10)
"""After how long it is looked again whether an alarm is still shelved or masked."""

_WAITING = (State.ACTIVE_UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED)


class News(StrEnum):
    """What there is to tell of an alarm."""

    RAISED = "RAISED"
    """It is active, or was and nobody had been told."""
    RISEN = "RISEN"
    """It is worse than what was told."""
    WAITING = "WAITING"
    """Nobody has acknowledged it yet."""
    OVER = "OVER"
    """It was told, and is over."""
    RETRACTED = "RETRACTED"
    """It was told, and later telemetry has shown that it was none, or a part of another one."""


class NotificationProgress(NamedTuple):
    """How far one target has been told of one alarm."""

    revision: int = 0
    """Up to which its transitions have been followed."""
    since: datetime | None = None
    """Since when it has waited for somebody, visible and grave enough for the route; None: it does not wait."""
    news_at: datetime | None = None
    """Since when there is something to tell; None: there is not."""
    told_level: int = 0
    """The severity that was told; 0: nothing was."""
    told_end: Literal["RETURNED", "RETRACTED"] | None = None
    """What was told of its end."""
    told_at: datetime | None = None
    is_silenced: bool = False
    """Whether it ended while it was shelved or masked, so that nobody has to be told that it was there."""


class Due(NamedTuple):
    """What is to be told, and when."""

    at: datetime
    news: News


def follow(route: NotifyRoute, progress: NotificationProgress, message: AlarmMessage) -> NotificationProgress:
    """The progress after the next transition of the alarm."""
    alarm = message.alarm
    is_active = alarm.end is None and alarm.state is not State.RETRACTED
    is_told = progress.told_at is not None and progress.told_at >= message.at
    if message.transition is Transition.UNSHELVED and is_active and not is_told:  # it notifies again
        progress = progress._replace(told_level=0, told_end=None)
    waits = alarm.state in _WAITING and alarm.shelved is None and route.match.holds(alarm)
    is_silenced = progress.is_silenced and not is_active
    if message.transition is Transition.RETURNED and (alarm.masked or alarm.shelved):
        is_silenced = True
    progress = progress._replace(
        revision=alarm.revision, since=(progress.since or message.at) if waits else None, is_silenced=is_silenced
    )
    has_news = news(route, progress, alarm) not in {None, News.WAITING}
    return progress._replace(news_at=(progress.news_at or message.at) if has_news else None)


def happened_by(progress: NotificationProgress, now: datetime) -> NotificationProgress:
    """The progress without times after `now`, which a clock that is ahead has given: these are `now`."""
    since, news_at = (None if moment is None else min(moment, now) for moment in (progress.since, progress.news_at))
    return progress._replace(since=since, news_at=news_at)


def news(route: NotifyRoute, progress: NotificationProgress, alarm: AlarmRecord) -> News | None:
    """What is to be told of an alarm, now or later; None: nothing."""
    is_over = alarm.end is not None
    if alarm.state is State.RETRACTED:
        return News.RETRACTED if progress.told_level and progress.told_end != "RETRACTED" else None
    if is_over and progress.told_level:
        if progress.told_end is None:
            return News.OVER
    elif alarm.acknowledged is None and route.match.holds(alarm) and not (is_over and progress.is_silenced):
        if not progress.told_level or progress.told_end:
            # One that waits for nobody any more is told where it was to be told at once, and never escalated.
            if progress.since or not route.after:
                return News.RAISED
        elif alarm.severity.level > progress.told_level:
            return News.RISEN
    return News.WAITING if route.repeat and progress.since and progress.told_level else None


def due(route: NotifyRoute, progress: NotificationProgress, alarm: AlarmRecord, now: datetime) -> Due | None:
    """What is to be told of an alarm, and when; None: nothing, until there is another transition of it."""
    found = news(route, progress, alarm)
    if found is None:
        return None
    at = progress.news_at or alarm.updated_at
    if found is News.WAITING and progress.told_at:
        at = progress.told_at + timedelta(seconds=route.repeat)
    elif found in {News.RAISED, News.RISEN} and progress.since:
        at = max(at, progress.since + timedelta(seconds=route.after))
    if alarm.masked or alarm.shelved:
        at = max(at, now + HOLD)
    quiet_until = route.quiet.until(max(at, now), alarm.severity.level) if route.quiet else None
    return Due(quiet_until or at, found)


def held(progress: NotificationProgress, alarm: AlarmRecord, now: datetime) -> NotificationProgress:
    """The progress of an alarm that was due and is masked: it waits for somebody only from when it can be seen."""
    return progress._replace(since=now) if alarm.masked and progress.since else progress


def told(progress: NotificationProgress, alarm: AlarmRecord, now: datetime) -> NotificationProgress:
    """The progress once the alarm was told as it is."""
    if alarm.state is State.RETRACTED:
        return progress._replace(news_at=None, told_at=now, told_end="RETRACTED")
    end: Literal["RETURNED"] | None = None if alarm.end is None else "RETURNED"
    return progress._replace(news_at=None, told_at=now, told_end=end, told_level=alarm.severity.level)
