"""An alarm to which things happen, as the service tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from missionops.domain import timestamp
from missionops.domain.alarm import Alarm, AlarmMessage, Shelf, Transition
from missionops.domain.episodes.episode import Rise
from missionops.domain.severity import Severity
from tests import stored_alarms

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Happening:
    """One alarm, a clock that its tests move, and the messages about it."""

    def __init__(self, **options: Any) -> None:
        self.now = START
        self.alarm: Alarm = stored_alarms.alarm(found_at=START, **options)
        self.told: list[AlarmMessage] = []

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def tell(self, transition: Transition) -> None:
        # A copy: what was published does not change.
        message = msgspec.json.encode(self.alarm.tell(transition, self.now).message)
        self.told.append(msgspec.json.decode(message, type=AlarmMessage))

    def raise_(self) -> None:
        self.tell(Transition.RAISED)

    def rise(self, severity: Severity) -> None:
        episode = self.alarm.episode
        rise = Rise(severity.level, episode.raised_at, "critHigh", 70, 3)
        self.alarm.episode = msgspec.structs.replace(episode, rises=[*episode.rises, rise])
        self.alarm.acknowledged = None
        self.tell(Transition.SEVERITY_INCREASED)

    def return_(self) -> None:
        moment = timestamp.to_microseconds(self.now)
        self.alarm.episode = msgspec.structs.replace(self.alarm.episode, end=moment, closed_at=(moment, moment, "x"))
        self.tell(Transition.RETURNED)
        if self.alarm.state == "CLOSED":
            self.tell(Transition.CLOSED)

    def begin_again(self) -> None:
        self.alarm.episode = msgspec.structs.replace(self.alarm.episode, end=None, closed_at=None)
        self.alarm.acknowledged = None
        self.tell(Transition.REVISED)

    def acknowledge(self) -> None:
        for one in self.alarm.acknowledge("alice", self.now, None):
            self.told.append(one.message)
        self.told[:] = [msgspec.json.decode(msgspec.json.encode(one), type=AlarmMessage) for one in self.told]

    def comment(self) -> None:
        self.tell(Transition.COMMENTED)

    def shelve(self) -> None:
        self.alarm.shelf = Shelf("alice", self.now + timedelta(hours=8), "Test")
        self.tell(Transition.SHELVED)

    def unshelve(self) -> None:
        self.alarm.shelf = None
        self.tell(Transition.UNSHELVED)

    def retract(self) -> None:
        self.alarm.is_retracted = True
        self.tell(Transition.RETRACTED)
