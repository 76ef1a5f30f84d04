"""Publishes what waits in an outbox of the database: each message once, in the order in which it was written.

A row leaves the outbox only after the stream has its message. The same statement writes down after which sequence of
the stream messages of rows that still wait may be found. The next owner reads the stream after that sequence and skips
the messages that it holds, so the previous owner may stop at any moment.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

import nats.errors

from missionops.errors import OwnershipLost, Unavailable
from missionops.logs import RepeatFilter
from missionops.store import database
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection
from publishers.exactly_once import ExactlyOncePublisher, Message

log = logging.getLogger(__name__)

_POLL = 1.0
"""Seconds between two looks at the outbox. A notification wakes the publisher at once, unless a pooler or a lost
connection swallows it."""
_PAUSE = 1.0
"""Seconds before another attempt after a failure."""
PAGE = 1_000
PAGE_BYTES = 2 << 20  # so that a page fits into one atomic batch of the stream


class WaitingMessage(NamedTuple):
    """A message, and the row of the outbox that it is of."""

    number: int
    message: Message


class Outbox(Protocol):
    """An outbox: reading and removing are fenced by the lease, and raise OwnershipLost once another one has it."""

    name: str
    """What waits in it, for the log."""
    channel: str
    """On which PostgreSQL notifies that something was put into it."""

    async def resume_after(self, connection: Connection, lease: Lease) -> int:
        """After which sequence the stream may hold messages of rows that wait."""
        ...

    async def page(self, connection: Connection, lease: Lease, room: int) -> Sequence[WaitingMessage]:
        """The first rows that wait, in order, as messages of at most `room` bytes."""
        ...

    async def remove(self, connection: Connection, lease: Lease, numbers: Sequence[int], resume_after: int) -> None:
        """Note that these were published, and after which sequence messages of others may be found."""
        ...


class OutboxPublisher:
    """Publishes an outbox for as long as a lease lasts; after an error it logs the reason and tries again.

    `provide` creates the stream before each attempt where it does not exist.
    """

    def __init__(
        self,
        outbox: Outbox,
        dsn: str,
        lease: Lease,
        publisher: ExactlyOncePublisher,
        provide: Callable[[], Awaitable[None]],
        *,
        room: int,
    ) -> None:
        self._outbox = outbox
        self._dsn = dsn
        self._lease = lease
        self._publisher = publisher
        self._provide = provide
        self._room = room
        self._repeats = RepeatFilter()
        self._woken = asyncio.Event()
        self._is_stopping = False

    async def run(self) -> None:
        """Publish until stopped; OwnershipLost if another instance has claimed the partition."""
        limits = {"statement_timeout": "5s", "transaction_timeout": "5s"}
        while True:
            try:
                async with database.connected(self._dsn, **limits) as connection:
                    await connection.add_listener(self._outbox.channel, lambda *_: self._woken.set())
                    await self._provide()
                    await self._publisher.resume(await self._outbox.resume_after(connection, self._lease))
                    await self._publish_until_stopped(connection)
            except OwnershipLost:
                raise
            except (Unavailable, nats.errors.Error) as error:
                self._log(logging.WARNING, error)
            except Exception as error:  # noqa: BLE001 - after any error all stays in the outbox for another attempt
                self._log(logging.WARNING if database.is_outage(error) else logging.ERROR, error)
            else:
                return
            if self._is_stopping:
                return
            await asyncio.sleep(_PAUSE)

    def stop(self) -> None:
        """Publish what the outbox holds now, then end `run`."""
        self._is_stopping = True
        self._woken.set()

    def _log(self, level: int, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if self._repeats.is_new(reason):
            log.log(level, "%s wait in the outbox: %s", self._outbox.name, reason,
                    exc_info=error if level > logging.WARNING else None)  # fmt: skip

    async def _publish_until_stopped(self, connection: Connection) -> None:
        """Publish the outbox page by page whenever it has rows; when stopped, once more to the end."""
        is_last = False
        while not is_last:
            is_last = self._is_stopping
            self._woken.clear()
            while True:
                async with connection.transaction():
                    page = await self._outbox.page(connection, self._lease, self._room)
                if not page:
                    break
                await self._publisher.publish(waiting.message for waiting in page)
                # Not the end of the stream: a former owner may have published rows of later pages, which the next owner
                # has to find, too.
                numbers = [waiting.number for waiting in page]
                await self._outbox.remove(connection, self._lease, numbers, self._publisher.resume_after)
            self._publisher.forget_held()  # what the stream still holds is none of what waits
            if not is_last:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await self._woken.wait()
