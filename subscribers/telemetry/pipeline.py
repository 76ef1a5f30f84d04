"""The pipeline: collect, decode, remove repeats, ONE TRANSACTION, publish, acknowledge; batch by batch.

Up to three batches are in flight, each in a task of its own. They take three turns in stream order: to read the configs
(and to register new spacecraft and parameters, so that no transaction waits for a row of another), to commit, and to
publish. The first fault ends the session: everything in flight is forgotten, and the next session starts from the
checkpoint in the database.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import date
from enum import Enum
from itertools import chain

from missionops.domain import timestamp
from missionops.errors import OwnershipLost
from missionops.ingest import record
from missionops.ingest.alarms.engine import AlarmEngine
from missionops.ingest.batch import ANOMALY_WEIGHT, Batch, RecentSnapshots
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.parameter_sets import ParameterSets
from missionops.ingest.record import RecordedBatch, StreamOrigin
from missionops.ingest.roll_up_worker import MarkedHours
from missionops.ingest.status import IngestStatus
from missionops.store import anomalies as stored_anomalies
from missionops.store import checkpoint, database, partitions, roll_ups, spacecraft
from missionops.store.checkpoint import Checkpoint, Lease
from missionops.store.database import Connection
from missionops.wire.decoder import Decoder
from publishers import anomalies, dead_letters
from publishers.exactly_once import ExactlyOncePublisher
from subscribers.telemetry.consumer import Consumer
from subscribers.telemetry.dead_letter_log import DeadLetterLog
from subscribers.telemetry.task_group import TaskGroup

log = logging.getLogger(__name__)

_IN_FLIGHT = 3  # two in transactions, one being published
_WRITERS = 2
_HOUR = 3_600_000_000_000  # nanoseconds
_PAUSE_WEIGHT = 5_000  # some milliseconds of decoding
_LONGEST = 60.0
"""Seconds that a transaction gets at most on a machine that cannot finish one within the lease."""
_SMALL_PART = 1 / 4
"""Of a batch's time: where it took less, one of twice the size is tried next."""


class BatchBudget:
    """How much goes into one transaction, and how long it may take: of a worker, in all its sessions.

    A batch may not fit into the lease. So after a session that has finished none, the next one takes a quarter at once,
    and gives it twice the time. From then on each batch that was as large as allowed, and took a small part of its
    time, allows for twice as much: otherwise one bad minute would slow down all that follows.
    """

    def __init__(self, weight: int, seconds: float) -> None:
        self.weight = self._full_weight = weight
        self.seconds = self._usual_seconds = seconds

    def shrink(self) -> None:
        """A session has ended without a finished batch."""
        self.weight = max(self.weight // 4, 1)
        self.seconds = min(2 * self.seconds, max(_LONGEST, self._usual_seconds))

    def restore_seconds(self) -> None:
        """A session has ended after it had finished batches."""
        self.seconds = self._usual_seconds

    def note_finished(self, weight: int, seconds: float) -> None:
        """A batch was finished within a time."""
        if weight >= self.weight and seconds < self.seconds * _SMALL_PART:
            self.weight = min(2 * self.weight, self._full_weight)


class Turn(Enum):
    """What a batch does only after the batch before it has done the same."""

    READ_CONFIGS = "read configs"
    COMMIT = "commit"
    PUBLISH = "publish"


class InFlightBatch:
    """A batch between its collection and its acknowledgement."""

    def __init__(self, batch: Batch, previous: "InFlightBatch | None") -> None:
        self.batch = batch
        self.began = time.monotonic()
        self._previous = previous
        self.done = {turn: asyncio.Event() for turn in Turn}

    async def wait_for(self, turn: Turn) -> None:
        """Wait until the batch before this one has taken its turn."""
        if self._previous:
            await self._previous.done[turn].wait()

    def finish(self, turn: Turn) -> None:
        """Let the batch after this one take its turn."""
        self.done[turn].set()
        if turn is Turn.PUBLISH:
            self._previous = None  # a chain of all batches would stay in memory


class Position:
    """The checkpoint as this session has moved it; batches in flight share it."""

    def __init__(self, lease: Lease, at: Checkpoint) -> None:
        self.lease = lease
        self.at = at


class Pipeline:
    """Handles the batches of one session, until its consumer stops."""

    def __init__(
        self,
        consumer: Consumer,
        position: Position,
        anomaly_publisher: ExactlyOncePublisher,
        dead_letter_publisher: ExactlyOncePublisher,
        *,
        budget: BatchBudget,
        max_payload: int,
        status: IngestStatus,
        dead_letter_log: DeadLetterLog,
        limits: LimitsCache,
        alarms: AlarmEngine,
    ) -> None:
        self._consumer = consumer
        self._position = position
        self._anomalies = anomaly_publisher
        self._dead_letters = dead_letter_publisher
        self._budget = budget
        self._max_payload = max_payload
        self._status = status
        self._dead_letter_log = dead_letter_log
        self._alarms = alarms
        self._database_url = ""
        self._writers: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._decoder = Decoder()
        self._recent = RecentSnapshots()
        self._ask_first = True
        """Whether the next batch probably holds repeats that only the database knows of: the last one did."""
        self._limits = limits
        self._parameter_sets = ParameterSets()
        self._anomaly_weights: dict[str, int] = {}
        """By spacecraft: the weight of the anomalies that its snapshots had lately, on average."""
        self._partitioned_days: set[date] = set()
        self._anomaly_days: set[date] = set()
        self._pruned_at = 0
        """When misdated anomalies were removed last, as the stream counts time."""
        self.in_flight: list[InFlightBatch] = []
        self.marked_hours = MarkedHours()

    @asynccontextmanager
    async def connected(self, database_url: str) -> AsyncIterator[None]:
        """The connections that write, for the time of a block."""
        self._database_url = database_url
        timeouts = {
            # The open transaction of an owner that was stopped would hold its locks against its successor.
            "transaction_timeout": f"{int(self._budget.seconds * 1000)}",
            # Ends sooner, and says more than a connection that ends.
            "lock_timeout": f"{int(self._budget.seconds * 800)}",
        }
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(_WRITERS):
                writer = await stack.enter_async_context(database.connected(database_url, **timeouts))
                self._writers.put_nowait(writer)
            yield

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[Connection]:
        """One of the connections that write, as soon as one is free."""
        connection = await self._writers.get()
        try:
            yield connection
        finally:
            self._writers.put_nowait(connection)

    async def run(self, tasks: TaskGroup) -> None:
        """Collect batches while messages come, and handle each in a task of its own.

        A batch is what has arrived while earlier batches were in flight: a single snapshot goes straight through, and
        under load batches grow by themselves.
        """
        previous: InFlightBatch | None = None
        after = self._position.at.sequence
        while True:
            await self._slots.acquire()
            if not await self._consumer.wait():
                return
            # Decode what has arrived, up to what one transaction may hold.
            batch, pause = Batch(after, self._decoder, self._anomaly_weights), _PAUSE_WEIGHT
            while batch.weight < self._budget.weight and (delivery := self._consumer.take()):
                for _ in chain(batch.add(delivery), (None,)):
                    if batch.weight > pause:
                        await asyncio.sleep(0)  # requests and heartbeats go on while a large batch is decoded
                        pause = batch.weight + _PAUSE_WEIGHT
            await self._consumer.ask_for_more()
            self._recent.remove_known(batch)
            after = batch.sequence
            previous = InFlightBatch(batch, previous)
            self.in_flight.append(previous)
            tasks.start(self._handle(previous))

    async def _handle(self, current: InFlightBatch) -> None:
        """Take one batch from its transaction to its acknowledgement."""
        batch = current.batch
        try:
            recorded = await self._transact(current)
        except Exception as error:
            error.add_note(f"batch {batch.name}")
            raise
        if recorded.refused:
            # A batch leaves out the snapshots that an earlier one is about to store. Where the database has refused
            # such a row, the later batch has to be read again: its own snapshot may be one that the database takes.
            self._recent.forget(recorded.refused)
            following = self.in_flight[self.in_flight.index(current) + 1 :]
            if any(not recorded.refused.isdisjoint(later.batch.removed) for later in following):
                self._count(current, recorded)
                raise OwnershipLost(f"the database refused rows of the batch {batch.name} that a later one repeats")
        current.finish(Turn.COMMIT)
        # Where the next batch is cut depends on how many anomalies a snapshot of each spacecraft has now.
        for spacecraft_id, judged in recorded.judged.items():
            if judged.anomalous:
                found = sum(map(len, judged.anomalous.values()))
                self._anomaly_weights[spacecraft_id] = found * ANOMALY_WEIGHT // len(judged.entries)
            else:
                self._anomaly_weights.pop(spacecraft_id, None)

        await current.wait_for(Turn.PUBLISH)
        if recorded.anomalies is None:
            # Too many to hold in memory: they are read back page by page.
            origin = self._position.lease.partition, self._position.at.stream_generation
            async with self.writer() as connection:
                async for page in stored_anomalies.pages(connection, *origin, batch.first - 1, batch.sequence):
                    await self._anomalies.publish(anomalies.messages(page))
        else:
            await self._anomalies.publish(anomalies.messages(recorded.anomalies))
        self._position.at = self._position.at._replace(
            published_sequence=batch.sequence, anomalies_sequence=self._anomalies.sequence
        )
        if batch.last:
            await self._consumer.acknowledge(batch.last)
        current.finish(Turn.PUBLISH)
        self.in_flight.remove(current)
        self._budget.note_finished(batch.weight, time.monotonic() - current.began)
        self._count(current, recorded)
        self._slots.release()

    async def _transact(self, current: InFlightBatch) -> RecordedBatch:
        """Store what is new, judge it, store its anomalies, and move the checkpoint: all of it or nothing."""
        batch = current.batch
        async with self.writer() as connection:
            if missing := batch.days - self._partitioned_days:
                # Outside the transaction: a partition, once made, is there for every batch.
                await partitions.ensure(connection, partitions.SNAPSHOT, missing)
                self._partitioned_days |= missing
            await current.wait_for(Turn.READ_CONFIGS)
            sets = await self._parameter_sets.prepare(connection, batch)  # outside the transaction, too
            async with contextlib.AsyncExitStack() as until_committed, connection.transaction():
                configs = await spacecraft.configs_in_force(connection, batch.last_received.keys())
                await sets.note(connection)
                if batch.time - self._pruned_at >= _HOUR:
                    before = timestamp.from_nanoseconds(batch.time - 25 * _HOUR)  # a status counts 24 hours of them
                    if await stored_anomalies.remove_misdated(connection, before):
                        self._pruned_at = batch.time
                current.finish(Turn.READ_CONFIGS)

                origin = StreamOrigin(self._position.lease.partition, self._position.at.stream_generation)
                recorded = await record.record(
                    connection,
                    batch,
                    configs,
                    self._limits,
                    origin,
                    sets=sets,
                    ask_first=self._ask_first,
                    ensure_partitions=self._ensure_anomaly_partitions,
                )
                self._ask_first = recorded.known > 0

                await current.wait_for(Turn.COMMIT)
                # What alarms are found in comes in order, and nothing is found meanwhile in what came late.
                await until_committed.enter_async_context(self._alarms.lock)
                await self._alarms.take(connection, recorded.judged, recorded.receptions)
                if unmarked := self.marked_hours.unmarked(recorded.hours, current.done[Turn.COMMIT]):
                    await roll_ups.mark(connection, unmarked)
                if batch.last_received:
                    await spacecraft.note_received(connection, recorded.receptions)
                await self._move_checkpoint(connection, batch, recorded)
        return recorded

    async def _ensure_anomaly_partitions(self, days: AbstractSet[date]) -> None:
        if missing := days - self._anomaly_days:
            # On a connection of its own: those that write may all be in transactions, which wait for each other.
            async with database.connected(self._database_url) as connection:
                await partitions.ensure(connection, partitions.ANOMALY, missing)
            self._anomaly_days |= missing

    async def _move_checkpoint(self, connection: Connection, batch: Batch, recorded: RecordedBatch) -> None:
        """Publish the dead letters, then move the checkpoint over their messages, if the partition is still ours."""
        before = self._position.at
        if recorded.letters:
            letters = dead_letters.messages(recorded.letters, before.stream_created or "", self._max_payload)
            await self._dead_letters.publish(letters)
        # Set before the statement and not after it: while it runs, the batch before may note that it was published.
        self._position.at = self._position.at._replace(
            sequence=batch.sequence,
            sequence_time=batch.time,
            dead_letters_sequence=self._dead_letters.resume_after,
            lost=before.lost + batch.missing,
        )
        await checkpoint.move(connection, self._position.lease, before.sequence, self._position.at)

    def _count(self, current: InFlightBatch, recorded: RecordedBatch) -> None:
        status, batch = self._status, current.batch
        status.move(batch.sequence)
        status.count_batch(
            messages=batch.messages,
            seconds=time.monotonic() - current.began,
            stored=recorded.stored,
            duplicates=recorded.duplicates,
            severities=recorded.severities,
            dead_letter_codes=Counter(letter.fault.code for letter in recorded.letters),
        )
        self._dead_letter_log.note(batch.name, recorded.letters)
        if batch.missing:
            status.count_lost(batch.missing)
            log.error("LOST: the stream gave up %d messages before they were read", batch.missing,
                      extra={"batch": batch.name})  # fmt: skip
