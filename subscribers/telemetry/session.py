"""One tenure: batch by batch, decode, judge, ONE TRANSACTION, publish, acknowledge.

Two batches overlap. Each goes through the same steps in its own task, and takes three turns in the order of the
stream: to read the configs (and register what is new, so that neither waits for a row of the other), to commit, and
to publish. Whatever goes wrong, everything in hand is forgotten and the work starts again from the position in the
database, in the next tenure.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import NamedTuple, TypeAlias

import asyncpg
from nats.aio.client import Client

from missionops.broker import streams
from missionops.broker.streams import ANOMALIES, DEADLETTERS, EVENTS
from missionops.errors import OwnershipLost, Unavailable
from missionops.ingest import record
from missionops.ingest.batch import ANOMALY_WEIGHT, Batch
from missionops.ingest.deduplication import RecentSnapshots
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.record import RecordedBatch, StreamOrigin
from missionops.ingest.reported_parameters import ReportedParameters
from missionops.ingest.status import IngestStatus
from missionops.settings import Settings
from missionops.store import anomalies as stored_anomalies
from missionops.store import checkpoint, database, locks, telemetry
from missionops.store.checkpoint import Checkpoint, Lease
from missionops.wire.decoder import Decoder
from publishers import anomalies, dead_letters
from publishers.events import EventPublisher
from publishers.exactly_once import ExactlyOncePublisher
from publishers.stream_room import Room, relieve
from subscribers.telemetry import recovery, stream_purge
from subscribers.telemetry.consumer import Consumer
from subscribers.telemetry.dead_letter_log import DeadLetterLog
from subscribers.telemetry.task_group import TaskGroup

log = logging.getLogger(__name__)

_IN_FLIGHT = 3  # two in transactions, one being published
_WRITERS = 2
_LONGEST = 150.0  # seconds: PostgreSQL ends a transaction after 60, and so it does the search for refused rows
_LOOK = 3.0
_PAGE = 8_000  # anomalies read back at once: each page looks at all that are left
_PAUSE_WEIGHT = 5_000  # some milliseconds of decoding

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class BatchBudget(NamedTuple):
    """How much a tenure puts into one transaction, and how long that may take."""

    weight: int
    seconds: float


class _InFlightBatch:
    """One batch on its way, and the turns it gives to the next."""

    def __init__(self, batch: Batch, before: "_InFlightBatch | None") -> None:
        self.batch = batch
        self.before = before
        self.began = time.monotonic()
        self.configs_read = asyncio.Event()
        self.committed = asyncio.Event()
        self.published = asyncio.Event()

    async def turn(self, name: str) -> None:
        """Wait until the batch before has done `name`."""
        if self.before:
            await getattr(self.before, name).wait()

    def finish(self) -> None:
        """Let go of the batch before, which let go of its own: a chain of all batches would stay in memory."""
        self.before = None


class Session:
    """The time for which we own a partition; it ends with the first fault.

    `steward` is the connection that holds the claim and settles doubts; it knows a deadline of its own.
    """

    def __init__(
        self,
        client: Client,
        steward: database.Connection,
        claimed: tuple[Lease, Checkpoint],
        *,
        effort: BatchBudget,
        settings: Settings,
        progress: IngestStatus,
        letters: DeadLetterLog,
    ) -> None:
        claim, place = claimed
        self._client = client
        self._effort = effort
        self._claim = claim
        self._place = place
        self._settings = settings
        self._progress = progress
        self._letters = letters
        self._in_hand: list[_InFlightBatch] = []
        self._limits = LimitsCache()
        self._expected: dict[str, int] = {}
        self._acquaintance = ReportedParameters()
        self._recent = RecentSnapshots()
        self._decoder = Decoder()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._days: set[date] = set()
        self._held: str | None = None
        self._writers: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._steward = steward
        self._steward_lock = asyncio.Lock()
        self._rooms = [Room(client, stream, progress.outgoing[stream]) for stream in (ANOMALIES, DEADLETTERS)]
        self._anomalies, self._dead_letters = (
            ExactlyOncePublisher(
                client,
                room.stream,
                self._is_owner,
                progress.count_publish_failure,
                settings.lease,
                room=room,
                relieve=self._relieve,
            )
            for room in self._rooms
        )
        # Of events nothing is purged: they are the second witness, from whom the service cannot take anything back.
        self._events_room = Room(client, EVENTS, progress.outgoing[EVENTS])
        events = ExactlyOncePublisher(client, EVENTS, self._is_owner, progress.count_publish_failure, settings.lease)
        self._outbox = EventPublisher(client, settings.database_url, claim, events, self._provide)
        self._pull = Consumer(client, f"missionops-{claim.partition}", settings.pull_bytes)

    async def run(self) -> None:
        """Handle telemetry until stopped; raises what ended it otherwise."""
        async with self._connections():
            try:
                async with TaskGroup() as tasks:
                    tasks.start(self._work(tasks))
            finally:
                await self._pull.close()
            await checkpoint.release(self._steward, self._claim)

    async def _work(self, tasks: TaskGroup) -> None:
        """All there is to do; a task itself, so that it can be cancelled more than once."""
        renewal = tasks.start(self._keep_lease())
        await self._resume()
        works = self._refuse_to_hang(), self._name_holders(), self._purge(), self._look()
        watches = [tasks.start(work) for work in works]
        tasks.start(self._outbox.run())
        await self._carry_batches(tasks)
        self._outbox.stop()
        tasks.end(renewal, *watches)

    @property
    def has_batches(self) -> bool:
        """Whether batches are in hand, begun and not finished."""
        return bool(self._in_hand)

    def stop(self) -> None:
        """Finish what is in hand and take no more."""
        self._pull.stop()

    def lose(self, reason: str) -> None:
        """Give up what is in hand."""
        self._pull.lose(reason)

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[None]:
        """Those of the writers."""
        # A stopped owner's open transaction would hold its locks against whoever takes over.
        limits = {
            "transaction_timeout": f"{int(self._effort.seconds * 1000)}",
            "lock_timeout": f"{int(self._effort.seconds * 800)}",  # says more than a connection that ends
        }
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(_WRITERS):
                connected = database.connected(self._settings.database_url, **limits)
                writer = await stack.enter_async_context(connected)
                self._writers.put_nowait(writer)
            yield

    async def _resume(self) -> None:
        """Take up where the last owner left: its unpublished anomalies first, then the stream after the position."""
        await self._provide()
        await self._dead_letters.resume(self._place.dead_letters_sequence)
        await self._anomalies.resume(self._place.anomalies_sequence)
        writer = await self._writers.get()
        self._place = await recovery.publish_rest(writer, self._claim, self._place, self._anomalies)
        self._place = await recovery.find_place(
            self._client, writer, self._claim, self._place, self._progress.stream_end
        )
        self._writers.put_nowait(writer)
        self._progress.move(self._place.sequence)
        self._progress.restore_lost(self._place.lost)
        await self._pull.start(self._place.sequence)
        self._begin(is_behind=await recovery.is_behind(self._client, self._place))

    def _begin(self, *, is_behind: bool) -> None:
        """We are owner. Said where it is news: a tenure may follow upon our own many times a second."""
        progress = self._progress
        follows_ours = 0 < progress.epoch == self._claim.epoch - 1
        is_news = not follows_ours or (progress.trouble and not is_behind)
        log.log(logging.INFO if is_news else logging.DEBUG, "owner of partition %d, epoch %d, from sequence %d",
                *self._claim, self._place.sequence,
                extra={"epoch": self._claim.epoch, "sequence": self._place.sequence})  # fmt: skip
        progress.role, progress.epoch = "owner", self._claim.epoch
        if not is_behind:
            progress.trouble = None  # else it is over when a batch is through

    async def _provide(self) -> None:
        """Streams that somebody deleted are there again."""
        await streams.provision(self._client, self._settings)

    async def _keep_lease(self) -> None:
        while True:
            # A connection that is dead may not know it: nobody would tell us that the lease is over.
            async with asyncio.timeout(self._settings.lease), self._steward_lock:
                await checkpoint.renew(self._steward, self._claim, self._settings.lease)
                self._progress.renew(self._settings.lease)
            await asyncio.sleep(self._settings.lease / 3)

    async def _refuse_to_hang(self) -> None:
        """A server that says nothing more, not even that the time is over, would be waited for for ever."""
        while True:
            await asyncio.sleep(1)
            if self._in_hand and time.monotonic() - self._in_hand[0].began > _LONGEST:
                raise Unavailable(f"The batch {self._in_hand[0].batch.name} was not finished in {_LONGEST:.0f} s.")

    async def _name_holders(self) -> None:
        """While a batch takes long, say who holds a lock that it waits for: once it is given up, nobody could tell."""
        pause = min(1.0, self._effort.seconds / 5)
        while True:
            await asyncio.sleep(pause)
            if not self._in_hand or time.monotonic() - self._in_hand[0].began < pause:
                self._held = None
                continue
            held = None
            with contextlib.suppress(asyncpg.PostgresError):  # if the connection is gone, the lease will tell
                async with self._steward_lock:
                    held = await locks.sentence(self._steward)
            if held and held != self._held:
                log.warning("batch %s: %s", self._in_hand[0].batch.name if self._in_hand else "", held)
            self._held = held or self._held

    async def _purge(self) -> None:
        # The status holds what is committed and published; the checkpoint here may be ahead of it.
        await stream_purge.purge_handled(self._client, self._progress, self._settings)

    async def _look(self) -> None:
        """See what the outgoing streams hold, and count what they drop for their size."""
        while True:
            for room in (*self._rooms, self._events_room):
                await room.look()
            await asyncio.sleep(_LOOK)

    async def _relieve(self, size: int) -> None:
        await relieve(self._rooms, size)

    async def _is_owner(self) -> bool:
        async with self._steward_lock:
            return await checkpoint.is_current(self._steward, self._claim)

    async def _carry_batches(self, tasks: TaskGroup) -> None:
        """Start a batch whenever there is a slot and something has arrived.

        Alone in the night a snapshot goes straight through; under load batches grow by themselves.
        """
        step: _InFlightBatch | None = None
        after = self._place.sequence
        while True:
            await self._slots.acquire()
            if not await self._pull.wait():
                return
            batch = await self._collect(after)
            self._recent.remove_known(batch)
            after = batch.sequence
            step = _InFlightBatch(batch, step)
            self._in_hand.append(step)
            tasks.start(self._carry(step))

    async def _collect(self, after: int) -> Batch:
        """Whatever has arrived, up to what one transaction may hold."""
        batch, pause = Batch(after, self._decoder, self._expected), _PAUSE_WEIGHT
        while batch.weight < self._effort.weight and (delivery := self._pull.take()):
            batch.add(delivery)
            if batch.weight > pause:
                await asyncio.sleep(0)  # requests and heartbeats go on while a large batch is decoded
                pause = batch.weight + _PAUSE_WEIGHT
        await self._pull.ask_for_more()
        return batch

    async def _carry(self, step: _InFlightBatch) -> None:
        """One batch, from the first turn to the acknowledgement."""
        try:
            outcome = await self._transact(step)
        except asyncpg.LockNotAvailableError as error:
            raise Unavailable(self._held or "The database waited too long for a lock.") from error
        except Exception as error:
            error.add_note(f"batch {step.batch.name}")
            raise
        if outcome.refused:
            self._count(step, outcome)
            # The batch after this one left out what this one was to store; as some was refused, it must think again.
            raise OwnershipLost(f"the database refused {outcome.refused} rows of the batch up to {step.batch.sequence}")
        step.committed.set()
        self._expect(outcome)
        await step.turn("published")
        await self._publish(step.batch, outcome)
        step.published.set()
        step.finish()
        self._in_hand.remove(step)
        self._count(step, outcome)
        self._slots.release()

    async def _transact(self, step: _InFlightBatch) -> RecordedBatch:
        writer = await self._writers.get()
        try:
            await self._ensure_partitions(writer, step.batch)
            async with writer.transaction():
                await step.turn("configs_read")
                versions = await self._limits.versions(writer, step.batch.heard.keys())
                await self._acquaintance.note(writer, step.batch)
                step.configs_read.set()
                origin = StreamOrigin(self._claim.partition, self._place.incarnation)
                outcome = await record.record(
                    writer, step.batch, versions, self._limits, origin, ask_first=self._recent.ask_first
                )
                self._recent.ask_first = outcome.known > 0
                await step.turn("committed")
                await self._move(writer, step.batch, outcome)
        finally:
            self._writers.put_nowait(writer)
        return outcome

    async def _ensure_partitions(self, writer: Connection, batch: Batch) -> None:
        """Outside the transaction: a partition, once made, is there for everyone."""
        missing = batch.days - self._days
        if missing:
            await telemetry.ensure_partitions(writer, missing)
            self._days |= missing

    async def _move(self, writer: Connection, batch: Batch, outcome: RecordedBatch) -> None:
        """The last statement: dead letters are out, the position moves, and all of it only if we are still owner."""
        stream = self._place.stream_created or ""
        await self._dead_letters.publish(dead_letters.messages(outcome.letters, stream, self._client.max_payload))
        previous = self._place.sequence
        place = self._place._replace(
            sequence=batch.sequence,
            sequence_time=batch.time,
            dead_letters_sequence=self._dead_letters.resume_after,
            lost=self._place.lost + batch.missing,
        )
        # Now, not afterwards: by then the batch before may be published, and say so in the place that is now.
        self._place = place
        await checkpoint.move(writer, self._claim, previous, place)

    async def _publish(self, batch: Batch, outcome: RecordedBatch) -> None:
        if outcome.anomalies is None:
            await self._publish_stored(batch)
        else:
            await self._anomalies.publish(anomalies.messages(outcome.anomalies))
        self._place = self._place._replace(
            published_sequence=batch.sequence, anomalies_sequence=self._anomalies.sequence
        )
        if batch.last:
            await self._pull.acknowledge(batch.last)

    async def _publish_stored(self, batch: Batch) -> None:
        """Publish the anomalies of a batch that has too many to hold: as after a crash, from the database."""
        writer = await self._writers.get()
        try:
            place = self._place.incarnation, batch.first - 1, batch.sequence
            async for page in stored_anomalies.between(writer, self._claim.partition, *place, _PAGE):
                await self._anomalies.publish(anomalies.messages(page))
        finally:
            self._writers.put_nowait(writer)

    def _expect(self, outcome: RecordedBatch) -> None:
        """Note how many anomalies a snapshot of each spacecraft has now: they count when the next batch is cut."""
        for spacecraft_id, (snapshots, found) in outcome.by_spacecraft.items():
            if found:
                self._expected[spacecraft_id] = found * ANOMALY_WEIGHT // snapshots
            else:
                self._expected.pop(spacecraft_id, None)

    def _count(self, step: _InFlightBatch, outcome: RecordedBatch) -> None:
        progress, batch = self._progress, step.batch
        progress.move(batch.sequence)
        progress.count_batch(
            messages=batch.messages,
            seconds=time.monotonic() - step.began,
            stored=outcome.stored,
            duplicates=outcome.duplicates,
            severities=outcome.severities,
            dead_letter_codes=Counter(letter.fault.code for letter in outcome.letters),
        )
        self._letters.note(batch.name, outcome.letters)
        if batch.missing:
            progress.count_lost(batch.missing)
            log.error("LOST: the stream gave up %d messages before they were read", batch.missing,
                      extra={"batch": batch.name})  # fmt: skip
