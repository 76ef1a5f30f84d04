"""Whether the machine was ours alone while something was measured: on a busy one figures mean little."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import psutil

from tests.benchmarks.path import Figures
from tests.benchmarks.process import cpu_seconds

OTHERS = "others %"
_LOOK = 1.0


async def undisturbed(measure: Callable[[], Awaitable[Figures]], tolerated: float, tries: int) -> Figures:
    """The measurement that others disturbed least, of as many tries as it takes; how much they did is in it."""
    best: Figures = {}
    for _ in range(tries):
        await _until_quiet(tolerated, tries)
        share = _Share()
        figures = await measure() | {OTHERS: share.of_others()}
        best = figures if not best or figures[OTHERS] < best[OTHERS] else best
        if best[OTHERS] <= tolerated:
            break
    return best


async def _until_quiet(tolerated: float, tries: int) -> None:
    """Wait for a quiet second, a minute at most; not at all where there is only one try."""
    for _ in range(60 if tries > 1 else 0):
        share = _Share()
        await asyncio.sleep(_LOOK)
        if share.of_others() <= tolerated:
            return


class _Share:
    """Of the machine's CPU time since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._ours = _busy(), cpu_seconds(os.getpid())

    def of_others(self) -> float:
        """How much of it went to processes that are not ours, in percent."""
        others = _busy() - self._busy - (cpu_seconds(os.getpid()) - self._ours)
        return max(0.0, 100 * others / ((time.monotonic() - self._began) * (os.cpu_count() or 1)))


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))
