"""The service without a part of it, to measure what that costs: `python -m tests.benchmarks.without alarms serve`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from missionops.cli import main
from missionops.ingest.alarms.engine import AlarmEngine
from missionops.ingest.roll_up_worker import MarkedHours, RollUpWorker


async def take(_engine: AlarmEngine, *_batch: Any) -> None:
    """Find no alarm."""


async def run(_worker: RollUpWorker) -> None:
    """Roll up nothing, until the session ends."""
    await asyncio.Event().wait()


def unmarked(_hours: MarkedHours, *_batch: Any) -> frozenset[tuple[str, int]]:
    """Mark no hour."""
    return frozenset()


PARTS: dict[str, list[tuple[type, Callable[..., Awaitable[None] | frozenset[tuple[str, int]]]]]] = {
    "alarms": [(AlarmEngine, take)],
    "roll-ups": [(RollUpWorker, run), (MarkedHours, unmarked)],
}
"""By name of the part: of which class which method is replaced."""


if __name__ == "__main__":
    for replaced, method in PARTS[sys.argv.pop(1)]:
        setattr(replaced, method.__name__, method)
    main()
