"""Faults: each harms one thing for a while, and repairs it again."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TypeAlias

from missionops.embedded.server import Server
from missionops.errors import SetupError
from tests.resilience.environment import AWAY, LEASE, Environment
from tests.resilience.proxy import Proxy
from tests.resilience.service import Service

Fault: TypeAlias = Callable[[Environment, Random], Awaitable[None]]

_ATTEMPTS = 10
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'missionops%'"
_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'missionops%' AND random() < $1"
)


def _service(environment: Environment, random: Random) -> Service:
    return random.choice([service for service in environment.services if service.is_wanted] or environment.services)


def _longer_than_the_lease(random: Random) -> float:
    """Often only just: it takes two owners at one time to see whether the former one is fenced."""
    return LEASE + random.choice((random.uniform(0, 0.4), random.uniform(0.3, 2.5)))


async def kill_service(environment: Environment, random: Random) -> None:
    _service(environment, random).signal(signal.SIGKILL)


async def restart_service(environment: Environment, random: Random) -> None:
    service = _service(environment, random)
    await service.stop()
    service.start()


async def freeze_service(environment: Environment, random: Random) -> None:
    service = _service(environment, random)
    service.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(_longer_than_the_lease(random))
    finally:
        service.signal(signal.SIGCONT)


async def start_or_end_second_service(environment: Environment, random: Random) -> None:
    second = environment.services[1]
    if not second.is_wanted:
        second.start()
    elif random.random() < 0.5:
        await second.stop()
    else:
        await second.kill()


async def kill_nats(environment: Environment, random: Random) -> None:
    async with environment.nats_lock:
        await environment.nats.kill()
        await asyncio.sleep(random.choice((0, 0, 1, 3)))
        await _start(environment.nats)


async def restart_nats(environment: Environment, random: Random) -> None:
    async with environment.nats_lock:
        await environment.nats.stop()
        await asyncio.sleep(random.choice((0, 2)))
        await _start(environment.nats)


async def freeze_nats(environment: Environment, random: Random) -> None:
    async with environment.nats_lock:
        await _freeze([environment.nats.pid], random)


async def kill_postgres(environment: Environment, random: Random) -> None:
    async with environment.postgres_lock:
        await environment.postgres.kill()
        await asyncio.sleep(random.choice((0, 0, 1, 3)))
        await _start(environment.postgres)


async def restart_postgres(environment: Environment, random: Random) -> None:
    async with environment.postgres_lock:
        assert environment.postgres.process
        await environment.postgres.process.stop()  # the server's own `stop` removes its files
        await asyncio.sleep(random.choice((0, 2)))
        await _start(environment.postgres)


async def freeze_postgres(environment: Environment, random: Random) -> None:
    async with environment.postgres_lock:
        postmaster = environment.postgres.pid
        await _freeze([postmaster, *_children(postmaster)], random)


async def crash_a_backend(environment: Environment, _: Random) -> None:
    """PostgreSQL then ends all connections and recovers."""
    for row in await environment.fetch(f"{_BACKENDS} LIMIT 1"):
        with contextlib.suppress(OSError):  # it ended just now
            _kill_if_postgres(row["pid"])


async def end_database_connections(environment: Environment, random: Random) -> None:
    await environment.fetch(_TERMINATE, random.choice((0.3, 1.0)))


async def hold_up_database(environment: Environment, random: Random) -> None:
    """Somebody else's lock makes writers wait, at one statement or another of their transactions."""
    table = random.choice(("snapshot", "anomaly", "checkpoint", "event", "outbox", "stale_hour"))
    async with environment.connection() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE app.{table} IN SHARE MODE")
        await asyncio.sleep(random.uniform(0.2, 2 * LEASE))


async def end_lease(environment: Environment, _: Random) -> None:
    """The database's clock jumps: the owner loses its lease in the midst of its work."""
    await expire_lease(environment)


async def expire_lease(environment: Environment) -> None:
    """End the owner's lease without notice."""
    await environment.fetch("UPDATE app.checkpoint SET lease_until = '-infinity'")


async def delete_consumer(environment: Environment, _: Random) -> None:
    await environment.observer.request("$JS.API.CONSUMER.DELETE.TELEMETRY.missionops-0", timeout=1)


async def stall(environment: Environment, random: Random) -> None:
    proxy = _proxy(environment, random)
    random.choice((proxy.stall, proxy.out.clear, proxy.back.clear))()
    try:
        await asyncio.sleep(_longer_than_the_lease(random))
        if random.random() < 0.3:
            proxy.cut()
    finally:
        proxy.flow()


async def cut(environment: Environment, random: Random) -> None:
    _proxy(environment, random).cut()


async def forget_connections(environment: Environment, random: Random) -> None:
    """Connections that are dead without an end, as behind a router that forgot them."""
    _proxy(environment, random).discard()
    await asyncio.sleep(random.uniform(0, 2))


def _proxy(environment: Environment, random: Random) -> Proxy:
    service = _service(environment, random)
    return random.choice((service.nats, service.database, service.nats, service.database, environment.network))


async def _start(server: Server) -> None:
    """Start a server; for a moment its port may belong to a client's connection."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(SetupError):
            await server.start()
            return
        await asyncio.sleep(0.5)
    await server.start()


async def _freeze(pids: Iterable[int | None], random: Random) -> None:
    found = [pid for pid in pids if pid]
    _signal(found, signal.SIGSTOP)
    try:
        await asyncio.sleep(_longer_than_the_lease(random))
    finally:
        _signal(found, signal.SIGCONT)


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _kill_if_postgres(pid: int) -> None:
    if "postgres" in Path(f"/proc/{pid}/cmdline").read_text():
        os.kill(pid, signal.SIGKILL)


def _children(pid: int | None) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if pid and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


ALL: Sequence[Fault] = (
    kill_service, kill_service, restart_service, freeze_service, freeze_service, start_or_end_second_service,
    start_or_end_second_service, kill_nats, restart_nats, freeze_nats, kill_postgres, restart_postgres,
    freeze_postgres, crash_a_backend, end_database_connections, hold_up_database, end_lease, delete_consumer, stall,
    stall, stall, cut, cut, forget_connections,
)  # fmt: skip


class FaultInjector:
    """Faults drawn from a seed, and how often each was injected."""

    def __init__(self, environment: Environment, seed: object) -> None:
        self._environment = environment
        self._random = Random(f"{seed} faults")
        self.counts: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Inject faults one after another, sometimes some at once; returns when all is repaired."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            count = self._random.choice((1, 1, 1, 2, 3))
            faults = [(self._random.choice(ALL), Random(self._random.getrandbits(64))) for _ in range(count)]
            together = asyncio.gather(*(self._inject(*fault) for fault in faults))
            try:
                await asyncio.shield(together)
            except asyncio.CancelledError:
                await together
                raise
            await asyncio.sleep(self._random.choice((0, 0.2, 1, 2)))
        await repair(self._environment)

    async def _inject(self, fault: Fault, random: Random) -> None:
        name = fault.__name__.replace("_", " ")
        self.counts[name] += 1
        self._environment.log(name)
        with contextlib.suppress(*AWAY):  # another fault may have taken away what this one needs
            await fault(self._environment, random)


async def repair(environment: Environment) -> None:
    """Let everything run, and all networks flow."""
    environment.network.flow()
    for service in environment.services:
        service.nats.flow()
        service.database.flow()
        service.signal(signal.SIGCONT)
    if not environment.services[0].is_wanted:
        environment.services[0].start()
