"""What alarms and roll-ups cost: the same load without them; and what comes out of order, or a week late."""

import asyncio
import dataclasses
import sys
import time
from datetime import timedelta

import asyncpg

from tests.benchmarks import path
from tests.benchmarks.path import Figures
from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import Workload

_WITHOUT = (sys.executable, "-m", "tests.benchmarks.without")
_POLL = 0.02
_WEEK = timedelta(days=7)
_IS_MARKED = "SELECT EXISTS (SELECT FROM app.alarm_mark)"


async def compared(stage: Stage, workload: Workload, part: str = "alarms") -> Figures:
    """The load, beside the same without a part of the service."""
    async with stage.database() as dsn, stage.service(dsn, (*_WITHOUT, part)) as service:
        await stage.configure(workload)
        without = await path.measured(stage, service, workload)
    own = await path.whole(stage, workload)
    names = [name for name in own if name.startswith("CPU s ")]
    cpu = sum(own[name] for name in names) / sum(without[name] for name in names)
    return own | {"÷ without": own["snapshots/s"] / without["snapshots/s"], "CPU ÷ without": cpu}


async def whole(stage: Stage, workload: Workload) -> Figures:
    """The load, and how long after its last acknowledgement every alarm was right."""
    async with stage.database() as dsn, stage.service(dsn) as service:
        await stage.configure(workload)
        await _until_right(dsn)
        figures = await path.measured(stage, service, workload)
        return figures | {"s until right": await _until_right(dsn)}


async def dumped(stage: Stage, workload: Workload) -> Figures:
    """The load, when that of the week after it has come already."""
    seconds_of_a_tick = _WEEK.total_seconds() / (workload.messages // workload.spacecraft)
    week = dataclasses.replace(workload, tick=seconds_of_a_tick)
    async with stage.database() as dsn, stage.service(dsn) as service:
        await stage.configure(week)
        await path.measured(stage, service, week.after(week.end))
        await _until_right(dsn)
        figures = await path.measured(stage, service, week)
        return figures | {"s until right": await _until_right(dsn)}


async def _until_right(dsn: str) -> float:
    """Seconds until nothing late waits to be worked in."""
    began = time.monotonic()
    connection = await asyncpg.connect(dsn)
    try:
        while await connection.fetchval(_IS_MARKED):
            await asyncio.sleep(_POLL)
    finally:
        await connection.close()
    return time.monotonic() - began
