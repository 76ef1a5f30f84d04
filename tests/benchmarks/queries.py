"""How long the service takes to answer over NATS, one request after the other."""

import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.benchmarks import latency
from tests.benchmarks.path import Figures
from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import Workload

_REQUESTS = 200
_DAY = timedelta(days=1)


async def measured(stage: Stage, end: datetime) -> dict[str, Figures]:
    """Each query, asked of spacecraft and times at random."""
    return {name: await _times(stage, name, end) for name in _QUERIES}


async def _times(stage: Stage, name: str, end: datetime) -> Figures:
    chosen = random.Random(3)  # noqa: S311 - to be repeated, not to be secret
    milliseconds = []
    for number, (subject, body) in enumerate(_requests(name, chosen, end)):
        began = time.monotonic()
        await stage.request(subject, body)
        if number >= _REQUESTS // 10:  # the first ones open connections and fill caches
            milliseconds.append((time.monotonic() - began) * 1_000)
    return latency.spread(milliseconds)


def _requests(name: str, chosen: random.Random, end: datetime) -> Iterator[tuple[str, Any]]:
    ids = Workload().spacecraft_ids
    for _ in range(_REQUESTS + _REQUESTS // 10):
        start = end - _DAY * (1 + chosen.random() * 360)
        between = {"from": start.isoformat(), "to": (start + _DAY).isoformat()}
        subject, body = _QUERIES[name]
        yield f"{subject}.{chosen.choice(ids)}", body | (between if name.endswith("day") else {})


_QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "list, newest 20": ("telemetry.list", {}),
    "list, 20 of a day": ("telemetry.list", {}),
    "anomalies, newest 20": ("anomalies.list", {}),
    "timeline of a day": ("anomalies.timeline", {}),
    "status": ("spacecraft.status", {}),
    "analyze, newest 20": ("telemetry.analyze", {}),
}
