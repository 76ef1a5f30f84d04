"""Publishes the events in the outbox on `events.<spacecraftId>`: each once, in the order in which they were written.

A row is deleted from the outbox only after the stream has its event. The same transaction writes down after which
sequence of the stream events of rows that still wait may be found (the mark). The next owner reads the stream from the
mark and skips the events that it holds, so the previous owner may stop at any moment.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator

import msgspec
import nats.errors
from nats.aio.client import Client

from missionops.domain import spacecraft
from missionops.domain.dead_letter import TRUNCATED
from missionops.domain.event import Event
from missionops.errors import OwnershipLost, Unavailable
from missionops.logs import RepeatFilter
from missionops.store import database, outbox
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection
from publishers.exactly_once import ExactlyOncePublisher, Message

log = logging.getLogger(__name__)

_POLL = 1.0
"""Seconds between two looks at the outbox. A notification wakes the publisher at once, unless a pooler or a lost
connection swallows it."""
_PAUSE = 1.0
"""Seconds before another attempt after a failure."""
_PAGE = 1_000
_PAGE_BYTES = 2 << 20  # so that a page fits into one atomic batch of the stream
_RESERVED = 1_024  # bytes of a message that are left for its headers

_encode = msgspec.json.Encoder().encode


class EventPublisher:
    """Publishes events for as long as a lease lasts; after an error it logs the reason and tries again.

    `provide` creates the stream before each attempt where it does not exist.
    """

    def __init__(
        self,
        client: Client,
        dsn: str,
        lease: Lease,
        publisher: ExactlyOncePublisher,
        provide: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._dsn = dsn
        self._lease = lease
        self._publisher = publisher
        self._provide = provide
        self._repeats = RepeatFilter()
        self._woken = asyncio.Event()
        self._is_stopping = False

    async def run(self) -> None:
        """Publish until stopped; OwnershipLost if another instance has claimed the partition."""
        limits = {"statement_timeout": "5s", "transaction_timeout": "5s"}
        while True:
            try:
                async with database.connected(self._dsn, **limits) as connection:
                    await connection.add_listener(outbox.CHANNEL, lambda *_: self._woken.set())
                    await self._provide()
                    await self._publisher.resume(await outbox.mark(connection, self._lease))
                    await self._publish_until_stopped(connection)
            except OwnershipLost:
                raise
            except (Unavailable, nats.errors.Error) as error:
                self._log(logging.WARNING, error)
            except Exception as error:  # noqa: BLE001 - after any error the events stay in the outbox for another attempt
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
            log.log(level, "events wait in the outbox: %s", reason, exc_info=error if level > logging.WARNING else None)

    async def _publish_until_stopped(self, connection: Connection) -> None:
        """Publish the outbox page by page whenever it has rows; when stopped, once more to the end."""
        room = self._client.max_payload - _RESERVED
        is_last = False
        while not is_last:
            is_last = self._is_stopping
            self._woken.clear()
            while True:
                async with connection.transaction():
                    page = [row async for row in outbox.waiting(connection, self._lease, _PAGE, _PAGE_BYTES)]
                if not page:
                    break
                await self._publisher.publish(messages((row.event for row in page), room))
                # Not the end of the stream: a former owner may have published rows of later pages, which the next owner
                # has to find, too.
                numbers = [row.number for row in page]
                await outbox.remove(connection, self._lease, numbers, self._publisher.resume_after)
            self._publisher.forget_held()  # what the stream still holds is none of what waits
            if not is_last:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await self._woken.wait()


def messages(events: Iterable[Event], room: int) -> Iterator[Message]:
    """Events as messages, as lists show them; the metadata is left out where the server would refuse the message."""
    for event in events:
        body, headers = _encode(event), {}
        if len(body) > room:
            headers = {TRUNCATED: str(len(body))}
            body = _encode(msgspec.structs.replace(event, metadata=msgspec.Raw(b"{}")))
        key = event.id, event.spacecraft_id or "", event.timestamp.isoformat()
        message_id = hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
        yield Message(f"events.{event.spacecraft_id or spacecraft.FLEET}", message_id, body, headers)
