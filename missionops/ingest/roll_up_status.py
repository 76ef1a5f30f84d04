"""How far roll-ups are behind, and what they cost: their metrics are declared and written here."""

import time

import prometheus_client as prometheus


class RollUpStatus:
    """Counts since the start of this process; what waits is known to the owner alone."""

    def __init__(self, registry: prometheus.CollectorRegistry | None = None) -> None:
        self.waiting: int | None = None
        """Hours of spacecraft that are due, 10,000 standing for more; None where this instance is not the owner."""
        self._waiting_since: float | None = None
        self._hours = prometheus.Counter(
            "missionops_roll_up_hours", "Hours of spacecraft that were rolled up, late ones again.", registry=registry
        )
        self._seconds = prometheus.Counter(
            "missionops_roll_up_seconds", "Seconds that were spent on roll-ups.", registry=registry
        )
        self._failures = prometheus.Counter(
            "missionops_roll_up_failures", "Times that hours could not be rolled up; they are tried again.",
            registry=registry,
        )  # fmt: skip
        waiting = prometheus.Gauge(
            "missionops_roll_up_waiting_hours", "Hours of spacecraft that are due, up to 10,000.", registry=registry
        )
        waiting.set_function(lambda: self.waiting or 0)
        lag = prometheus.Gauge(
            "missionops_roll_up_lag_seconds", "Seconds since no hour was due; 0 while none is.",
            registry=registry,
        )  # fmt: skip
        lag.set_function(lambda: self.lag)

    def note_waiting(self, hours: int) -> None:
        """So many hours are due."""
        self.waiting = hours
        if not hours:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def forget(self) -> None:
        """This instance is not the owner any more: what waits is not its concern."""
        self.waiting, self._waiting_since = None, None

    @property
    def lag(self) -> float:
        """Seconds since no hour was due; 0 while none is."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def count(self, hours: int, seconds: float) -> None:
        """Count hours that were rolled up, and the time that it took."""
        self._hours.inc(hours)
        self._seconds.inc(seconds)

    def count_failure(self) -> None:
        """Count that hours could not be rolled up."""
        self._failures.inc()
