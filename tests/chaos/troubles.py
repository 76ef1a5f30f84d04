"""Troubles: each harms one thing, for a while, and heals it again."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TypeAlias

from missionops.embedded.server import Server
from missionops.errors import SetupError
from tests.chaos.proxy import Proxy
from tests.chaos.service import Service
from tests.chaos.world import AWAY, LEASE, World

Trouble: TypeAlias = Callable[[World, Random], Awaitable[None]]

_TRIES = 10
_OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'missionops'"
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'missionops' AND random() < $1"


def _service(world: World, random: Random) -> Service:
    return random.choice([service for service in world.services if service.is_wanted] or world.services)


def _longer_than_the_lease(random: Random) -> float:
    """Often only just: two owners at one moment are what it takes to see who is fenced."""
    return LEASE + random.choice((random.uniform(0, 0.4), random.uniform(0.3, 2.5)))


async def kill_service(world: World, random: Random) -> None:
    _service(world, random).signal(signal.SIGKILL)


async def restart_service(world: World, random: Random) -> None:
    service = _service(world, random)
    await service.stop()
    service.start()


async def freeze_service(world: World, random: Random) -> None:
    service = _service(world, random)
    service.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(_longer_than_the_lease(random))
    finally:
        service.signal(signal.SIGCONT)


async def start_or_end_second_service(world: World, random: Random) -> None:
    second = world.services[1]
    if not second.is_wanted:
        second.start()
    elif random.random() < 0.5:
        await second.stop()
    else:
        await second.kill()


async def kill_nats(world: World, random: Random) -> None:
    async with world.nats_lock:
        await world.nats.kill()
        await asyncio.sleep(random.choice((0, 0, 1, 3)))
        await _start(world.nats)


async def restart_nats(world: World, random: Random) -> None:
    async with world.nats_lock:
        await world.nats.stop()
        await asyncio.sleep(random.choice((0, 2)))
        await _start(world.nats)


async def freeze_nats(world: World, random: Random) -> None:
    async with world.nats_lock:
        await _freeze([world.nats.pid], random)


async def kill_postgres(world: World, random: Random) -> None:
    async with world.postgres_lock:
        await world.postgres.kill()
        await asyncio.sleep(random.choice((0, 0, 1, 3)))
        await _start(world.postgres)


async def restart_postgres(world: World, random: Random) -> None:
    async with world.postgres_lock:
        assert world.postgres.process
        await world.postgres.process.stop()  # the server's own `stop` tidies for good
        await asyncio.sleep(random.choice((0, 2)))
        await _start(world.postgres)


async def freeze_postgres(world: World, random: Random) -> None:
    async with world.postgres_lock:
        postmaster = world.postgres.pid
        await _freeze([postmaster, *_children(postmaster)], random)


async def crash_a_backend(world: World, _: Random) -> None:
    """PostgreSQL ends all connections then, and recovers."""
    for row in await world.fetch(f"{_OURS} LIMIT 1"):
        with contextlib.suppress(OSError):  # It may have ended just now.
            _kill_if_postgres(row["pid"])


async def end_database_connections(world: World, random: Random) -> None:
    await world.fetch(_END, random.choice((0.3, 1.0)))


async def hold_up_database(world: World, random: Random) -> None:
    """Somebody else's lock keeps writers waiting, at one place or another of their transactions."""
    table = random.choice(("telemetry", "anomaly", "position", "event", "outbox"))
    async with world.connection() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE app.{table} IN SHARE MODE")
        await asyncio.sleep(random.uniform(0.2, 2 * LEASE))


async def end_lease(world: World, _: Random) -> None:
    """The database's clock jumps: an owner in the midst of its work has lost its right to it."""
    await lapse(world)


async def lapse(world: World) -> None:
    """Whoever has the lease has it no more, and is not told."""
    await world.fetch("UPDATE app.checkpoint SET lease_until = '-infinity'")


async def delete_consumer(world: World, _: Random) -> None:
    await world.eye.request("$JS.API.CONSUMER.DELETE.TELEMETRY.missionops-0", timeout=1)


async def stall(world: World, random: Random) -> None:
    proxy = _proxy(world, random)
    random.choice((proxy.stall, proxy.out.clear, proxy.back.clear))()
    try:
        await asyncio.sleep(_longer_than_the_lease(random))
        if random.random() < 0.3:
            proxy.cut()
    finally:
        proxy.flow()


async def cut(world: World, random: Random) -> None:
    _proxy(world, random).cut()


async def forget_connections(world: World, random: Random) -> None:
    """Connections that are dead and do not know it, as behind a router that forgot them."""
    _proxy(world, random).swallow()
    await asyncio.sleep(random.uniform(0, 2))


def _proxy(world: World, random: Random) -> Proxy:
    service = _service(world, random)
    return random.choice((service.nats, service.database, service.nats, service.database, world.ground))


async def _start(server: Server) -> None:
    """Its port may be somebody's for a moment: a client's, say."""
    for _ in range(_TRIES):
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


ALL: Sequence[Trouble] = (
    kill_service, kill_service, restart_service, freeze_service, freeze_service, start_or_end_second_service,
    start_or_end_second_service, kill_nats, restart_nats, freeze_nats, kill_postgres, restart_postgres,
    freeze_postgres, crash_a_backend, end_database_connections, hold_up_database, end_lease, delete_consumer, stall,
    stall, stall, cut, cut, forget_connections,
)  # fmt: skip


class Storm:
    """Troubles drawn from a seed, and how often each was."""

    def __init__(self, world: World, seed: object) -> None:
        self._world = world
        self._random = Random(f"{seed} troubles")
        self.had: Counter[str] = Counter()

    async def rage(self) -> None:
        """One after another, sometimes some at once; for ever, but what was begun is healed."""
        while True:
            count = self._random.choice((1, 1, 1, 2, 3))
            troubles = [(self._random.choice(ALL), Random(self._random.getrandbits(64))) for _ in range(count)]
            together = asyncio.gather(*(self._one(*trouble) for trouble in troubles))
            try:
                await asyncio.shield(together)
            except asyncio.CancelledError:
                await together
                raise
            await asyncio.sleep(self._random.choice((0, 0.2, 1, 2)))

    async def _one(self, trouble: Trouble, random: Random) -> None:
        """Where its own tools are away just then, there was trouble enough."""
        name = trouble.__name__.replace("_", " ")
        self.had[name] += 1
        self._world.say(name)
        with contextlib.suppress(*AWAY):
            await trouble(self._world, random)


async def heal(world: World) -> None:
    """All as it should be: everything runs, everything flows."""
    world.ground.flow()
    for service in world.services:
        service.nats.flow()
        service.database.flow()
        service.signal(signal.SIGCONT)
    if not world.services[0].is_wanted:
        world.services[0].start()
