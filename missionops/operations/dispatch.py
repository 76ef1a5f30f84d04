"""Performs one request by its operation, over NATS as over HTTP: within its time, every error as a response."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import msgspec

from missionops.errors import Refused, Unavailable
from missionops.operations import request_parsing
from missionops.operations.operation import Context, Operation, Request, Response

log = logging.getLogger(__name__)

TIME = 4.5
"""Seconds: a response arrives within 5 s, the time on the network included."""


class ErrorResponse(msgspec.Struct):
    """The error that a caller gets."""

    status: int
    code: str
    message: str
    details: list[dict[str, str]] = []

    @property
    def body(self) -> bytes:
        """The JSON of the response, the same over NATS and HTTP."""
        error = {"code": self.code, "message": self.message, "details": self.details}
        return msgspec.json.encode({"error": error})


BUSY = ErrorResponse(503, "unavailable", "Too many requests are being handled; try again later.")


async def run(
    operation: Operation,
    context: Context,
    read: Callable[[], Request],
    room: AbstractAsyncContextManager[Any] | None = None,
    *,
    deadline: float | None = None,
) -> Response:
    """The response to the request that `read` decodes, within its time; it may wait for `room`.

    The request has TIME; or, if it arrived earlier, until `deadline` by the clock of the event loop. A caller whose
    token does not cover the request's spacecraft is refused. `failure` makes a response of every exception.
    """
    if deadline is None:
        deadline = asyncio.get_running_loop().time() + TIME
    async with asyncio.timeout_at(deadline), room or nullcontext():
        request = read()._replace(deadline=deadline, operation=operation.name)
        # Whether or not the spacecraft is registered. Where a request names other spacecraft, or none, the operation
        # checks them.
        if request.spacecraft_id and not request.caller.reaches(request.spacecraft_id):
            raise request_parsing.out_of_reach(request.caller, request.spacecraft_id)
        return await operation.perform(context, request)


def failure(operation: Operation, error: Exception) -> ErrorResponse:
    """The response to an error. One that is neither the caller's fault nor expected is logged."""
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, Unavailable):
        return ErrorResponse(error.status, error.code, str(error))
    if isinstance(error, TimeoutError):
        return ErrorResponse(503, "unavailable", "The response would take too long; request less, or try again later.")
    log.error("%s failed", operation.name, exc_info=error)
    return ErrorResponse(500, "internal", "The service failed; its log says why.")


async def dispatch(
    operation: Operation,
    context: Context,
    read: Callable[[], Request],
    room: AbstractAsyncContextManager[Any] | None = None,
    *,
    deadline: float | None = None,
) -> Response | ErrorResponse:
    """The response to the request that `read` decodes, or its error, as in `run`; never an exception."""
    try:
        return await run(operation, context, read, room, deadline=deadline)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a response
        return failure(operation, error)


def refusal(error: Refused) -> ErrorResponse:
    """The response to a refusal."""
    return ErrorResponse(error.status, error.code, str(error), [detail._asdict() for detail in error.details])
