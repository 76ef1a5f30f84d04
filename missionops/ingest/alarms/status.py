"""How far the finding of alarms is behind: its metrics are declared and written here."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import prometheus_client as prometheus

from missionops.store.alarm_marks import WaitingMarks

_BEHIND = 15.0
"""Seconds after which this is told: late telemetry may wait for 5 s, and then takes its time."""


class AlarmStatus:
    """Counts since the start of this process; what waits is known to the owner alone."""

    def __init__(self, registry: prometheus.CollectorRegistry | None = None) -> None:
        self._waiting: WaitingMarks | None = None
        self.failing: Sequence[str] = ()
        """Spacecraft whose alarms could not be found; they are tried again."""
        self._failures = prometheus.Counter(
            "missionops_alarm_failures", "Times that marked alarms could not be found; they are tried again.",
            registry=registry,
        )  # fmt: skip
        waiting = prometheus.Gauge(
            "missionops_alarm_waiting_marks", "Spans of telemetry in which alarms are still to be found, up to 10,000.",
            registry=registry,
        )  # fmt: skip
        waiting.set_function(lambda: self.waiting or 0)
        lag = prometheus.Gauge(
            "missionops_alarm_lag_seconds", "For how long the oldest of them has waited.", registry=registry
        )
        lag.set_function(lambda: self.lag)

    @property
    def waiting(self) -> int | None:
        """Spans that are still to be folded, 10,000 standing for more; None where this instance is not the owner."""
        return self._waiting.marks if self._waiting else None

    @property
    def lag(self) -> float:
        """For how long the oldest has waited, in seconds, by the clocks of this machine and the database."""
        since = self._waiting.since if self._waiting else None
        return max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0

    @property
    def trouble(self) -> str | None:
        """What an operator has to know, in a sentence; None where alarms are up to date."""
        if self.failing:
            more = len(self.failing) - 1
            names = self.failing[0] + (f" and {more} other spacecraft" if more else "")
            return f"Alarms of {names} could not be found and are tried again: the log says why."
        if self.waiting and self.lag > _BEHIND:
            return (
                f"Alarms are {self.lag:.0f} s behind: they are still to be found in {self.waiting} spans of telemetry."
            )
        return None

    def note_waiting(self, waiting: WaitingMarks, failing: Iterable[str] = ()) -> None:
        """So much waits, and these spacecraft have failed."""
        self._waiting, self.failing = waiting, sorted(failing)

    def forget(self) -> None:
        """This instance is not the owner any more: what waits is not its concern."""
        self._waiting, self.failing = None, ()

    def count_failure(self) -> None:
        """Count that marked alarms could not be found."""
        self._failures.inc()
