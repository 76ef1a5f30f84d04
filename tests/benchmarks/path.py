"""The whole path: first publish until all is stored, judged, its anomalies published, and acknowledged."""

import time
from typing import Any

import asyncpg

from tests.benchmarks import process
from tests.benchmarks.audit import audit
from tests.benchmarks.process import Helper
from tests.benchmarks.stage import Service, Stage, Usage
from tests.benchmarks.workload import Workload

Figures = dict[str, float]

_MANY = 100
"""Snapshots of a spacecraft among which its first ten, from which its parameters are learned, do not count."""

# With its partitions, indexes and what is kept out of line.
_BYTES = r"""
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname LIKE 'snapshot%'
"""


async def whole(stage: Stage, workload: Workload) -> Figures:
    """The service is there when the load comes, and knows what each spacecraft reports."""
    async with stage.database() as dsn, stage.service(dsn) as service:
        await stage.configure(workload)
        if workload.snapshots < _MANY * workload.spacecraft:
            await measured(stage, service, workload)
            workload = workload.after(workload.end)
        return await measured(stage, service, workload)


async def measured(stage: Stage, service: Service, workload: Workload) -> Figures:
    """One load through a service that is configured."""
    anomalies, size = await stage.last_sequence("ANOMALIES"), await _bytes(service.dsn)
    async with Helper.running("generator", stage.url, workload.as_json()) as generator:
        before = stage.usage(service.pid)
        told = await generator.go()
        await stage.until_handled()
        figures = _figures(workload, told, time.monotonic() - told["began"], before, stage.usage(service.pid))
    figures["peak MB"] = process.peak_bytes(service.pid) / 2**20
    figures["bytes/snapshot"] = (await _bytes(service.dsn) - size) / workload.snapshots
    await audit(stage, service.dsn, workload, anomalies)
    return figures


async def drained(stage: Stage, workload: Workload) -> Figures:
    """Everything is in the stream before the service starts; from its readiness until all is handled."""
    async with stage.database() as dsn:
        async with stage.service(dsn):
            await stage.configure(workload)
        async with Helper.running("generator", stage.url, workload.as_json()) as generator:
            told = await generator.go()
        async with stage.service(dsn) as service:
            before, began = stage.usage(service.pid), time.monotonic()
            left = 1 - await _handled(dsn, workload)  # it does not wait to be asked whether it is ready
            await stage.until_handled()
            figures = _figures(workload, told, time.monotonic() - began, before, stage.usage(service.pid))
            figures = {name: value * left if "/s" in name else value / left for name, value in figures.items()}
            figures["peak MB"] = process.peak_bytes(service.pid) / 2**20
        await audit(stage, dsn, workload)
    return figures


def _figures(workload: Workload, told: dict[str, Any], seconds: float, before: Usage, after: Usage) -> Figures:
    per_100_000 = 100_000 / workload.snapshots
    used = {f"CPU s {name}": (after[index] - before[index]) * per_100_000 for index, name in enumerate(Usage._fields)}
    return {
        "snapshots/s": workload.snapshots / seconds,
        "parameters/s": workload.snapshots * workload.parameters / seconds,
        "published/s": workload.snapshots / (told["ended"] - told["began"]),
        **used,
    }


async def _bytes(dsn: str) -> int:
    return int(await _value(dsn, _BYTES))


async def _handled(dsn: str, workload: Workload) -> float:
    """Which part of the workload is stored now."""
    return int(await _value(dsn, "SELECT count(*) FROM app.snapshot")) / workload.snapshots


async def _value(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
