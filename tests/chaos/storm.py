"""A run: load and troubles for a while, then peace, then the audit."""

import asyncio
import contextlib
from typing import NamedTuple

from tests.chaos import audit, troubles
from tests.chaos.books import Books
from tests.chaos.findings import Findings
from tests.chaos.ground import Ground
from tests.chaos.troubles import Storm
from tests.chaos.world import AWAY, World, postgres, world

_PATIENCE = 120.0
_LOG = 20_000


class Report(NamedTuple):
    """What a run did, and what was wrong after it."""

    done: list[str]
    differences: list[str]


async def run(seed: int, seconds: float, pause: float = 0.04) -> Report:
    """A storm of `seconds`, drawn from `seed`."""
    async with postgres() as server, world(server) as found:
        found.say(f"seed {seed}, {seconds:.0f} s, in {found.directory}")
        for _ in range(2):
            await found.add_service()
        found.services[0].start()
        ground = await Ground.of(found, seed, pause)
        await until_ready(found)
        had = await _weather(found, ground, Storm(found, seed), seconds)
        findings = Findings()
        books = await settle(found, ground, findings)
        exits = (f"{service.name} ended by itself or was killed: {service.exits}" for service in found.services)
        done = [
            f"seed {seed}: {sum(had.had.values())} troubles: {dict(had.had.most_common())}",
            *exits,
            books.figures(),
        ]
        return Report(done, [*findings.lines(), *_logs(found)] if findings.kinds else [])


async def until_ready(found: World) -> None:
    """Wait until a service has found its place in the stream."""
    query = "SELECT FROM app.checkpoint WHERE stream_created IS NOT NULL"
    assert await found.until(lambda: found.fetch(query), _PATIENCE), found.services[0].log.read_text()


async def _weather(found: World, ground: Ground, storm: Storm, seconds: float) -> Storm:
    ground.begin()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await storm.rage()
    await ground.end()
    await troubles.heal(found)
    found.say("healed")
    return storm


async def settle(found: World, ground: Ground, findings: Findings, patience: float = _PATIENCE) -> Books:
    """Wait until all is handled, and as long as `patience` until all is told; stop, and compare."""
    if not await ground.publisher.finish(_PATIENCE):
        findings.differ("the publisher was not answered any more", f"in {_PATIENCE:.0f} s")
    if not await _is_handled_at_last(found):
        findings.differ("not all was handled", f"nothing moved in {_PATIENCE:.0f} s")
    for what, is_so, seconds in (
        ("not ready again", lambda: _is_ready(found), _PATIENCE),
        ("not every instance is there", lambda: _are_there(found), _PATIENCE),  # to stop in order, one has to run
        ("not all was told", lambda: _is_told(found), patience),
    ):
        if not await found.until(is_so, seconds):
            findings.differ(what, f"in {seconds:.0f} s")
    found.say("handled")
    for service in found.services:
        if service.is_wanted and (code := await service.stop()) != 0:
            findings.differ("did not stop in order", f"{service.name}: {code}")
    books = Books(ground)
    await books.read(found)
    audit.compare(books, findings)
    found.say("audited")
    return books


async def _is_handled_at_last(found: World) -> bool:
    """Whether all messages are decided; on a busy machine a backlog takes its time, as long as something moves."""
    before = -1
    while not await found.until(lambda: _is_handled(found), _PATIENCE):
        [[sequence]] = await found.fetch("SELECT sequence FROM app.checkpoint")
        if sequence == before:
            return False
        before = sequence
    return True


async def _is_handled(found: World) -> bool:
    [[sequence]] = await found.fetch("SELECT sequence FROM app.checkpoint")
    return bool(sequence == (await found.eye.jsm().stream_info("TELEMETRY")).state.last_seq)


async def _is_told(found: World) -> bool:
    """As much as is stored, if not the same."""
    [stored] = await found.fetch("SELECT (SELECT count(*) FROM app.anomaly), (SELECT count(*) FROM app.event)")
    told = [(await found.eye.jsm().stream_info(name)).state.messages for name in ("ANOMALIES", "EVENTS")]
    return all(count <= messages for count, messages in zip(stored, told, strict=True))


async def _is_ready(found: World) -> bool:
    with contextlib.suppress(*AWAY):
        answer = await found.eye.request("missionops.health", b"", timeout=2)
        return b'"status":"ready"' in answer.data
    return False


async def _are_there(found: World) -> bool:
    with contextlib.suppress(*AWAY):
        return await found.instances() >= sum(service.is_wanted for service in found.services)
    return False


def _logs(found: World) -> list[str]:
    return [
        f"── the end of {service.log}:\n{service.log.read_text()[-_LOG:]}"
        for service in found.services
        if service.log.exists()
    ]
