"""A run: load and troubles for a while, then peace, then the audit."""

import asyncio
import contextlib
from random import Random

from tests.chaos import troubles
from tests.chaos.audit import Audit, Books
from tests.chaos.configs import Configs
from tests.chaos.publisher import Publisher
from tests.chaos.subscriber import Subscriber
from tests.chaos.world import World, postgres, world

_PATIENCE = 60.0
_CONFUSED_ENOUGH = 3
_LOG = 20_000


async def storm(seed: int, seconds: float) -> list[str]:
    """The differences that the audit found."""
    async with postgres() as server, world(server) as found:
        found.say(f"seed {seed}, {seconds:.0f} s, in {found.directory}")
        for _ in range(2):
            await found.add_service()
        found.services[0].start()
        differences = await _weather(found, seed, seconds)
        for service in found.services:
            found.say(f"{service.name} ended with {service.exits}")
            if differences and service.log.exists():
                found.say(service.log.read_text()[-_LOG:])
        return differences


async def _weather(found: World, seed: int, seconds: float) -> list[str]:
    subscriber = Subscriber(await found.client())
    await subscriber.start()
    publisher = Publisher(await found.client(found.publishing.port), Random(f"{seed} load"), pause=0.04)  # noqa: S311
    configs = Configs(await found.client(), Random(f"{seed} configs"))  # noqa: S311
    assert await found.until(lambda: _is_there(found), _PATIENCE), found.services[0].log.read_text()
    load = [asyncio.create_task(publisher.run()), asyncio.create_task(configs.run())]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _trouble(found, Random(f"{seed} troubles"))  # noqa: S311
    for task in load:
        task.cancel()
    for fault in await asyncio.gather(*load, return_exceptions=True):
        if not isinstance(fault, asyncio.CancelledError):
            raise AssertionError("the load ended") from fault  # noqa: TRY004 - no matter of types
    differences = await settle(found, publisher, Books(publisher.ledger, configs.replies, subscriber.heard))
    return [f"seed {seed}:", *differences] if differences else []


async def _is_there(found: World) -> bool:
    return bool(await found.fetch("SELECT FROM app.position WHERE stream_created IS NOT NULL"))


async def _trouble(found: World, random: Random) -> None:
    """One after another, sometimes some at once; one that was begun is healed before the end."""
    while True:
        count = random.choice((1, 1, 1, 2, _CONFUSED_ENOUGH))
        together = asyncio.gather(*(troubles.one(found, random) for _ in range(count)))
        try:
            await asyncio.shield(together)
        except asyncio.CancelledError:
            await together
            raise
        await asyncio.sleep(random.choice((0, 0.2, 1, 2)))


async def settle(found: World, publisher: Publisher, books: Books) -> list[str]:
    """Heal, wait until all is handled, stop, and compare."""
    await troubles.heal(found)
    found.say("healed")
    differences = [] if await publisher.finish(_PATIENCE) else ["the publisher was not answered any more"]
    if not await found.until(lambda: _is_handled(found), _PATIENCE):
        differences.append(f"not handled within {_PATIENCE:.0f} s")
    found.say("handled")
    differences += [
        f"{service.name} did not stop in order: {code}"
        for service in found.services
        if service.is_wanted and (code := await service.stop()) != 0
    ]
    await books.read(found)
    found.say(books.size())
    return differences + Audit(books).run()


async def _is_handled(found: World) -> bool:
    """All messages decided, and as many anomalies told as are stored."""
    client = await found.client()
    try:
        jsm = client.jsm()
        last = (await jsm.stream_info("TELEMETRY")).state.last_seq
        told = (await jsm.stream_info("ANOMALIES")).state.messages
    finally:
        await client.close()
    [row] = await found.fetch("SELECT sequence, (SELECT count(*) FROM app.anomaly) FROM app.position")
    return bool(row[0] == last and row[1] <= told)
