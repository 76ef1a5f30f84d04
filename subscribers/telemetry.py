"""Telemetry in: claim the partition whenever it can be had, and handle it tenure after tenure."""

import asyncio
import contextlib
import logging

import nats.errors
from nats.aio.client import Client

from missionops import database
from missionops.errors import Lost, Unavailable, Unfit
from missionops.progress import Progress
from missionops.settings import Settings
from missionops.store import position
from subscribers.tenure import Effort, Tenure

log = logging.getLogger(__name__)

PARTITION = 0

_LONGEST = 60.0  # seconds that a transaction gets on a machine that cannot do one within the lease
_CLAIM_TIME = 10.0


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
