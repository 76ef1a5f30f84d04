"""Requests over NATS: `missionops.<resource>.<verb>[.<spacecraftId>]`, each answered, whatever is in it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats import micro
from nats.micro.request import Request as MicroRequest
from nats.aio.client import Client

from missionops import __version__
from missionops.database import Database
from missionops.errors import InvalidRequest, Refused, Unavailable
from missionops.nats_guard import is_broken
from missionops.operations import OPERATIONS, Operation, Request, perform

log = logging.getLogger(__name__)

_AT_ONCE = 64
_TIME = 4.5  # an answer comes within 5 s


@asynccontextmanager
async def served(client: Client, database: Database) -> AsyncIterator[None]:
    """Answer requests for the time of a block, and list them under `$SRV`; at its end those under way are answered."""
    tasks: set[asyncio.Task[None]] = set()
    slots = asyncio.Semaphore(_AT_ONCE)
    service = await micro.add_service(
        client, name="missionops", version=__version__, queue_group="missionops", description="Spacecraft telemetry"
    )
    for operation in OPERATIONS:
        endpoint = _Endpoint(operation, database, tasks, slots)
        await service.add_endpoint(name=operation.name, subject=operation.subject, handler=endpoint.receive)
    try:
        yield
    finally:
        await service.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=_TIME)


class _Endpoint:
    """One operation; requests of one endpoint do not wait for one another."""

    def __init__(
        self, operation: Operation, database: Database, tasks: set[asyncio.Task[None]], slots: asyncio.Semaphore
    ) -> None:
        self._operation = operation
        self._database = database
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
            log.error("a request could not be answered", exc_info=task.exception())

    async def _answer(self, request: MicroRequest) -> None:
        try:
            async with asyncio.timeout(_TIME):
                body = await perform(self._operation, self._database, _asked(request))
        except Refused as error:
            await _refuse(request, error.status, error.code, error)
        except (Unavailable, TimeoutError) as error:
            late = Unavailable("The answer would take too long; try again later.")
            await _refuse(request, 503, "unavailable", error if isinstance(error, Unavailable) else late)
        except Exception:
            log.exception("%s failed", request.subject)
            await _refuse(request, 500, "internal", Refused("The service failed; its log says why."))
        else:
            await request.respond(body)


def _asked(request: MicroRequest) -> Request:
    headers = request.headers or {}
    if is_broken(headers):
        raise InvalidRequest("The headers cannot be read")
    lowered = {name.lower(): value for name, value in headers.items()}
    return Request(request.subject.rpartition(".")[2], request.data, lowered)


async def _refuse(request: MicroRequest, status: int, code: str, error: Exception) -> None:
    details = [detail._asdict() for detail in getattr(error, "details", ())]
    body = {"error": {"code": code, "message": str(error), "details": details}}
    await request.respond_error(str(status), str(error), json.dumps(body, ensure_ascii=False).encode())
