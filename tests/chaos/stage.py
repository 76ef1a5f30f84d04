"""A stage for one trouble at a time: a world that stands still until it is told what happens next."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from tests.chaos import troubles
from tests.chaos.ground import Ground
from tests.chaos.publisher import BEACON, Bad, Snapshot
from tests.chaos.service import Service
from tests.chaos.world import World

SETTINGS: Mapping[str, str] = MappingProxyType({"MISSIONOPS_LEASE": "60"})
"""A lease ends only when somebody ends it."""

_CRAFT = "SC-0"
_PATIENCE = 60.0
_MOMENT = 1.5
"""Seconds; for what a faulty service does and a sound one never would."""
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_WAITING = """
SELECT FROM pg_stat_activity
WHERE application_name = 'missionops' AND datname = current_database() AND wait_event_type = 'Lock'
"""


class Stage:
    """One service that owns the partition, another that is not started, and a spacecraft that is never nominal."""

    def __init__(self, world: World, ground: Ground) -> None:
        self.world = world
        self.service, self.other = world.services
        self._ground = ground
        self._count = 0

    async def set_limit(self) -> None:
        """Put another config in force."""
        await self.wait(lambda: self._ground.configs.set(_CRAFT, self._limit()))

    async def send_limit(self) -> None:
        """The same, without waiting for an answer; returns when it is committed."""
        before = await self._number("SELECT count(*) FROM app.config")
        await self._ground.configs.send(_CRAFT, self._limit())
        await self.wait(lambda: self._is_more("SELECT count(*) FROM app.config", before))

    def _limit(self) -> dict[str, Any]:
        self._count += 1
        return {"parameters": {BEACON: {"warnHigh": self._count}}}

    async def publish(self, *before: Snapshot | Bad) -> Snapshot:
        """A snapshot that is an anomaly, after what comes `before` it, in one message."""
        self._count += 1
        snapshot = Snapshot(_BEGIN + timedelta(seconds=self._count), None, {BEACON: 1_000_000, "n": self._count})
        await self._ground.publisher.publish(_CRAFT, *before, snapshot)
        return snapshot

    async def publish_and_store(self, *before: Snapshot | Bad) -> Snapshot:
        """The same, stored by now."""
        snapshot = await self.publish(*before)
        await self.wait(lambda: self.is_stored(snapshot))
        return snapshot

    async def is_stored(self, snapshot: Snapshot) -> bool:
        query = 'SELECT FROM app.telemetry WHERE spacecraft_id = $1 AND "timestamp" = $2'
        return bool(await self.world.fetch(query, _CRAFT, snapshot.timestamp))

    async def until_told(self) -> None:
        """Until all anomalies and events that are stored are told."""
        await self.wait(self._is_told)

    async def _is_told(self) -> bool:
        anomalies = await self._number("SELECT count(*) FROM app.anomaly")
        told = (await self.world.eye.jsm().stream_info("ANOMALIES")).state.messages
        return anomalies <= told and not await self.waiting_events()

    async def dead_letters(self) -> int:
        """How many there are."""
        return int((await self.world.eye.jsm().stream_info("DEADLETTERS")).state.messages)

    async def waiting_events(self) -> int:
        """How many events are in the outbox."""
        return await self._number("SELECT count(*) FROM app.outbox")

    async def acknowledged(self) -> int:
        """How far the consumer believes that all is handled."""
        info = await self.world.eye.jsm().consumer_info("TELEMETRY", "missionops-0")
        return info.ack_floor.stream_seq if info.ack_floor else 0

    async def until_nothing_is_asked(self) -> None:
        """Until no request for telemetry is open any more."""
        await self.wait(self._is_nothing_asked)

    async def _is_nothing_asked(self) -> bool:
        return not (await self.world.eye.jsm().consumer_info("TELEMETRY", "missionops-0")).num_waiting

    async def wait(self, is_so: Callable[[], Awaitable[Any]]) -> None:
        assert await self.world.until(is_so, _PATIENCE), f"waited {_PATIENCE:.0f} s in vain"

    async def wait_a_moment(self, is_so: Callable[[], Awaitable[Any]]) -> None:
        """For what only a faulty service does."""
        await self.world.until(is_so, _MOMENT)

    @asynccontextmanager
    async def held_up(self, lock: str, *bad: Bad) -> AsyncIterator[Snapshot]:
        """The service has a snapshot in hand, and its transaction waits for a lock until the end of the block."""
        async with self.world.connection() as connection, connection.transaction():
            await connection.execute(lock)
            snapshot = await self.publish(*bad)
            await self.wait(lambda: self.world.fetch(_WAITING))
            yield snapshot

    async def crash(self) -> None:
        """The service is killed, with what it had sent and NATS had not heard, and another run of it takes over."""
        await self.service.kill()
        self.service.nats.cut()
        self.service.nats.flow()
        await self.hand_over(self.service)

    async def hand_over(self, to: Service) -> None:
        """Whoever owns the partition has lost its right to it, and `to` has claimed it."""
        before = await self._number(_EPOCH)
        await troubles.lapse(self.world)
        to.start()
        await self.world.fetch("SELECT pg_notify('missionops_released', '0')")  # who stands by looks at once
        await self.wait(lambda: self._is_more(_EPOCH, before))

    async def stand_by(self) -> None:
        """Start the other service; returns when it stands by."""
        self.other.start()
        await self.wait(self._are_two)

    async def _are_two(self) -> bool:
        return await self.world.instances() == 2

    async def _number(self, query: str) -> int:
        return int((await self.world.fetch(query))[0][0])

    async def _is_more(self, query: str, before: int) -> bool:
        return await self._number(query) > before


_EPOCH = "SELECT epoch FROM app.checkpoint"
