"""Requests over NATS: `missionops.<resource>.<verb>[.<spacecraftId>]`, each answered, whatever is in it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats.errors
from nats import micro
from nats.aio.client import Client
from nats.micro.request import Request as MicroRequest

from missionops import __version__
from missionops.errors import InvalidRequest
from missionops.nats_guard import is_broken
from missionops.operations import asking, pages, performing
from missionops.operations.operation import Answer, Asked, Context, Operation
from missionops.operations.performing import Failure
from missionops.operations.table import OPERATIONS

log = logging.getLogger(__name__)

_AT_ONCE = 64
_MAX_BYTES = 900_000
_RESERVED = 4_096  # of a message's greatest size, for headers
_STOP_TIME = 5.0
_FLUSH_TIME = 1


@asynccontextmanager
async def served(client: Client, context: Context) -> AsyncIterator[None]:
    """Answer requests for the time of a block, and list them under `$SRV`; at its end those under way are answered."""
    tasks: set[asyncio.Task[None]] = set()
    slots = asyncio.Semaphore(_AT_ONCE)
    service = await micro.add_service(
        client, name="missionops", version=__version__, queue_group="missionops", description="Spacecraft telemetry"
    )
    for operation in OPERATIONS:
        endpoint = _Endpoint(operation, context, client.max_payload - _RESERVED, tasks, slots)
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
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_TIME)


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

    def __init__(
        self,
        operation: Operation,
        context: Context,
        max_reply: int,
        tasks: set[asyncio.Task[None]],
        slots: asyncio.Semaphore,
    ) -> None:
        self._operation = operation
        self._context = context
        self._max_reply = max_reply
        self._tasks = tasks
        self._slots = slots

    async def receive(self, request: MicroRequest) -> None:
        """Begin to answer; waits only while too many are being answered."""
        await self._slots.acquire()
        task = asyncio.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception():
            log.warning("an answer could not be sent", exc_info=task.exception())

    async def _answer(self, request: MicroRequest) -> None:
        reply = await performing.perform(self._operation, self._context, lambda: self._asked(request))
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
            asking.spacecraft_id(spacecraft_id) if spacecraft_id else "",
            asking.from_body(request.data, self._operation.request) if self._operation.request else request.data,
            asking.source(headers),
            min(_MAX_BYTES, self._max_reply),
        )


def _header(message: str) -> str:
    """A message as one line of printable ASCII, as a header needs it."""
    printable = "".join(character if character.isprintable() else " " for character in message)
    return printable.encode("ascii", "backslashreplace")[:512].decode()
