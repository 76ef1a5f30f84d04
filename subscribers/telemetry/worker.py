"""Telemetry in: claim the partition whenever it can be had, and handle it tenure after tenure.

The FastStream application starts and stops it, and has it in its list, but it is not one of FastStream's own
subscribers: those pull a batch only when the last one is handled, and after a takeover they handle what their
predecessor had begun after what is newer (tests/integration/test_faststream.py). This one lets batches overlap, and its
place in the stream is in the database. tests/benchmarks/baseline.py measures FastStream's way.
"""

import asyncio
import contextlib
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
from missionops.ingest.status import IngestStatus
from missionops.settings import Settings
from missionops.store import checkpoint, database
from missionops.store.checkpoint import Checkpoint, Lease, Owned, Sign
from missionops.store.database import Connection
from subscribers.telemetry.dead_letter_log import DeadLetterLog
from subscribers.telemetry.session import BatchBudget, Session

log = logging.getLogger(__name__)

PARTITION = 0

_LONGEST = 60.0  # seconds that a transaction gets on a machine that cannot do one within the lease
_CLAIM_TIME = 10.0
_STOP_TIME = 10.0
_LOOK = 1.0
"""Seconds after which a standby looks again, at the latest: an owner that dies tells nobody."""
_PAUSE = 0.25
_LONGEST_PAUSE = 2.0
_SAME = 30.0
"""Seconds for which a fault that is seen again is not logged again."""


class _NotInSchema:
    """What FastStream's own AsyncAPI asks of a subscriber; ours is http/asyncapi.py."""

    include_in_schema = False


class PartitionWorker:
    """Tenure after tenure, from its start until stopped."""

    specification = _NotInSchema()

    def __init__(self, client: Client, owner: str, settings: Settings, progress: IngestStatus) -> None:
        self._client = client
        self._owner = owner
        self._settings = settings
        self._progress = progress
        self._tenure: Session | None = None
        self._effort = BatchBudget(settings.batch_parameters, settings.lease)
        self._letters = DeadLetterLog()
        self._stopping = asyncio.Event()
        self._pause = _PAUSE
        self._said: dict[str, float] = {}
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; FastStream calls it once the broker is connected."""
        self._running = asyncio.create_task(self._run(), name="ingest")

    def request_stop(self) -> None:
        """Have what is in hand finished, and nothing begun any more."""
        self._stopping.set()
        if self._tenure:
            self._tenure.stop()

    async def stop(self) -> None:
        """Finish what is in hand, and end; FastStream calls it before the broker leaves."""
        self.request_stop()
        if not self._running:
            return
        await asyncio.wait([self._running], timeout=_STOP_TIME)
        if not self._running.done():
            log.warning("the batch in hand cannot be finished; it stays in the stream")
            self._running.cancel()
            await asyncio.wait([self._running], timeout=1)

    def get_log_context(self, _: object) -> dict[str, str]:
        """What FastStream shows of a subscriber."""
        return {"subject": "telemetry.>", "queue": "", "stream": streams.TELEMETRY, "message_id": ""}

    async def _run(self) -> None:
        """Own the partition whenever it can be had; every fault ends a tenure and none ends this."""
        while not self._stopping.is_set():
            batches = self._progress.batches
            try:
                await self._own()
            except ExceptionGroup as group:
                self._note(_first(group))
            except Exception as error:  # noqa: BLE001 - whatever it is, telemetry waits in the stream for the next
                self._note(error)
            await self._rest(has_moved=self._progress.batches > batches)
        self._progress.role = "stopped"

    def reconnected(self) -> None:
        """The connection to NATS was lost and is back: what was under way is in doubt."""
        if self._tenure:
            self._tenure.lose("the connection to NATS was lost for a while")

    async def _own(self) -> None:
        async with database.connected(self._settings.database_url, statement_timeout="5s") as steward:
            claimed = await self._claim(steward)
            if claimed:
                # The lease runs already: the connection that claimed goes on to renew.
                await self._hold(self._make_tenure(steward, claimed))

    def _make_tenure(self, steward: Connection, claimed: tuple[Lease, Checkpoint]) -> Session:
        return Session(
            self._client,
            steward,
            claimed,
            effort=self._effort,
            settings=self._settings,
            progress=self._progress,
            letters=self._letters,
        )

    async def _hold(self, tenure: Session) -> None:
        self._tenure = tenure
        if self._stopping.is_set():
            self._tenure.stop()
        tenure, batches = self._tenure, self._progress.batches
        try:
            await tenure.run()
        finally:
            self._tenure = None
            has_moved = self._progress.batches > batches
            if has_moved or tenure.has_batches:  # else it was no batch that ended it: NATS may have been away
                self._adapt(has_moved)

    async def _claim(self, connection: Connection) -> tuple[Lease, Checkpoint] | None:
        """Claim the partition as soon as it can be had; None if stopped before."""
        freed = asyncio.Event()
        await connection.add_listener(checkpoint.RELEASED, lambda *_: freed.set())
        watch = _OwnerWatch(self._settings.lease)
        while not self._stopping.is_set():
            freed.clear()
            async with asyncio.timeout(_CLAIM_TIME):
                owned = await checkpoint.look(connection, PARTITION)
                dead = watch.dead(owned, time.monotonic())
                claimed = await checkpoint.claim(connection, PARTITION, self._owner, self._settings.lease, dead)
            if claimed:
                return claimed
            self._stand_by()
            self._progress.watch(owned.sequence)
            await self._wait(freed, min(self._settings.lease / 3, _LOOK))
        return None

    def _stand_by(self) -> None:
        if self._progress.role != "standby":
            log.info("another instance is the owner: this one stands by")
        self._progress.role, self._progress.trouble = "standby", None
        for outgoing in self._progress.outgoing.values():
            outgoing.forget()

    async def _wait(self, freed: asyncio.Event, seconds: float) -> None:
        """Until the partition is free, or we are stopped, or for some time."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (freed, self._stopping)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waiting:
                wait.cancel()

    def _adapt(self, has_moved: bool) -> None:  # noqa: FBT001 - the name says it
        """Try less at once, and for longer, after a tenure that finished nothing: it may not fit into the lease."""
        weight, seconds = self._effort
        self._effort = BatchBudget(max(weight // 4, 1), min(2 * seconds, max(_LONGEST, self._settings.lease)))
        if has_moved:
            self._effort = BatchBudget(self._settings.batch_parameters, self._settings.lease)

    def _note(self, error: BaseException) -> None:
        self._progress.role = "starting"
        self._progress.interruptions += 1
        cause = _cause(error)
        if not isinstance(cause, OwnershipLost):
            self._progress.trouble = str(cause) or type(cause).__name__
        if self._is_news(f"{type(cause).__name__} {cause}"):
            is_expected = isinstance(cause, (MissionopsError, OSError, TimeoutError, nats.errors.Error))
            level = logging.WARNING if is_expected else logging.ERROR
            batch = getattr(error, "__notes__", None)
            text = f"{str(cause) or type(cause).__name__}{f' ({batch[0]})' if batch else ''}"
            log.log(level, "ingest starts again: %s", text, exc_info=None if is_expected else error,
                    extra={"batch": batch[0].rpartition(" ")[2]} if batch else None)  # fmt: skip

    def _is_news(self, text: str) -> bool:
        """Whether this was not said lately, whatever numbers are in it: a server may be away for an hour."""
        key, now = re.sub(r"[0-9]+", "#", text), time.monotonic()
        if now - self._said.get(key, -_SAME) < _SAME:
            return False
        self._said = {known: at for known, at in self._said.items() if now - at < _SAME} | {key: now}
        return True

    async def _rest(self, *, has_moved: bool) -> None:
        """A pause before the next tenure, longer each time; none while something is finished in each."""
        if has_moved:
            self._pause = _PAUSE
            return
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._stopping.wait()


class _OwnerWatch:
    """For how long an owner has given no sign, by our own clock: the database's may step, in either direction."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._sign: Sign | None = None
        self._since = 0.0

    def dead(self, owned: Owned, now: float) -> Sign | None:
        """The owner's last sign, if it has been the last for longer than its lease."""
        if owned.sign != self._sign:
            self._sign, self._since = owned.sign, now
        return self._sign if now - self._since > (owned.lease or self._lease) else None


class TelemetryRouter(NatsRouter):
    """Brings the subscriber into the broker's list; `NatsRouter.subscriber` makes FastStream's own kinds only."""

    def __init__(self, subscriber: PartitionWorker) -> None:
        super().__init__()
        self._subscriber = subscriber

    @property
    def subscribers(self) -> list[Any]:
        """What the broker starts, stops and shows."""
        return [self._subscriber]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The fault that a group of tasks ended with."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _cause(error: BaseException) -> BaseException:
    """What asyncpg hides behind its complaint that a transaction cannot be ended any more."""
    while isinstance(error, asyncpg.InterfaceError) and error.__context__ is not None:
        error = error.__context__
    return error
