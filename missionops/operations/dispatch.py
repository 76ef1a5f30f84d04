"""One request through one operation, whichever way it came in: bounded in time, every fault in our own words."""

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
"""Seconds; an answer comes within 5 s, its way included."""


class ErrorResponse(msgspec.Struct):
    """What a caller is told instead of an answer."""

    status: int
    code: str
    message: str
    details: list[dict[str, str]] = []

    @property
    def body(self) -> bytes:
        """As every error looks on the wire."""
        error = {"code": self.code, "message": self.message, "details": self.details}
        return msgspec.json.encode({"error": error})


BUSY = ErrorResponse(503, "unavailable", "Too many requests are being answered; try again later.")


async def run(
    operation: Operation,
    context: Context,
    read: Callable[[], Request],
    room: AbstractAsyncContextManager[Any] | None = None,
    *,
    deadline: float | None = None,
) -> Response:
    """The answer to what `read` decodes, in time; else the error that `failure` explains. It may wait for `room`.

    It has TIME, or if it came before it was asked for, until `deadline` by the clock of the loop.
    """
    if deadline is None:
        deadline = asyncio.get_running_loop().time() + TIME
    async with asyncio.timeout_at(deadline), room or nullcontext():
        asked = read()._replace(deadline=deadline)
        _check_reach(operation, asked)
        return await operation.perform(context, asked)


def failure(operation: Operation, error: Exception) -> ErrorResponse:
    """What a caller is told of an error; what is no fault of theirs, and not expected, is logged."""
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, Unavailable):
        return ErrorResponse(error.status, error.code, str(error))
    if isinstance(error, TimeoutError):
        return ErrorResponse(503, "unavailable", "The answer would take too long; ask for less, or try again later.")
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
    """The answer to what `read` decodes, or why there is none, as in `run`; never an exception."""
    try:
        return await run(operation, context, read, room, deadline=deadline)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
        return failure(operation, error)


def _check_reach(operation: Operation, asked: Request) -> None:
    """Refuse what is about a spacecraft that whoever asks is not limited to, whether or not there is such a one.

    Where a request holds other spacecraft, or none, the operation itself looks at them.
    """
    if operation.about_spacecraft and not asked.caller.reaches(asked.spacecraft_id):
        raise request_parsing.out_of_reach(asked.caller, asked.spacecraft_id)


def refusal(error: Refused) -> ErrorResponse:
    """A refusal as the caller is told it."""
    return ErrorResponse(error.status, error.code, str(error), [detail._asdict() for detail in error.details])
