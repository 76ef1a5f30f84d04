"""A soak run: load and faults for a while, then the audit.

Faults alternate with times in which only the hostile publisher disturbs the service: then the latency of honest
anomalies is measured.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.resilience import audit
from tests.resilience.clients import Clients, Load
from tests.resilience.environment import AWAY, SMALL_BATCHES, Environment, environment, postgres
from tests.resilience.faults import FaultInjector
from tests.resilience.latency import Disturbances, Latencies
from tests.resilience.ledger import MARKS, Ledger
from tests.resilience.memory import MemoryMonitor
from tests.resilience.report import Report

_PATIENCE = 120.0
_FAULT_SECONDS = 14.0
_CALM_SECONDS = 5.0
_LOG_BYTES = 20_000


class SoakResult(NamedTuple):
    """What a run did, and the differences that the audit found."""

    figures: Sequence[str]
    differences: Sequence[str]


async def run(seed: int, seconds: float, pause: float = 0.08) -> SoakResult:
    """A run of about `seconds`, drawn from `seed`."""
    async with postgres() as server, environment(server) as found:
        found.log(f"seed {seed}, {seconds:.0f} s, in {found.directory}")
        await found.add_service(environment=SMALL_BATCHES)
        await found.add_service()  # batches as large as by default
        found.services[0].start()
        clients = await Clients.connect(found, seed, pause)
        injector, disturbances, report = FaultInjector(found, seed), Disturbances(), Report()
        async with _monitored(found) as memory:
            await until_ready(found)
            await _alternate(found, clients, injector, disturbances, seconds)
            ledger = await settle(found, clients, report)
        latencies = Latencies(ledger, disturbances)
        memory.check(report)
        latencies.check(report)
        exits = (f"{service.name} ended by itself or was killed: {service.exits}" for service in found.services)
        figures = [
            f"seed {seed}: {sum(injector.counts.values())} faults: {dict(injector.counts.most_common())}",
            *exits,
            ledger.figures(),
            latencies.figures(),
            memory.figures(),
        ]
        return SoakResult(figures, [*report.lines(), *_logs(found)] if report.kinds else [])


@asynccontextmanager
async def _monitored(found: Environment) -> AsyncIterator[MemoryMonitor]:
    memory = MemoryMonitor(found.services)
    task = asyncio.create_task(memory.run())
    try:
        yield memory
    finally:
        task.cancel()


async def until_ready(found: Environment) -> None:
    """Wait until a service has taken up the stream."""
    query = "SELECT FROM app.checkpoint WHERE stream_created IS NOT NULL"
    assert await found.until(lambda: found.fetch(query), _PATIENCE), found.services[0].log.read_text()


async def _alternate(
    found: Environment, clients: Clients, injector: FaultInjector, disturbances: Disturbances, seconds: float
) -> None:
    """Load all the time; faults and calm in turns."""
    load = Load(clients)
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            disturbances.begin()
            await injector.run(max(0, min(_FAULT_SECONDS, left - _CALM_SECONDS)))
            found.log("repaired")
            if await _has_caught_up(found):
                disturbances.end()
                found.log("caught up: only the hostile publisher disturbs")
                await asyncio.sleep(_CALM_SECONDS)
                await _has_caught_up(found)
    finally:
        await load.stop()


async def _has_caught_up(found: Environment) -> bool:
    """Wait until all is handled that is in the stream now; False if that takes too long."""
    last = 0

    async def is_known() -> bool:
        nonlocal last
        last = await found.last_sequence()
        return True

    async def is_handled() -> bool:
        return await found.handled_sequence() >= last

    if await found.until(is_known, _PATIENCE) and await found.until(is_handled, _PATIENCE):
        return True
    found.log(f"did not catch up in {_PATIENCE:.0f} s")
    return False


async def settle(found: Environment, clients: Clients, report: Report, patience: float = _PATIENCE) -> Ledger:
    """Wait until all is handled, and as long as `patience` until all is published; stop the services, and compare."""
    if not await clients.publisher.finish(_PATIENCE):
        report.differ("the publisher was not answered any more", f"in {_PATIENCE:.0f} s")
    if not await _is_handled_at_last(found):
        report.differ("not all was handled", f"nothing moved in {_PATIENCE:.0f} s")
    ledger = Ledger(clients)
    for what, is_so, seconds in (
        ("not ready again", lambda: _is_ready(found), _PATIENCE),
        ("not every instance is there", lambda: _are_there(found), _PATIENCE),  # one that starts cannot stop in order
        ("not all was published", lambda: _is_published(found, ledger), patience),
    ):
        if not await found.until(is_so, seconds):
            report.differ(what, f"in {seconds:.0f} s")
    found.log("handled")
    for service in found.services:
        if service.is_wanted and (code := await service.stop()) != 0:
            report.differ("did not stop in order", f"{service.name}: {code}")
    await ledger.read(found)
    audit.compare(ledger, report)
    found.log("audited")
    return ledger


async def _is_handled_at_last(found: Environment) -> bool:
    """Whether all messages are decided; on a busy machine a backlog takes its time, as long as something moves."""
    before = -1
    while not await found.until(lambda: _is_handled(found), _PATIENCE):
        sequence = await found.handled_sequence()
        if sequence == before:
            return False
        before = sequence
    return True


async def _is_handled(found: Environment) -> bool:
    return await found.handled_sequence() == await found.last_sequence()


async def _is_published(found: Environment, ledger: Ledger) -> bool:
    """Whether as much is published as is stored, if not the same."""
    [stored] = await found.fetch("SELECT (SELECT count(*) FROM app.anomaly), (SELECT count(*) FROM app.event)")
    query = f"SELECT ({MARKS}) + (SELECT count(*) FROM app.alarm_transition WHERE is_waiting)"  # noqa: S608 - our own
    [waiting] = await found.fetch(query)
    if waiting[0]:
        return False
    published = await ledger.published_anomalies(found), await ledger.published_events(found)
    return all(rows <= messages for rows, messages in zip(stored, published, strict=True))


async def _is_ready(found: Environment) -> bool:
    with contextlib.suppress(*AWAY):
        answer = await found.observer.request("missionops.health", b"", timeout=2)
        return b'"status":"ready"' in answer.data
    return False


async def _are_there(found: Environment) -> bool:
    with contextlib.suppress(*AWAY):
        return await found.instances() >= sum(service.is_wanted for service in found.services)
    return False


def _logs(found: Environment) -> list[str]:
    return [
        f"── the end of {service.log}:\n{service.log.read_text()[-_LOG_BYTES:]}"
        for service in found.services
        if service.log.exists()
    ]
