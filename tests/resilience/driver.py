"""Drives a service through one fault at a time: nothing happens that a scenario does not ask for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from tests.resilience import faults
from tests.resilience.attacks import AttackMessage
from tests.resilience.clients import Clients
from tests.resilience.environment import SMALL_BATCHES, Environment
from tests.resilience.publisher import BEACON, Bad, Snapshot
from tests.resilience.service import Service

SETTINGS: Mapping[str, str] = MappingProxyType({**SMALL_BATCHES, "MISSIONOPS_LEASE": "60"})
"""A lease ends only when a scenario ends it."""

_SPACECRAFT = "SC-0"
_PATIENCE = 60.0
_A_WHILE = 1.5
"""Seconds in which a faulty service does what a correct one never would."""
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_WAITING_FOR_LOCK = """
SELECT FROM pg_stat_activity
WHERE application_name LIKE 'missionops%' AND datname = current_database() AND wait_event_type = 'Lock'
"""
_CLAIMS = "SELECT epoch FROM app.checkpoint"
_CONFIGS = "SELECT count(*) FROM app.config"


class Driver:
    """A service that owns the partition, another that is not started, and a spacecraft that is never nominal."""

    def __init__(self, environment: Environment, clients: Clients) -> None:
        self.environment = environment
        self.service, self.other = environment.services
        self._clients = clients
        self._count = 0

    async def set_limit(self) -> None:
        """Put another config in force."""
        await self.wait(lambda: self._clients.configs.set(_SPACECRAFT, self._next_config()))

    async def send_limit(self) -> None:
        """Request another config without waiting for the response; returns when it is committed."""
        before = await self._number(_CONFIGS)
        await self._clients.configs.send(_SPACECRAFT, self._next_config())
        await self.wait(lambda: self._is_more(_CONFIGS, before))

    def _next_config(self) -> dict[str, Any]:
        self._count += 1
        return {"parameters": {BEACON: {"warnHigh": self._count}}}

    async def publish(self, *before: Snapshot | Bad) -> Snapshot:
        """Publish a snapshot that is an anomaly, in one message with the items `before` it."""
        self._count += 1
        snapshot = Snapshot(_EPOCH + timedelta(seconds=self._count), None, {BEACON: 1_000_000, "n": self._count})
        await self._clients.publisher.publish(_SPACECRAFT, *before, snapshot)
        return snapshot

    async def attack(self, message: AttackMessage) -> None:
        """Let the hostile publisher send a message; returns when the service has handled it."""
        before = await self.environment.last_sequence()
        await self._clients.hostile.send(message)

        async def is_handled() -> bool:
            return await self.environment.handled_sequence() > before

        await self.wait(is_handled)

    async def configs(self) -> int:
        """How many versions of configs there are."""
        return await self._number(_CONFIGS)

    async def publish_and_store(self, *before: Snapshot | Bad) -> Snapshot:
        """Publish, and wait until it is stored."""
        snapshot = await self.publish(*before)
        await self.wait(lambda: self.is_stored(snapshot))
        return snapshot

    async def is_stored(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot is committed."""
        query = 'SELECT FROM app.snapshot WHERE spacecraft_id = $1 AND "timestamp" = $2'
        return bool(await self.environment.fetch(query, _SPACECRAFT, snapshot.timestamp))

    async def until_published(self) -> None:
        """Wait until all stored anomalies and events are published."""
        await self.wait(self._is_published)

    async def _is_published(self) -> bool:
        stored = await self._number("SELECT count(*) FROM app.anomaly")
        published = (await self.environment.observer.jsm().stream_info("ANOMALIES")).state.messages
        return stored <= published and not await self.waiting_events() and not await self.waiting_alarms()

    async def dead_letters(self) -> int:
        """How many dead letters there are."""
        return (await self.environment.observer.jsm().stream_info("DEADLETTERS")).state.messages

    async def waiting_events(self) -> int:
        """How many events are in the outbox."""
        return await self._number("SELECT count(*) FROM app.outbox")

    async def waiting_alarms(self) -> int:
        """How many alarms are still to be found or published."""
        waiting = "SELECT count(*) FROM app.alarm_transition WHERE is_waiting"
        return await self._number(waiting) + await self._number("SELECT count(*) FROM app.alarm_mark")

    async def acknowledged(self) -> int:
        """The last message of TELEMETRY that the consumer counts as handled."""
        info = await self.environment.observer.jsm().consumer_info("TELEMETRY", "missionops-0")
        return info.ack_floor.stream_seq if info.ack_floor else 0

    async def until_no_pull_request(self) -> None:
        """Wait until no pull request for telemetry is open any more."""
        await self.wait(self._has_no_pull_request)

    async def _has_no_pull_request(self) -> bool:
        return not (await self.environment.observer.jsm().consumer_info("TELEMETRY", "missionops-0")).num_waiting

    async def wait(self, is_so: Callable[[], Awaitable[Any]]) -> None:
        """Wait for a condition that has to come true."""
        assert await self.environment.until(is_so, _PATIENCE), f"not within {_PATIENCE:.0f} s"

    async def wait_a_while(self, is_so: Callable[[], Awaitable[Any]]) -> None:
        """Wait for a condition that only a faulty service makes true."""
        await self.environment.until(is_so, _A_WHILE)

    @asynccontextmanager
    async def lock_held(self, lock: str, *bad: Bad) -> AsyncIterator[Snapshot]:
        """The service has a snapshot in hand, and its transaction waits for a lock until the end of the block."""
        async with self.environment.connection() as connection, connection.transaction():
            await connection.execute(lock)
            snapshot = await self.publish(*bad)
            await self.wait(lambda: self.environment.fetch(_WAITING_FOR_LOCK))
            yield snapshot

    async def crash(self) -> None:
        """Kill the service with what it had sent and NATS had not received; another run of it takes over."""
        await self.service.kill()
        self.service.nats.cut()
        self.service.nats.flow()
        await self.hand_over(self.service)

    async def hand_over(self, to: Service) -> None:
        """End the owner's lease, and wait until `to` has claimed the partition."""
        before = await self._number(_CLAIMS)
        await faults.expire_lease(self.environment)
        to.start()
        await self.environment.fetch("SELECT pg_notify('missionops_released', '0')")  # a standby looks at once
        await self.wait(lambda: self._is_more(_CLAIMS, before))

    async def stand_by(self) -> None:
        """Start the other service; returns when it stands by."""
        self.other.start()
        await self.wait(self._are_two)

    async def _are_two(self) -> bool:
        return await self.environment.instances() == 2

    async def _number(self, query: str) -> int:
        return int((await self.environment.fetch(query))[0][0])

    async def _is_more(self, query: str, before: int) -> bool:
        return await self._number(query) > before
