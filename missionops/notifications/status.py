"""Whether people are notified of alarms; its metrics are declared and written here, by the names of targets alone."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

import prometheus_client as prometheus

from missionops.ingest.outgoing_stream import total
from missionops.store.notification_messages import WaitingMessages

_LATE = timedelta(minutes=2)
"""For how long a message, or a transition of an alarm, may wait before alarms do not count as told."""


class NotificationStatus:
    """Counts since the start of this process, and what waits in the database, whichever instance sends it."""

    def __init__(self, targets: Collection[str], registry: prometheus.CollectorRegistry | None = None) -> None:
        self.trouble: str | None = None
        """Why this instance notifies nobody now, in one sentence; None while it does."""
        self.waiting: Mapping[str, WaitingMessages] = {}
        """By target: messages that are written and not sent."""
        self._targets = tuple(targets)
        self._behind = 0
        self._behind_since: datetime | None = None
        self._now: datetime | None = None
        self._sent = prometheus.Counter(
            "missionops_notifications_sent", "Messages that a target of notifications has taken.", ["target"],
            registry=registry,
        )  # fmt: skip
        self._failed = prometheus.Counter(
            "missionops_notifications_failed", "Times that a target of notifications did not take a message.",
            ["target"], registry=registry,
        )  # fmt: skip
        oldest = prometheus.Gauge(
            "missionops_notification_waiting_seconds", "For how long the oldest message for a target has waited.",
            ["target"], registry=registry,
        )  # fmt: skip
        for target in self._targets:  # from the start, so that the first one is seen as a rise
            self._sent.labels(target)
            self._failed.labels(target)
            oldest.labels(target).set_function(partial(self.waiting_seconds, target))
        behind = prometheus.Gauge(
            "missionops_notification_behind", "Messages in the stream ALARMS that are not taken in for notifications.",
            registry=registry,
        )  # fmt: skip
        behind.set_function(lambda: self._behind)

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of all targets."""
        return self._targets

    @property
    def behind(self) -> int:
        """Messages in the stream ALARMS that are not taken in yet."""
        return self._behind

    def count(self, target: str, *, is_sent: bool) -> None:
        """Count that a target has taken a message, or has not."""
        (self._sent if is_sent else self._failed).labels(target).inc()

    def note_waiting(self, waiting: Mapping[str, WaitingMessages], now: datetime) -> None:
        """So much waits now."""
        self.waiting, self._now, self.trouble = waiting, now, None

    def note_behind(self, messages: int, now: datetime) -> None:
        """So many messages of the stream ALARMS are not taken in now."""
        self._behind = messages
        self._behind_since = (self._behind_since or now) if messages else None

    def sent(self, target: str) -> int:
        """Messages that a target has taken from this process."""
        return total(self._sent.labels(target))

    def failed(self, target: str) -> int:
        """Times that a target did not take one."""
        return total(self._failed.labels(target))

    def waiting_seconds(self, target: str) -> float:
        """For how long the oldest message for a target has waited."""
        found = self.waiting.get(target)
        return max(0.0, (self._now - found.since).total_seconds()) if found and self._now else 0.0

    def target_trouble(self, target: str) -> str | None:
        """Why a target is not told what it is to be told, in one sentence; None while it is."""
        found = self.waiting.get(target)
        if found is None or found.trouble is None:
            return None
        return (
            f"The target {target} of notifications does not take them ({found.trouble}, {found.attempts} times since "
            f"{found.since:%Y-%m-%dT%H:%M:%SZ}): {found.messages} wait, and are tried again until it does."
        )

    def is_telling(self, now: datetime) -> bool:
        """Whether alarms are told: nothing waits for long, in the stream or for a target."""
        late = [one for one in self.waiting.values() if now - one.since > _LATE]
        is_behind = self._behind_since is not None and now - self._behind_since > _LATE
        return self.trouble is None and not late and not is_behind
