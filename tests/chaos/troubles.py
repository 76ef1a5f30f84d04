"""Troubles: each harms one thing, for a while, and heals it again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeAlias

from missionops.embedded.server import Server
from missionops.errors import Unfit
from tests.chaos.proxy import Proxy
from tests.chaos.service import Service
from tests.chaos.world import AWAY, World

Trouble: TypeAlias = Callable[[World, Random], Awaitable[None]]

LEASE = 1.0
_TRIES = 10


def _service(world: World, random: Random) -> Service:
    return random.choice([service for service in world.services if service.is_wanted])


def _longer_than_the_lease(random: Random) -> float:
    return LEASE + random.uniform(0.3, 2.5)


async def kill_service(world: World, random: Random) -> None:
    _service(world, random).signal(signal.SIGKILL)


async def stop_service(world: World, random: Random) -> None:
    service = _service(world, random)
    await service.stop()
    service.start()


async def freeze_service(world: World, random: Random) -> None:
    service = _service(world, random)
    service.signal(signal.SIGSTOP)
    await asyncio.sleep(_longer_than_the_lease(random))
    service.signal(signal.SIGCONT)


async def toggle_second_service(world: World, random: Random) -> None:
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
    found = await world.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'missionops' LIMIT 1")
    for row in found:
        with contextlib.suppress(OSError):  # It may have ended just now.
            _kill_if_postgres(row["pid"])


async def end_database_connections(world: World, random: Random) -> None:
    share = random.choice((0.3, 1.0))
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'missionops'"
    await world.fetch(f"{query} AND random() < $1", share)


async def delete_consumer(world: World, _: Random) -> None:
    client = await world.client()
    try:
        await client.request("$JS.API.CONSUMER.DELETE.TELEMETRY.missionops-0", timeout=1)
    finally:
        await client.close()


async def stall(world: World, random: Random) -> None:
    proxy = _proxy(world, random)
    random.choice((proxy.stall, proxy.out.clear, proxy.back.clear))()
    await asyncio.sleep(_longer_than_the_lease(random))
    if random.random() < 0.3:
        proxy.cut()
    proxy.flow()


async def cut(world: World, random: Random) -> None:
    _proxy(world, random).cut()


async def swallow(world: World, random: Random) -> None:
    """Connections that are dead and do not know it, as behind a router that forgot them."""
    _proxy(world, random).swallow()
    await asyncio.sleep(random.uniform(0, 2))


def _proxy(world: World, random: Random) -> Proxy:
    service = _service(world, random)
    return random.choice((service.nats, service.database, service.nats, service.database, world.publishing))


async def _start(server: Server) -> None:
    """Its port may be somebody's for a moment: a client's, say."""
    for _ in range(_TRIES):
        with contextlib.suppress(Unfit):
            await server.start()
            return
        await asyncio.sleep(0.5)
    await server.start()


async def _freeze(pids: Sequence[int | None], random: Random) -> None:
    for number, seconds in ((signal.SIGSTOP, _longer_than_the_lease(random)), (signal.SIGCONT, 0)):
        for pid in filter(None, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        await asyncio.sleep(seconds)


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
    kill_service, kill_service, stop_service, freeze_service, freeze_service, toggle_second_service,
    toggle_second_service, kill_nats, restart_nats, freeze_nats, kill_postgres, restart_postgres, freeze_postgres,
    crash_a_backend, end_database_connections, delete_consumer, stall, stall, stall, cut, cut, swallow,
)  # fmt: skip


async def one(world: World, random: Random) -> None:
    """One trouble; where its own tools are away just then, there was trouble enough."""
    trouble = random.choice(ALL)
    world.say(trouble.__name__.replace("_", " "))
    with contextlib.suppress(*AWAY):
        await trouble(world, random)


async def heal(world: World) -> None:
    """All as it should be: everything runs, everything flows."""
    world.publishing.flow()
    for service in world.services:
        service.nats.flow()
        service.database.flow()
        service.signal(signal.SIGCONT)
    if not world.services[0].is_wanted:
        world.services[0].start()
