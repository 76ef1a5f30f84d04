"""The words of a notification: what somebody needs on a telephone at night, the gravest first, of bounded length."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from missionops.domain import number
from missionops.domain.alarm import AlarmRecord, State
from missionops.domain.notification.progress import News
from missionops.domain.parameter_set import Value
from missionops.domain.severity import AT_LEVEL

MAX_LINES = 20
"""Alarms of which a message says more than their number."""
MAX_BODY = 3_500
"""Characters of a message; a target that takes fewer gets its beginning."""

_TITLE = 90
_NAME = 48
_TEXT = 300
_GUIDANCE = 1_200
_SHORT_ID = 11
"""Of `al_` and 32 hex digits: the commands take the beginning of an id."""


class Notification(NamedTuple):
    """A message as it is sent."""

    title: str
    body: str
    level: int
    """The highest severity of what somebody has to see to, from 1 to 4; 0: it only says what is over."""
    alarms: int


class NotificationDigest:
    """What is told in one message, of any number of alarms in bounded memory."""

    def __init__(self) -> None:
        self._top: list[tuple[int, News, AlarmRecord]] = []
        self._counts: Counter[tuple[bool, int]] = Counter()
        self._count = 0
        self._level = 0

    def add(self, news: News, alarm: AlarmRecord) -> None:
        """Tell this of an alarm."""
        is_over = alarm.end is not None or alarm.state is State.RETRACTED
        self._counts[is_over, alarm.severity.level] += 1
        if news not in {News.OVER, News.RETRACTED}:
            self._level = max(self._level, alarm.severity.level)
        self._count += 1
        self._top.append((is_over * 10 - alarm.severity.level, news, alarm))
        if len(self._top) > 10 * MAX_LINES:
            self._cut()

    def _cut(self) -> None:
        self._top.sort(key=lambda one: (one[0], one[2].start, one[2].id))
        del self._top[MAX_LINES:]

    def message(self) -> Notification | None:
        """The message; None if there is nothing to tell."""
        if not self._top:
            return None
        self._cut()
        _, news, alarm = self._top[0]
        if self._count == 1:
            return Notification(
                _cut(_title(news, alarm), _TITLE),
                _cut("\n".join(filter(None, _facts(news, alarm))), MAX_BODY),
                self._level,
                1,
            )
        counts = [
            f"{count:,} {AT_LEVEL[level]}{' over' if is_over else ''}"
            for (is_over, level), count in sorted(self._counts.items(), key=lambda one: (one[0][0], -one[0][1]))
        ]
        lines = [f"{self._count:,} alarms: {', '.join(counts)}."]
        lines += [_line(news, alarm) for _, news, alarm in self._top]
        if self._count > len(self._top):
            lines.append(f"and {self._count - len(self._top):,} more")
        lines.append("Acknowledge: missionops acknowledge SPACECRAFT ALARM (the al_…), or the operations page.")
        title = f"{self._count:,} alarms, first: {_title(news, alarm)}"
        return Notification(_cut(title, _TITLE), _cut("\n".join(lines), MAX_BODY), self._level, self._count)


def heartbeat(now: datetime) -> Notification:
    """The heartbeat."""
    body = f"Telemetry is handled and alarms are told, at {_moment(now)}."
    return Notification("missionops is alive", body, 0, 0)


def trial(target: str, now: datetime) -> Notification:
    """What is sent to try a target."""
    return Notification("missionops: a test", f"A test of the target {target}, sent at {_moment(now)}.", 1, 0)


def _title(news: News, alarm: AlarmRecord) -> str:
    what = f"{alarm.spacecraft_id} {_name(alarm)}"
    match news:
        case News.OVER:
            return f"OVER {what} (was {alarm.severity})"
        case News.RETRACTED:
            return f"RETRACTED {what} (was {alarm.severity})"
        case News.WAITING:
            return f"UNACKNOWLEDGED {alarm.severity} {what}"
        case News.RISEN:
            return f"NOW {alarm.severity} {what} {_value(alarm)}".rstrip()
    over = " (over)" if alarm.end is not None else ""
    return f"{alarm.severity} {what} {_value(alarm)}".rstrip() + over


def _facts(news: News, alarm: AlarmRecord) -> Iterator[str]:
    unit = f" {_plain(alarm.unit, _NAME)}" if alarm.unit else ""
    is_retracted = alarm.state is State.RETRACTED
    if is_retracted and alarm.merged_into:
        yield f"No alarm of its own: later telemetry has shown that it is a part of {alarm.merged_into}."
    elif is_retracted:
        yield "It was none: later telemetry has shown that this alarm was not there."
    elif news is News.WAITING:
        yield "Nobody has acknowledged it yet."
    severity = f"OVER (was {alarm.severity})" if alarm.end and not is_retracted else str(alarm.severity)
    value = f"{_name(alarm)} = {_value(alarm)}, " if _value(alarm) else ""
    limit = f"{alarm.limit.name} {_shown(alarm.limit.value)}"
    yield f"{severity}: {alarm.spacecraft_id} {value}limit {limit}{unit if value else ''}"
    yield _plain(alarm.description, _TEXT)
    until = f", until {_moment(alarm.end)}" if alarm.end else ""
    yield f"Since {_moment(alarm.start)}{until}"
    if alarm.end and alarm.last:
        yield f"Now: {_shown(alarm.last.value)}{unit} at {_moment(alarm.last.timestamp)}"
    elif alarm.peak and alarm.peak != alarm.last:
        yield f"Worst: {_shown(alarm.peak.value)}{unit} at {_moment(alarm.peak.timestamp)}"
    if alarm.subsystem:
        yield f"Subsystem: {_plain(alarm.subsystem, _NAME)}"
    if alarm.guidance and not alarm.end and not is_retracted:
        yield f"Guidance: {_cut(alarm.guidance, _GUIDANCE)}"
    if alarm.documents:
        yield _plain(f"Documents: {', '.join(alarm.documents)}", _TEXT)
    if alarm.state in {State.ACTIVE_UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED}:
        yield f"Acknowledge: missionops acknowledge {alarm.spacecraft_id} {alarm.id}"
    else:
        yield f"Alarm: {alarm.id}"


def _line(news: News, alarm: AlarmRecord) -> str:
    over = f" until {_moment(alarm.end)}" if alarm.end else ""
    limit = f" ({alarm.limit.name} {_shown(alarm.limit.value)})" if news in {News.RAISED, News.RISEN} else ""
    return f"{_title(news, alarm)}{limit}, since {_moment(alarm.start)}{over}, {alarm.id[:_SHORT_ID]}"


def _name(alarm: AlarmRecord) -> str:
    if alarm.parameter is None:
        return "is silent"
    return _plain(alarm.parameter, _NAME) + (" is stale" if alarm.check == "STALE" else "")


def _value(alarm: AlarmRecord) -> str:
    """The last value, or the worst where it is over, with its unit; empty where there is none."""
    sample = alarm.peak if alarm.end else alarm.last
    if sample is None or alarm.check == "STALE":
        return ""
    return f"{_shown(sample.value)}{f' {_plain(alarm.unit, _NAME)}' if alarm.unit else ''}"


def _shown(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return number.text(value)
    return _plain(str(value), _NAME)


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _plain(text: str, most: int) -> str:
    """A text on one line: what a spacecraft or a config says may hold anything."""
    return _cut("".join(one if one.isprintable() else " " for one in text), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
