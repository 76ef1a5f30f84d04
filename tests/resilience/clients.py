"""Everybody who talks with the service, over one network that may fail them."""

import asyncio
from random import Random
from typing import NamedTuple

from tests.resilience.attacks import HOSTILE
from tests.resilience.config_client import ConfigClient
from tests.resilience.environment import Environment
from tests.resilience.event_client import EventClient
from tests.resilience.hostile import HostilePublisher
from tests.resilience.publisher import Publisher
from tests.resilience.subscriber import Subscriber


class Clients(NamedTuple):
    """Each keeps what it sent and received; each draws from a sequence of its own, so that none changes another's."""

    publisher: Publisher
    configs: ConfigClient
    events: EventClient
    subscriber: Subscriber
    hostile: HostilePublisher

    @classmethod
    async def connect(cls, environment: Environment, seed: object, pause: float = 0.04) -> "Clients":
        """Connect all; only the subscriber begins at once."""
        port = environment.network.port
        nats = [await environment.client(port) for _ in range(6)]

        hostile_configs = ConfigClient(nats[4], Random(f"{seed} hostile configs"), HOSTILE)
        clients = cls(
            Publisher(nats[0], Random(f"{seed} telemetry"), pause),
            ConfigClient(nats[1], Random(f"{seed} configs")),
            EventClient(nats[2], Random(f"{seed} events")),
            Subscriber(nats[3]),
            HostilePublisher(nats[5], hostile_configs, Random(f"{seed} hostile"), environment),
        )
        await clients.subscriber.start()
        return clients


class Load:
    """The clients at work."""

    def __init__(self, clients: Clients) -> None:
        runs = clients.publisher.run(), clients.configs.run(), clients.events.run(), clients.hostile.run()
        self._tasks = [asyncio.create_task(run) for run in runs]

    async def stop(self) -> None:
        """Begin nothing new; raises if one of them had ended by itself."""
        for task in self._tasks:
            task.cancel()
        for fault in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(fault, asyncio.CancelledError):
                raise AssertionError("a client ended by itself") from fault  # noqa: TRY004 - no matter of types
