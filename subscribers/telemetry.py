"""Telemetry in: claim a partition, then batch by batch: decode, judge, ONE TRANSACTION, publish, acknowledge.

Two batches overlap. Each goes through the same steps in its own task, and takes three turns in the order of the
stream: to read the configs (and register what is new, so that neither waits for a row of the other), to commit, and
to publish. Whatever goes wrong, everything in hand is forgotten and the
work starts again from the position in the database.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import nats.errors
from nats.aio.client import Client

from missionops import database, ingest, streams
from missionops.acquaintance import Acquaintance
from missionops.batch import Batch
from missionops.errors import Lost, Unavailable, Unfit
from missionops.ingest import Origin, Outcome
from missionops.progress import Progress
from missionops.rulebook import Rulebook
from missionops.settings import Settings
from missionops.store import position, telemetry
from missionops.store.position import Claim, Place
from missionops.streams import ANOMALIES, DEADLETTERS, EVENTS
from publishers import anomalies, dead_letters
from publishers.fenced import FencedPublisher
from publishers.outbox import Outbox
from subscribers import resume, retention
from subscribers.pull import Pull

log = logging.getLogger(__name__)

PARTITION = 0
CONSUMER = f"missionops-{PARTITION}"

_IN_FLIGHT = 3  # two in transactions, one being published
_WRITERS = 2
_LONGEST = 60.0  # seconds that a transaction gets on a machine that cannot do one within the lease
_PAUSE_WEIGHT = 5_000  # some milliseconds of decoding
_INSISTENCE = 1.0
_CLAIM_TIME = 10.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Effort(NamedTuple):
    """How much a tenure puts into one transaction, and how long that may take."""

    weight: int
    seconds: float


class _Tasks(asyncio.TaskGroup):
    """Tasks that end together, those too that do not heed their first cancellation.

    nats-py swallows one while it waits for its flusher, asyncio.wait_for one that meets the result (before Python
    3.12), and a database that is cut off keeps a rollback waiting.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unfinished: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task of the group."""
        task = self.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finish)
        return task

    def end(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel these, again and again until they are done."""
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            asyncio.get_running_loop().call_later(_INSISTENCE, self.end, *left)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled() and task.exception():  # the group itself cancels the others, once
            asyncio.get_running_loop().call_later(_INSISTENCE, lambda: self.end(*self._unfinished))


class _Step:
    """One batch on its way, and the turns it gives to the next."""

    def __init__(self, batch: Batch, before: "_Step | None") -> None:
        self.batch = batch
        self.before = before
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


class Tenure:
    """The time for which we own a partition; it ends with the first fault."""

    def __init__(
        self, client: Client, claimed: tuple[Claim, Place], effort: Effort, settings: Settings, progress: Progress
    ) -> None:
        claim, place = claimed
        self._client = client
        self._effort = effort
        self._claim = claim
        self._place = place
        self._settings = settings
        self._progress = progress
        self._rulebook = Rulebook()
        self._acquaintance = Acquaintance()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._months: set[object] = set()
        self._writers: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._steward: Connection
        self._steward_lock = asyncio.Lock()
        self._anomalies = FencedPublisher(client, ANOMALIES, self._is_owner)
        self._dead_letters = FencedPublisher(client, DEADLETTERS, self._is_owner)
        events = FencedPublisher(client, EVENTS, self._is_owner)
        self._outbox = Outbox(client, settings.database_url, claim, events)
        self._pull = Pull(client, CONSUMER, settings.pull_bytes)

    async def run(self) -> None:
        """Handle telemetry until stopped; raises what ended it otherwise."""
        async with self._connections():
            try:
                async with _Tasks() as tasks:
                    tasks.start(self._work(tasks))
            finally:
                await self._pull.close()
            await position.release(self._steward, self._claim)

    async def _work(self, tasks: _Tasks) -> None:
        """All there is to do; a task itself, so that it can be cancelled more than once."""
        renewal = tasks.start(self._keep_lease())
        await self._resume()
        purge = tasks.start(self._purge())
        tasks.start(self._outbox.run())
        await self._carry_batches(tasks)
        self._outbox.stop()
        tasks.end(renewal, purge)

    def stop(self) -> None:
        """Finish what is in hand and take no more."""
        self._pull.stop()

    def lose(self, reason: str) -> None:
        """Give up what is in hand."""
        self._pull.lose(reason)

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[None]:
        """The steward's connection, which holds the lease and settles doubts, and those of the writers."""
        limit = f"{int(self._settings.lease * 1000)}"
        async with contextlib.AsyncExitStack() as stack:
            dsn = self._settings.database_url
            self._steward = await stack.enter_async_context(database.connected(dsn, statement_timeout=limit))
            for _ in range(_WRITERS):
                # A stopped owner's open transaction would hold its locks against whoever takes over.
                time = f"{int(self._effort.seconds * 1000)}"
                writer = await stack.enter_async_context(database.connected(dsn, transaction_timeout=time))
                self._writers.put_nowait(writer)
            yield

    async def _resume(self) -> None:
        """Take up where the last owner left: its unpublished anomalies first, then the stream after the position."""
        await streams.provision(self._client, self._settings)
        await self._dead_letters.resume(self._place.dead_letters_sequence)
        await self._anomalies.resume(self._place.anomalies_sequence)
        writer = await self._writers.get()
        self._place = await resume.publish_rest(writer, self._claim, self._place, self._anomalies)
        self._place = await resume.find_place(self._client, writer, self._claim, self._place)
        self._writers.put_nowait(writer)
        self._progress.move(self._place.sequence)
        self._progress.lost = self._place.lost
        await self._pull.start(self._place.sequence)
        self._progress.role, self._progress.trouble, self._progress.epoch = "owner", None, self._claim.epoch
        log.info("owner of partition %d, epoch %d, from sequence %d", *self._claim, self._place.sequence)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            # A connection that is dead may not know it: nobody would tell us that the lease is over.
            async with asyncio.timeout(self._settings.lease), self._steward_lock:
                await position.renew(self._steward, self._claim, self._settings.lease)

    async def _purge(self) -> None:
        # What progress says is committed and published; the place here may be on its way still.
        await retention.purge_handled(self._client, lambda: self._progress.sequence, self._settings)

    async def _is_owner(self) -> bool:
        async with self._steward_lock:
            return await position.is_current(self._steward, self._claim)

    async def _carry_batches(self, tasks: _Tasks) -> None:
        """Start a batch whenever there is a slot and something has arrived.

        Alone in the night a snapshot goes straight through; under load batches grow by themselves.
        """
        step: _Step | None = None
        after = self._place.sequence
        while True:
            await self._slots.acquire()
            if not await self._pull.wait():
                return
            batch = await self._collect(after)
            after = batch.sequence
            step = _Step(batch, step)
            tasks.start(self._carry(step))

    async def _collect(self, after: int) -> Batch:
        """Whatever has arrived, up to what one transaction may hold."""
        batch, pause = Batch(after), _PAUSE_WEIGHT
        while batch.weight < self._effort.weight and (delivery := self._pull.take()):
            batch.add(delivery)
            if batch.weight > pause:
                await asyncio.sleep(0)  # requests and heartbeats go on while a large batch is decoded
                pause = batch.weight + _PAUSE_WEIGHT
        await self._pull.ask_for_more()
        return batch

    async def _carry(self, step: _Step) -> None:
        """One batch, from the first turn to the acknowledgement."""
        if step.before:
            step.batch.drop(step.before.batch.entries)
        outcome = await self._transact(step)
        if outcome.refused:
            self._count(step.batch, outcome)
            # The batch after this one left out what this one was to store; as some was refused, it must think again.
            raise Lost(f"the database refused {outcome.refused} rows of the batch up to {step.batch.sequence}")
        step.committed.set()
        await step.turn("published")
        await self._publish(step.batch, outcome)
        step.published.set()
        step.finish()
        self._count(step.batch, outcome)
        self._slots.release()

    async def _transact(self, step: _Step) -> Outcome:
        writer = await self._writers.get()
        try:
            await self._ensure_months(writer, step.batch)
            async with writer.transaction():
                await step.turn("configs_read")
                in_force = await self._rulebook.read(writer, step.batch.spacecraft_ids)
                await self._acquaintance.note(writer, step.batch.entries.values())
                step.configs_read.set()
                origin = Origin(self._claim.partition, self._place.incarnation)
                outcome = await ingest.record(writer, step.batch, in_force, origin)
                await step.turn("committed")
                await self._move(writer, step.batch, outcome)
        finally:
            self._writers.put_nowait(writer)
        return outcome

    async def _ensure_months(self, writer: Connection, batch: Batch) -> None:
        """Outside the transaction: a month's partition, once made, is there for everyone."""
        missing = batch.months - self._months
        if missing:
            await telemetry.ensure_months(writer, missing)
            self._months |= missing

    async def _move(self, writer: Connection, batch: Batch, outcome: Outcome) -> None:
        """The last statement: dead letters are out, the position moves, and all of it only if we are still owner."""
        stream = self._place.stream_created or ""
        await self._dead_letters.publish(dead_letters.messages(outcome.letters, stream, self._client.max_payload))
        previous = self._place.sequence
        place = self._place._replace(
            sequence=batch.sequence,
            sequence_time=batch.time,
            dead_letters_sequence=self._dead_letters.sequence,
            lost=self._place.lost + batch.missing,
        )
        # Now, not afterwards: by then the batch before may be published, and say so in the place that is now.
        self._place = place
        await position.move(writer, self._claim, previous, place)

    async def _publish(self, batch: Batch, outcome: Outcome) -> None:
        await self._anomalies.publish(anomalies.messages(outcome.anomalies))
        self._place = self._place._replace(
            published_sequence=batch.sequence, anomalies_sequence=self._anomalies.sequence
        )
        if batch.last:
            await self._pull.acknowledge(batch.last)

    def _count(self, batch: Batch, outcome: Outcome) -> None:
        progress = self._progress
        progress.move(batch.sequence)
        progress.batches += 1
        progress.stored += outcome.stored
        progress.duplicates += outcome.duplicates
        progress.anomalies.update(outcome.severities)
        progress.dead_letters.update(letter.fault.code for letter in outcome.letters)
        if batch.missing:
            progress.lost += batch.missing
            log.error("LOST: the stream gave up %d messages before they were read", batch.missing)


class TelemetrySubscriber:
    """Tenure after tenure, until stopped."""

    def __init__(self, owner: str, settings: Settings, progress: Progress) -> None:
        self._owner = owner
        self._settings = settings
        self._progress = progress
        self._tenure: Tenure | None = None
        self._effort = Effort(settings.batch_parameters, settings.lease)
        self._stopping = asyncio.Event()

    async def run(self, client: Client) -> None:
        """Own the partition whenever it can be had; every fault ends a tenure and none ends this."""
        while not self._stopping.is_set():
            try:
                await self._own(client)
            except ExceptionGroup as group:
                self._note(_first(group))
            except Exception as error:  # noqa: BLE001 - whatever it is, telemetry waits in the stream for the next
                self._note(error)
            await self._pause()
        self._progress.role = "stopped"

    def stop(self) -> None:
        """Finish what is in hand, then end `run`."""
        self._stopping.set()
        if self._tenure:
            self._tenure.stop()

    def reconnected(self) -> None:
        """The connection to NATS was lost and is back: what was under way is in doubt."""
        if self._tenure:
            self._tenure.lose("the connection to NATS was lost for a while")

    async def _own(self, client: Client) -> None:
        dsn = self._settings.database_url
        async with asyncio.timeout(_CLAIM_TIME), database.connected(dsn, statement_timeout="5s") as connection:
            claimed = await position.claim(connection, PARTITION, self._owner, self._settings.lease)
        if claimed is None:
            self._progress.role, self._progress.trouble = "standby", None
            return
        self._tenure = Tenure(client, claimed, self._effort, self._settings, self._progress)
        if self._stopping.is_set():
            self._tenure.stop()
        batches = self._progress.batches
        try:
            await self._tenure.run()
        finally:
            self._tenure = None
            self._adapt(self._progress.batches > batches)

    def _adapt(self, has_moved: bool) -> None:  # noqa: FBT001 - the name says it
        """Try less at once, and for longer, after a tenure that finished nothing: it may not fit into the lease."""
        weight, seconds = self._effort
        self._effort = Effort(max(weight // 4, 1), min(2 * seconds, max(_LONGEST, self._settings.lease)))
        if has_moved:
            self._effort = Effort(self._settings.batch_parameters, self._settings.lease)

    def _note(self, error: BaseException) -> None:
        expected = isinstance(error, (Lost, Unavailable, Unfit, OSError, TimeoutError, nats.errors.Error))
        log.log(logging.WARNING if expected else logging.ERROR, "ingest starts again: %s", error,
                exc_info=None if expected else error)  # fmt: skip
        self._progress.role = "starting"
        if not isinstance(error, Lost):
            self._progress.trouble = str(error) or type(error).__name__

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.25):
                await self._stopping.wait()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The fault that a group of tasks ended with."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
