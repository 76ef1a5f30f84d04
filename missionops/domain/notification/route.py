"""Routes: which alarms are sent to whom, and when."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from missionops.domain.alarm import AlarmRecord
from missionops.domain.notification.quiet_hours import QuietHours


class Match(NamedTuple):
    """The alarms that a route is for; what is empty stands for any."""

    spacecraft: tuple[str, ...] = ()
    """Ids, or patterns such as `SC-*`."""
    subsystem: tuple[str, ...] = ()
    """Names, or patterns."""
    check: tuple[str, ...] = ()
    level: int = 1
    """At least this severity, from 1 for LOW to 4 for CRITICAL."""

    def concerns(self, alarm: AlarmRecord) -> bool:
        """Whether it is for this alarm, once it is grave enough."""
        return (
            (not self.spacecraft or any(fnmatchcase(alarm.spacecraft_id, one) for one in self.spacecraft))
            and (not self.subsystem or any(fnmatchcase(alarm.subsystem or "", one) for one in self.subsystem))
            and (not self.check or alarm.check in self.check)
        )

    def holds(self, alarm: AlarmRecord) -> bool:
        """Whether it is for this alarm as it is."""
        return alarm.severity.level >= self.level and self.concerns(alarm)


class NotifyRoute(NamedTuple):
    """One route of the file."""

    key: str
    """What it is known by in the database: its name, or what it matches."""
    match: Match
    to: tuple[str, ...]
    """The names of targets."""
    after: float = 0
    """Seconds for which an alarm has to be unacknowledged before it is sent."""
    repeat: float = 0
    """Seconds after which it is sent again while it is unacknowledged; 0: never."""
    group: float = 10
    """Seconds for which the first alarm of a message waits for others."""
    quiet: QuietHours | None = None


class RouteTarget(NamedTuple):
    """A route to one of its targets: each has a progress of its own, so that no target waits for another."""

    route: NotifyRoute
    target: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by in the database."""
        return self.route.key, self.target
