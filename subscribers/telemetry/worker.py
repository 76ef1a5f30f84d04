"""The worker of a partition: claim it when it is free, and handle its telemetry in one session after another.

The FastStream application starts and stops it and lists it, but it is none of FastStream's own subscribers: those pull
a batch only when the last one is handled, and after a takeover they handle what their predecessor had begun after what
is newer (tests/integration/broker/test_faststream.py). In this one batches overlap, and its position in the stream is
in the database. tests/benchmarks/baseline.py measures FastStream's way.
"""

import asyncio
import contextlib
import gc
import logging
import re
import time
from typing import Any

import asyncpg
import nats.errors
from faststream.nats import NatsRouter
from nats.aio.client import Client

from missionops.broker import streams
from missionops.errors import MissionopsError, OwnershipLost
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.status import IngestStatus
from missionops.logs import RepeatFilter
from missionops.settings import Settings
from missionops.store import checkpoint, database
from missionops.store.checkpoint import Checkpoint, Lease, Owned, Sign
from missionops.store.database import Connection
from subscribers.telemetry.dead_letter_log import DeadLetterLog
from subscribers.telemetry.pipeline import BatchBudget
from subscribers.telemetry.session import Session

log = logging.getLogger(__name__)

PARTITION = 0

_CLAIM_TIME = 10.0
_STOP_TIME = 4.5
"""Seconds from the request to stop in which the batches in flight may be finished."""
_LOOK = 1.0
"""Seconds after which a standby looks again, at the latest: an owner that dies notifies nobody."""
_PAUSE = 0.25
_LONGEST_PAUSE = 2.0
_SAME = 30.0
"""Seconds for which a fault that occurs again is not logged again."""


class _NotInSchema:
    """What FastStream's own AsyncAPI asks of a subscriber; ours is missionops/http/docs/asyncapi.py."""

    include_in_schema = False


class PartitionWorker:
    """Session after session, from its start until it is stopped."""

    specification = _NotInSchema()

    def __init__(
        self, client: Client, owner: str, settings: Settings, status: IngestStatus, limits: LimitsCache
    ) -> None:
        self._client = client
        self._owner = owner
        self._settings = settings
        self._status = status
        self._limits = limits
        self._session: Session | None = None
        self._budget = BatchBudget(settings.batch_parameters, settings.lease)
        self._dead_letter_log = DeadLetterLog()
        self._stopping = asyncio.Event()
        self._stop_by = 0.0
        self._pause = _PAUSE
        self._repeats = RepeatFilter(_SAME)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; FastStream calls it once the broker is connected."""
        self._running = asyncio.create_task(self._run(), name="ingest")

    def request_stop(self) -> None:
        """Finish the batches in flight and begin nothing more."""
        if not self._stopping.is_set():
            self._stop_by = time.monotonic() + _STOP_TIME
        self._stopping.set()
        if self._session:
            self._session.stop()

    async def stop(self) -> None:
        """Finish the batches in flight and end; FastStream calls it before the broker disconnects."""
        self.request_stop()
        if not self._running:
            return
        await asyncio.wait([self._running], timeout=max(0.0, self._stop_by - time.monotonic()))
        if not self._running.done():
            log.warning("the batches in flight cannot be finished; they stay in the stream")
            self._running.cancel()
            await asyncio.wait([self._running], timeout=0.5)

    def get_log_context(self, _: object) -> dict[str, str]:
        """What FastStream shows of a subscriber."""
        return {"subject": "telemetry.>", "queue": "", "stream": streams.TELEMETRY, "message_id": ""}

    def reconnected(self) -> None:
        """End the session: the connection to NATS was lost and is back, so what was sent meanwhile is in doubt."""
        if self._session:
            self._session.lose("the connection to NATS was lost for a while")

    async def _run(self) -> None:
        """Own the partition whenever it is free; every fault ends a session and none ends the worker."""
        while not self._stopping.is_set():
            batches = self._status.batches
            try:
                async with database.connected(self._settings.database_url, statement_timeout="5s") as connection:
                    if claimed := await self._claim(connection):
                        # The lease runs already: the connection that claimed it renews it.
                        await self._run_session(connection, *claimed)
            except ExceptionGroup as group:
                self._report(_first(group))
            except Exception as error:  # noqa: BLE001 - whatever it is, telemetry waits in the stream
                self._report(error)
            if self._stopping.is_set():
                break
            # The tasks, tracebacks and parameter sets of a session hold each other, and tens of megabytes with them:
            # without this, sessions that follow upon each other add up until the next full collection.
            gc.collect()
            # A pause before the next session, longer each time; none while each session finishes something.
            if self._status.batches > batches:
                self._pause = _PAUSE
                continue
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._stopping.wait()
        self._status.role = "stopped"

    async def _claim(self, connection: Connection) -> tuple[Lease, Checkpoint] | None:
        """Claim the partition as soon as it is free; None if stopped before."""
        freed = asyncio.Event()
        await connection.add_listener(checkpoint.RELEASED, lambda *_: freed.set())
        watch = _LeaseWatch(self._settings.lease)
        while not self._stopping.is_set():
            freed.clear()
            async with asyncio.timeout(_CLAIM_TIME):
                owned = await checkpoint.look(connection, PARTITION)
                expired = watch.expired(owned, time.monotonic())
                claimed = await checkpoint.claim(connection, PARTITION, self._owner, self._settings.lease, expired)
            if claimed:
                return claimed
            if self._status.role != "standby":
                log.info("another instance is the owner: this one stands by")
            self._status.role, self._status.trouble = "standby", None
            for outgoing in self._status.outgoing.values():
                outgoing.forget()
            self._status.watch(owned.sequence)
            waiting = [asyncio.ensure_future(event.wait()) for event in (freed, self._stopping)]
            seconds = min(self._settings.lease / 3, _LOOK)
            try:
                await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waiting:
                    wait.cancel()
        return None

    async def _run_session(self, connection: Connection, lease: Lease, start: Checkpoint) -> None:
        self._session = session = Session(
            self._client,
            connection,
            lease,
            start,
            budget=self._budget,
            settings=self._settings,
            status=self._status,
            dead_letter_log=self._dead_letter_log,
            limits=self._limits,
        )
        if self._stopping.is_set():
            session.stop()
        batches = self._status.batches
        try:
            await session.run()
        finally:
            self._session = None
            if self._status.batches > batches:
                self._budget.restore_seconds()
            elif session.has_batches:  # otherwise no batch ended it: NATS may have been away
                self._budget.shrink()

    def _report(self, error: BaseException) -> None:
        """Show why the session has ended, in health and in the log; a fault that repeats is logged now and then."""
        self._status.role = "starting"
        self._status.count_interruption()
        cause = error
        while isinstance(cause, (asyncpg.InterfaceError, asyncpg.InternalClientError)) and cause.__context__:
            cause = cause.__context__  # asyncpg complains that a transaction cannot be ended, and hides why
        reason = str(cause) or type(cause).__name__
        if not isinstance(cause, OwnershipLost):
            self._status.trouble = reason
        # Each attempt to reach a server that is away may have other numbers in its message.
        if not self._repeats.is_new(re.sub(r"[0-9]+", "#", f"{type(cause).__name__} {cause}")):
            return
        is_expected = isinstance(cause, (MissionopsError, nats.errors.Error)) or database.is_outage(cause)
        batch = next(iter(getattr(error, "__notes__", ())), "")
        log.log(logging.WARNING if is_expected else logging.ERROR, "ingest starts again: %s%s",
                reason, f" ({batch})" if batch else "", exc_info=None if is_expected else error,
                extra={"batch": batch.rpartition(" ")[2]} if batch else None)  # fmt: skip


class _LeaseWatch:
    """How long an owner has given no sign, by our own clock: the database's clock may step in either direction."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._sign: Sign | None = None
        self._since = 0.0

    def expired(self, owned: Owned, now: float) -> Sign | None:
        """The owner's last sign, if it has been the last for longer than its lease."""
        if owned.sign != self._sign:
            self._sign, self._since = owned.sign, now
        return self._sign if now - self._since > (owned.lease or self._lease) else None


class TelemetryRouter(NatsRouter):
    """Brings the worker into the broker's list; `NatsRouter.subscriber` makes FastStream's own kinds only."""

    def __init__(self, worker: PartitionWorker) -> None:
        super().__init__()
        self._worker = worker

    @property
    def subscribers(self) -> list[Any]:
        """What the broker starts, stops and shows."""
        return [self._worker]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first fault of a group of tasks."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
