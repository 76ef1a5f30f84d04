"""How long honest anomalies take while nothing but the hostile publisher disturbs the service."""

import json
import os
import statistics
import time
from typing import NamedTuple

from tests.resilience.attacks import HOSTILE
from tests.resilience.ledger import Ledger
from tests.resilience.report import Report

LONGEST = 30.0
"""Seconds on a machine with nothing else to do: three times what one hostile message may cost another spacecraft."""


class Disturbance(NamedTuple):
    """From the first fault to the time at which the service had caught up after the last, in nanoseconds since 1970."""

    begin: int
    end: int


class Disturbances:
    """When faults were injected; between them only the hostile publisher disturbs."""

    def __init__(self) -> None:
        self._ended: list[Disturbance] = []
        self._begin: int | None = time.time_ns()  # the service starts

    def begin(self) -> None:
        """Faults are injected from now on."""
        self._begin = self._begin or time.time_ns()

    def end(self) -> None:
        """The service has caught up."""
        if self._begin is not None:
            self._ended.append(Disturbance(self._begin, time.time_ns()))
            self._begin = None

    def undisturbed(self, received: int, published: int) -> float | None:
        """The seconds between these times until a disturbance began; None for what was received in one."""
        until = published
        for one in self._ended:
            if one.begin <= received <= one.end:
                return None
            if received < one.begin:
                until = min(until, one.begin)
        if self._begin is not None and received > self._begin:
            return None
        return (until - received) / 1e9


class Latencies:
    """Seconds from TELEMETRY to ANOMALIES, by the server's own times."""

    def __init__(self, ledger: Ledger, disturbances: Disturbances) -> None:
        received = {message.moment.isoformat(): message.time for message in ledger.telemetry_stream.messages}
        self._seconds: list[float] = []
        for message in ledger.anomaly_stream.messages:
            if ledger.is_foreign(message) or message.subject.rpartition(".")[2] in HOSTILE:
                continue
            detected_at = json.loads(message.body)["detectedAt"].replace("Z", "+00:00")
            if detected_at not in received:
                continue  # the audit reports it
            seconds = disturbances.undisturbed(received[detected_at], message.time)
            if seconds is not None:
                self._seconds.append(seconds)

    def check(self, report: Report) -> None:
        """Report the worst if it took too long for how busy the machine is."""
        longest = LONGEST * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        if self._seconds and max(self._seconds) > longest:
            report.differ("honest anomaly was late", f"{max(self._seconds):.1f} s; the bound is {longest:.0f} s")

    def figures(self) -> str:
        """How many were measured, and how long they took, for a person."""
        if not self._seconds:
            return "no honest anomaly between the faults"
        worst, median = max(self._seconds), statistics.median(self._seconds)
        late = statistics.quantiles(self._seconds, n=100)[-1] if len(self._seconds) > 1 else worst
        return (
            f"{len(self._seconds)} honest anomalies between the faults, beside the hostile publisher: "
            f"median {median * 1000:.0f} ms, 99 % {late:.2f} s, worst {worst:.2f} s"
        )
