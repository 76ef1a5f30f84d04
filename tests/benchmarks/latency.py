"""From the publish of a snapshot to its anomaly being received by a subscriber."""

import asyncio
import dataclasses
import json
import statistics
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.audit import audit
from tests.benchmarks.path import Figures
from tests.benchmarks.process import Helper
from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import Workload

_PER_SECOND = 100.0  # anomalies, at most: what is measured is the path, not how fast they can be read here
_LATE = 2.0


async def measured(stage: Stage, rate: float, seconds: float) -> Figures:
    """At so many snapshots a second."""
    share = min(1.0, _PER_SECOND / rate)
    workload = dataclasses.replace(Workload(), snapshots=int(rate * seconds), anomalous=share, duplicates=0)
    async with stage.database() as dsn, stage.service(dsn):
        await stage.configure(workload)
        async with Helper.running("generator", stage.url, workload.as_json(), str(rate)) as generator:
            heard = await _listen(stage)
            told = await generator.go()
            await asyncio.sleep(_LATE)
        await audit(stage, dsn, workload)
    sent_at = _sent_by_id(workload, told["sent"])
    return spread([(at - sent_at[name]) * 1_000 for name, at in heard.items()])


async def _listen(stage: Stage) -> dict[str, float]:
    """When the anomaly of each snapshot came."""
    heard: dict[str, float] = {}
    now = asyncio.get_running_loop().time

    async def note(message: Any) -> None:
        at = now()
        heard[json.loads(message.data)["snapshotId"]] = at

    await stage.client.subscribe("anomalies.*", cb=note)
    await stage.client.flush()
    return heard


def _sent_by_id(workload: Workload, sent: Sequence[float]) -> dict[str, float]:
    return {snapshot.id: sent[number] for number, snapshot in enumerate(workload.all())}


def spread(milliseconds: Sequence[float]) -> Figures:
    """What people ask of a latency."""
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {"p50 ms": cuts[49], "p95 ms": cuts[94], "p99 ms": cuts[98], "max ms": max(milliseconds)}
