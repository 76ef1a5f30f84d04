"""Requests over NATS: `missionops.<resource>.<verb>[.<spacecraftId>]`, each answered, whatever is in it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import msgspec
import nats.errors
from nats import micro
from nats.aio.client import Client
from nats.micro.request import Request as MicroRequest

from missionops import __version__, nats_identity
from missionops.errors import InvalidRequest
from missionops.nats_guard import is_broken
from missionops.operations import asking, pages, performing
from missionops.operations.operation import Answer, Asked, Context, Operation
from missionops.operations.performing import Failure
from missionops.operations.table import OPERATIONS

log = logging.getLogger(__name__)

_AT_ONCE = 64
_HELD = 64 << 20
"""Bytes of requests that wait or are being answered; whoever comes when it is full hears so at once."""
_EACH = 4_096  # what a request takes in memory, beside its body
_MAX_BYTES = 900_000
_RESERVED = 4_096  # of a message's greatest size, for headers
_STOP_TIME = 5.0
_FLUSH_TIME = 1
_EVERY = 10.0
"""Seconds between two warnings of what has no reply subject."""


@asynccontextmanager
async def served(client: Client, context: Context) -> AsyncIterator[None]:
    """Answer requests for the time of a block, and list them under `$SRV`; at its end those under way are answered."""
    desk = _Desk()
    service = await micro.add_service(
        client, name="missionops", version=__version__, queue_group="missionops", description="Spacecraft telemetry"
    )
    for operation in OPERATIONS:
        endpoint = _Endpoint(operation, context, client.max_payload - _RESERVED, desk)
        await service.add_endpoint(
            name=operation.name.replace(".", "-"),
            subject=operation.subject,
            handler=endpoint.receive,
            metadata=_schemas(operation),
        )
    try:
        yield
    finally:
        with contextlib.suppress(nats.errors.Error):  # NATS is away or silent: nobody would hear that we leave
            await client.flush(_FLUSH_TIME)
            await service.stop()
        await desk.finish()


class _Desk:
    """All requests that wait or are being answered; so many at once that none waits for a slow one of another kind."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._held = 0
        self._passed_over = 0
        self._said = -_EVERY

    def has_room_for(self, body: bytes) -> bool:
        """Whether one more may wait here."""
        return self._held + len(body) + _EACH <= _HELD

    def pass_over(self, operation: Operation) -> None:
        """Say, and not too often, that something came without a reply subject and nothing was done."""
        self._passed_over += 1
        now = time.monotonic()
        if now - self._said < _EVERY:
            return
        log.warning("not acted on, as there is no reply subject: %d messages, the last on missionops.%s",
                    self._passed_over, operation.name)  # fmt: skip
        self._passed_over, self._said = 0, now

    def take(self, answering: Coroutine[None, None, None], body: bytes) -> None:
        """Begin to answer."""
        task = asyncio.create_task(answering)
        self._tasks[task] = len(body) + _EACH
        self._held += self._tasks[task]
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._held -= self._tasks.pop(task)
        if not task.cancelled() and task.exception():
            log.warning("an answer could not be sent", exc_info=task.exception())

    async def finish(self) -> None:
        """Wait for the answers under way, for a while."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_TIME)


def _schemas(operation: Operation) -> dict[str, str]:
    """What `nats service info` shows: the request and the reply as JSON Schema."""
    request = operation.request or dict
    return {
        "summary": operation.summary,
        "request": msgspec.json.encode(msgspec.json.schema(request)).decode(),
        "reply": msgspec.json.encode(msgspec.json.schema(operation.reply)).decode(),
    }


class _Endpoint:
    """One operation; requests of one endpoint do not wait for one another."""

    def __init__(self, operation: Operation, context: Context, max_reply: int, desk: _Desk) -> None:
        self._operation = operation
        self._context = context
        self._max_reply = max_reply
        self._desk = desk

    async def receive(self, request: MicroRequest) -> None:
        """Begin to answer; it never waits, so that what cannot be answered in time is at least refused in time.

        What has no reply subject is no request: so come an acknowledgement of a stream and an answer of the JetStream
        API when somebody names a subject of ours as the reply subject.
        """
        if not request._msg.reply:  # noqa: SLF001 - nats.micro does not show it
            self._desk.pass_over(self._operation)
        elif self._desk.has_room_for(request.data):
            self._desk.take(self._answer(request), request.data)
        else:
            await self._send(request, performing.BUSY)

    async def _answer(self, request: MicroRequest) -> None:
        reply = await performing.perform(self._operation, self._context, lambda: self._asked(request), self._desk.room)
        await self._send(request, reply)

    async def _send(self, request: MicroRequest, reply: Answer | Failure) -> None:
        if isinstance(reply, Answer) and len(reply.body) > self._max_reply:
            message = f"One item of the answer has {len(reply.body)} bytes, more than NATS carries: ask over HTTP."
            reply = Failure(413, "too_large", message)
        if isinstance(reply, Failure):
            await request.respond_error(str(reply.status), _header(reply.message), reply.body)
        else:
            headers = {pages.CURSOR_HEADER: reply.cursor} if reply.cursor else None
            await request.respond(reply.body, headers)

    def _asked(self, request: MicroRequest) -> Asked:
        headers = request.headers or {}
        if is_broken(headers):
            raise InvalidRequest("The headers cannot be read")
        spacecraft_id = request.subject.rpartition(".")[2] if self._operation.about_spacecraft else ""
        return Asked(
            asking.spacecraft_id(spacecraft_id, or_fleet=self._operation.about_fleet) if spacecraft_id else "",
            asking.from_body(request.data, self._operation.request) if self._operation.request else request.data,
            asking.source(headers),
            min(_MAX_BYTES, self._max_reply),
            nats_identity.caller(request._msg.reply, headers),  # noqa: SLF001 - likewise
        )


def _header(message: str) -> str:
    """A message as one line of printable ASCII, as a header needs it."""
    printable = "".join(character if character.isprintable() else " " for character in message)
    return printable.encode("ascii", "backslashreplace")[:512].decode()
