"""Events on `events.<spacecraftId>`, out of the outbox: each once, in the order in which they were written.

A row leaves the outbox only after the stream has its event, and with it the end of the stream is written down. Whoever
takes over reads the stream from there and leaves out what it holds, so it does not matter where the last owner died.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import msgspec
import nats.errors
from nats.aio.client import Client

from missionops.domain import spacecraft
from missionops.domain.event import Event
from missionops.errors import OwnershipLost, Unavailable
from missionops.logs import RepeatFilter
from missionops.store import database, outbox
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection
from missionops.store.outbox import Waiting
from publishers.exactly_once import ExactlyOncePublisher, Message

log = logging.getLogger(__name__)

_POLL = 1.0
"""Seconds; a notification comes at once, unless a pooler or a lost connection keeps it."""
_PAUSE = 1.0
_PAGE = 1_000
_PAGE_BYTES = 2 << 20  # a page is one atomic batch of the stream
_RESERVED = 1_024  # of a message's greatest size, for headers

_encode = msgspec.json.Encoder().encode


class EventPublisher:
    """Publishes for as long as a claim lasts; its own faults end nothing but the attempt.

    `provide` makes the stream where it is gone, before each attempt.
    """

    def __init__(
        self,
        client: Client,
        dsn: str,
        claim: Lease,
        publisher: ExactlyOncePublisher,
        provide: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._dsn = dsn
        self._claim = claim
        self._publisher = publisher
        self._provide = provide
        self._repeats = RepeatFilter()
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._certain: int | None = None
        """Up to where the stream is certain to hold nothing that waits, while somebody else's messages were seen."""

    async def run(self) -> None:
        """Publish until stopped; Lost if somebody claimed the partition since."""
        while not await self._attempt():
            if self._is_stopping:
                return
            await asyncio.sleep(_PAUSE)

    def stop(self) -> None:
        """Publish what is there, then end `run`."""
        self._is_stopping = True
        self._woken.set()

    async def _attempt(self) -> bool:
        """Whether it went well until it was stopped."""
        try:
            await self._publish_until_stopped()
        except OwnershipLost:
            raise
        except (Unavailable, nats.errors.Error) as error:
            self._log(logging.WARNING, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, events wait in the outbox for the next attempt
            self._log(logging.WARNING if database.is_outage(error) else logging.ERROR, error)
        else:
            return True
        return False

    def _log(self, level: int, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if self._repeats.is_new(reason):
            log.log(level, "events wait in the outbox: %s", reason, exc_info=error if level > logging.WARNING else None)

    async def _publish_until_stopped(self) -> None:
        limits = {"statement_timeout": "5s", "transaction_timeout": "5s"}
        async with database.connected(self._dsn, **limits) as connection:
            await connection.add_listener(outbox.CHANNEL, lambda *_: self._woken.set())
            await self._provide()
            await self._publisher.resume(await outbox.mark(connection, self._claim))
            is_last = False
            while not is_last:
                is_last = self._is_stopping
                self._woken.clear()
                while page := await self._page(connection):
                    await self._publish(connection, page)
                self._certain = None
                if not is_last:
                    await self._wait(_POLL)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _page(self, connection: Connection) -> Sequence[Waiting]:
        page: list[Waiting] = []
        size = 0
        async with connection.transaction():
            async for row in outbox.waiting(connection, self._claim, _PAGE):
                size += len(row.event.metadata)
                page.append(row)
                if size > _PAGE_BYTES:
                    break
        return page

    async def _publish(self, connection: Connection, page: Sequence[Waiting]) -> None:
        before = self._publisher.sequence
        await self._publisher.publish(messages((row.event for row in page), self._client.max_payload - _RESERVED))
        if self._publisher.sequence > before + len(page):
            # Somebody else's messages lie between: perhaps an owner before us, woken up, with an event that waits in
            # a later page. Whoever takes over from us has to read them too: the mark waits until the outbox is empty.
            self._certain = before if self._certain is None else self._certain
        sequence = self._publisher.sequence if self._certain is None else self._certain
        await outbox.remove(connection, self._claim, [row.number for row in page], sequence)


def messages(events: Iterable[Event], room: int) -> Iterator[Message]:
    """Events as they are published: as they are listed; without metadata where the server would refuse them."""
    for event in events:
        body, headers = _encode(event), {}
        if len(body) > room:
            headers = {"Missionops-Truncated": str(len(body))}
            body = _encode(msgspec.structs.replace(event, metadata=msgspec.Raw(b"{}")))
        yield Message(f"events.{event.spacecraft_id or spacecraft.FLEET}", _id(event), body, headers)


def _id(event: Event) -> str:
    parts = event.id, event.spacecraft_id or "", event.timestamp.isoformat()
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
