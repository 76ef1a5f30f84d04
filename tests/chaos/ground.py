"""The ground segment: everybody who talks with the service, over one network that may fail them."""

import asyncio
from random import Random

from tests.chaos.chronicler import Chronicler
from tests.chaos.configs import Configs
from tests.chaos.publisher import Publisher
from tests.chaos.subscriber import Subscriber
from tests.chaos.world import World


class Ground:
    """Quiet until `begin`; what each of them did and heard is in their ledgers."""

    def __init__(self, publisher: Publisher, configs: Configs, chronicler: Chronicler, subscriber: Subscriber) -> None:
        self.publisher = publisher
        self.configs = configs
        self.chronicler = chronicler
        self.subscriber = subscriber
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def of(cls, world: World, seed: object, pause: float = 0.04) -> "Ground":
        """Each draws from a sequence of its own, so that none is led by how another fares."""
        clients = [await world.client(world.ground.port) for _ in range(4)]
        found = cls(
            Publisher(clients[0], Random(f"{seed} telemetry"), pause),
            Configs(clients[1], Random(f"{seed} configs")),
            Chronicler(clients[2], Random(f"{seed} notes")),
            Subscriber(clients[3]),
        )
        await found.subscriber.start()
        return found

    def begin(self) -> None:
        runs = self.publisher.run(), self.configs.run(), self.chronicler.run()
        self._tasks = [asyncio.create_task(run) for run in runs]

    async def end(self) -> None:
        """Begin nothing new."""
        for task in self._tasks:
            task.cancel()
        for fault in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(fault, asyncio.CancelledError):
                raise AssertionError("the load ended by itself") from fault  # noqa: TRY004 - no matter of types
