"""An ownership session: the time for which a partition is ours. It holds the lease and watches over the pipeline.

A session ends with its first fault. The next one starts from the checkpoint in the database.
"""

import asyncio
import contextlib
import logging
import time
from datetime import datetime
from functools import partial

import asyncpg
import nats.errors
from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.broker.streams import ALARMS, ANOMALIES, DEADLETTERS, EVENTS
from missionops.domain import timestamp
from missionops.errors import Unavailable
from missionops.ingest.alarms.engine import AlarmEngine
from missionops.ingest.alarms.worker import AlarmWorker
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.roll_up_worker import RollUpWorker
from missionops.ingest.status import IngestStatus
from missionops.settings import Settings
from missionops.store import checkpoint, database, locks
from missionops.store.checkpoint import Checkpoint, Lease
from publishers import stream_room
from publishers.alarms import AlarmOutbox
from publishers.events import EventOutbox
from publishers.exactly_once import ExactlyOncePublisher
from publishers.outbox import OutboxPublisher
from publishers.stream_room import Room
from subscribers.telemetry import recovery, stream_purge
from subscribers.telemetry.consumer import Consumer
from subscribers.telemetry.dead_letter_log import DeadLetterLog
from subscribers.telemetry.pipeline import BatchBudget, Pipeline, Position
from subscribers.telemetry.task_group import TaskGroup

log = logging.getLogger(__name__)

_LONGEST = 150.0
"""Seconds for a batch. PostgreSQL ends a transaction after 60, and the search for refused rows after as long."""
_RESERVED = 1_024
"""Bytes of a message that are left for its headers."""
_LOOK = 3.0
"""Seconds between two looks at how full the outgoing streams are."""


class Session:
    """One session of a partition: `lease_connection` holds the lease, and says whether the partition is still ours."""

    def __init__(
        self,
        client: Client,
        lease_connection: database.Connection,
        lease: Lease,
        start: Checkpoint,
        *,
        budget: BatchBudget,
        settings: Settings,
        status: IngestStatus,
        dead_letter_log: DeadLetterLog,
        limits: LimitsCache,
    ) -> None:
        self._client = client
        self._lease_connection = lease_connection
        self._lease_lock = asyncio.Lock()  # one statement at a time
        self._lease = lease
        self._position = Position(lease, start)
        self._budget = budget
        self._settings = settings
        self._status = status
        self._lock_holder: str | None = None
        self._rooms = [Room(client, stream, status.outgoing[stream]) for stream in (ANOMALIES, DEADLETTERS)]
        # Nothing is purged from these: the service must not be able to remove what it has published.
        self._kept_rooms = [Room(client, stream, status.outgoing[stream]) for stream in (ALARMS, EVENTS)]
        publisher = partial(
            ExactlyOncePublisher,
            client,
            is_owner=self._is_owner,
            count_failure=status.count_publish_failure,
            patience=settings.lease,
        )
        self._anomalies, self._dead_letters = (
            publisher(stream=room.stream, room=room, relieve=lambda size: stream_room.relieve(self._rooms, size))
            for room in self._rooms
        )
        room, database_url = client.max_payload - _RESERVED, settings.database_url
        self._outboxes = [
            OutboxPublisher(outbox, database_url, lease, publisher(stream=stream), self._provide_streams, room=room)
            for stream, outbox in ((EVENTS, EventOutbox()), (ALARMS, AlarmOutbox()))
        ]
        self._alarm_engine = AlarmEngine(lease.partition, limits)
        self._alarm_worker = AlarmWorker(database_url, lease, self._alarm_engine, status.alarms, self._handled_at)
        limits.forget()  # a session may follow upon a restored backup, in which a version is another one
        self._consumer = Consumer(client, f"missionops-{lease.partition}", settings.pull_bytes)
        self._pipeline = Pipeline(
            self._consumer,
            self._position,
            self._anomalies,
            self._dead_letters,
            budget=budget,
            max_payload=client.max_payload,
            status=status,
            dead_letter_log=dead_letter_log,
            limits=limits,
            alarms=self._alarm_engine,
        )
        self._roll_ups = RollUpWorker(
            database_url, lease, self._pipeline.marked_hours, lambda: self.has_batches, status.roll_ups
        )

    async def run(self) -> None:
        """Handle telemetry until stopped; raises the fault that ended the session otherwise."""
        try:
            async with self._pipeline.connected(self._settings.database_url):
                try:
                    async with TaskGroup() as tasks:
                        tasks.start(self._work(tasks))  # in a task: it can be cancelled more than once
                finally:
                    await self._consumer.close()
                await checkpoint.release(self._lease_connection, self._lease)
        except* asyncpg.LockNotAvailableError as error:
            raise Unavailable(self._lock_holder or "The database waited too long for a lock.") from error

    async def _work(self, tasks: TaskGroup) -> None:
        renewal = tasks.start(self._keep_lease())
        await self._resume()
        watches = [
            tasks.start(watch)
            for watch in (
                self._refuse_to_hang(),
                self._name_lock_holders(),
                stream_purge.purge_handled(self._client, self._status, self._settings),
                self._watch_outgoing_streams(),
                self._roll_ups.run(),
                self._alarm_worker.run(),
            )
        ]
        for outbox in self._outboxes:
            tasks.start(outbox.run())
        await self._pipeline.run(tasks)
        for outbox in self._outboxes:
            outbox.stop()
        tasks.end(renewal, *watches)

    @property
    def has_batches(self) -> bool:
        """Whether a batch was begun and not finished."""
        return bool(self._pipeline.in_flight)

    def stop(self) -> None:
        """Finish the batches in flight and take no more."""
        self._consumer.stop()

    def lose(self, reason: str) -> None:
        """Give up the batches in flight, and end the session with `reason`."""
        self._consumer.lose(reason)

    async def _resume(self) -> None:
        """Continue where the last owner ended: publish what it stored and did not publish, then read on."""
        start = self._position.at
        await self._provide_streams()
        await self._dead_letters.resume(start.dead_letters_sequence)
        await self._anomalies.resume(start.anomalies_sequence)
        async with self._pipeline.writer() as connection:
            start = await recovery.publish_unpublished(connection, self._lease, start, self._anomalies)
            start = await recovery.find_start(self._client, connection, self._lease, start, self._status.stream_end)
        self._position.at = start
        self._status.move(start.sequence)
        self._status.restore_lost(start.lost)
        await self._consumer.start(start.sequence)

        is_behind = await recovery.is_behind(self._client, start)
        status, epoch = self._status, self._lease.epoch
        # A session may follow our own last one many times a second: then it is nothing to report.
        follows_own = 0 < status.epoch == epoch - 1
        is_news = not follows_own or (status.trouble and not is_behind)
        log.log(logging.INFO if is_news else logging.DEBUG, "owner of partition %d, epoch %d, from sequence %d",
                self._lease.partition, epoch, start.sequence,
                extra={"epoch": epoch, "sequence": start.sequence})  # fmt: skip
        status.role, status.epoch = "owner", epoch
        if not is_behind:
            status.trouble = None  # otherwise the first finished batch ends it

    async def _provide_streams(self) -> None:
        """Make streams again that somebody has deleted."""
        await streams.provision(self._client, self._settings)

    async def _handled_at(self) -> datetime | None:
        """The time of the stream TELEMETRY if all that it holds is handled; None otherwise, or without an answer."""
        try:
            info = await jetstream.stream_info(self._client, streams.TELEMETRY)
        except (Unavailable, nats.errors.Error):
            return None
        if int(info["state"]["last_seq"]) > self._position.at.sequence:
            return None
        return timestamp.from_nanoseconds(timestamp.to_nanoseconds(info["ts"]))

    async def _is_owner(self) -> bool:
        async with self._lease_lock:
            return await checkpoint.is_current(self._lease_connection, self._lease)

    async def _keep_lease(self) -> None:
        while True:
            # A dead connection may not be noticed: then nobody would report that the lease has ended.
            async with asyncio.timeout(self._settings.lease), self._lease_lock:
                await checkpoint.renew(self._lease_connection, self._lease, self._settings.lease)
                self._status.renew(self._settings.lease)
            await asyncio.sleep(self._settings.lease / 3)

    async def _refuse_to_hang(self) -> None:
        """End the session if a server says nothing more, not even that a transaction has taken too long."""
        while True:
            await asyncio.sleep(1)
            oldest = next(iter(self._pipeline.in_flight), None)
            if oldest and time.monotonic() - oldest.began > _LONGEST:
                raise Unavailable(f"The batch {oldest.batch.name} was not finished in {_LONGEST:.0f} s.")

    async def _name_lock_holders(self) -> None:
        """While a batch takes long, find out who holds a lock that it waits for: afterwards nobody can tell."""
        pause = min(1.0, self._budget.seconds / 5)
        while True:
            await asyncio.sleep(pause)
            oldest = next(iter(self._pipeline.in_flight), None)
            if oldest is None or time.monotonic() - oldest.began < pause:
                self._lock_holder = None
                continue
            holder = None
            with contextlib.suppress(asyncpg.PostgresError):  # without a connection the lease ends, which is reported
                async with self._lease_lock:
                    holder = await locks.sentence(self._lease_connection)
            if holder and holder != self._lock_holder:
                log.warning("batch %s: %s", oldest.batch.name, holder)
            self._lock_holder = holder or self._lock_holder

    async def _watch_outgoing_streams(self) -> None:
        """Count what the outgoing streams hold, and what they drop for their size."""
        while True:
            for room in (*self._rooms, *self._kept_rooms):
                await room.look()
            await asyncio.sleep(_LOOK)
