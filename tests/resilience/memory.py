"""The peak memory of each service."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from tests.resilience.report import Report
from tests.resilience.service import Service

MOST_MEGABYTES = 300
"""Promise 7 says 150 with the settings as they come, and on top what ten thousand alarms of one spacecraft take.

Hostile publishers raise as many here, and after each restart they are found again.
"""

_PAUSE = 0.1


class MemoryMonitor:
    """Reads the kernel's own record of each process's peak (VmHWM), often enough to miss little before a kill."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._peaks: dict[str, int] = {}
        """By service, in kilobytes."""

    async def run(self) -> None:
        """Read, without an end."""
        while True:
            self.read()
            await asyncio.sleep(_PAUSE)

    def read(self) -> None:
        """Read the peak of each service that runs."""
        for service in self._services:
            with contextlib.suppress(OSError):  # it ended just now
                for line in Path(f"/proc/{service.pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self._peaks[service.name] = max(self._peaks.get(service.name, 0), int(line.split()[1]))

    def check(self, report: Report) -> None:
        """Report each service that took too much."""
        for name, peak in self._peaks.items():
            if peak > MOST_MEGABYTES * 1000:
                report.differ("too much memory", f"{name}: {peak // 1000} MB, the bound is {MOST_MEGABYTES} MB")

    def figures(self) -> str:
        """The peaks, for a person."""
        peaks = ", ".join(f"{name} {peak // 1000} MB" for name, peak in self._peaks.items())
        return f"peak memory: {peaks}"
