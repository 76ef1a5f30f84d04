"""FastStream middlewares of requests over NATS, the outermost first.

FastStream replies nothing for a handler that raises, and its own logging is off. So these log in our own format, count,
turn every error into the reply of the contract, and refuse what would take too much memory.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from faststream import BaseMiddleware
from faststream.message import StreamMessage
from faststream.nats import NatsMessage, NatsResponse
from nats.aio.msg import Msg
from nats.micro.request import ERROR_CODE_HEADER, ERROR_HEADER

from missionops.operations import dispatch
from missionops.operations.dispatch import ErrorResponse
from missionops.operations.operation import Operation
from missionops.operations.request_metrics import RequestMetrics
from missionops.wire.text import printable

log = logging.getLogger(__name__)

HELD_BYTES = 64 << 20
"""Bytes of requests that wait or are being answered; a request beyond them is refused at once."""
REQUEST_BYTES = 4_096
"""What a request takes in memory, beside its body."""
_CORRELATION_ID = 128
_ERROR_BYTES = 512
_EVERY = 10.0
"""Seconds between two warnings about messages without a reply subject."""
JSON = {"content-type": "application/json"}

Handle = Callable[[Any], Awaitable[Any]]


class NatsRequest(NatsMessage):
    """A request as it arrived, and the operation that it is for."""

    def __init__(self, message: Msg, operation: Operation) -> None:
        headers = message.headers or {}
        given = headers.get("correlation_id", "")
        # It is returned in a header of the reply, which cannot hold every text.
        is_valid = len(given) <= _CORRELATION_ID and given.isascii() and given.isprintable()
        super().__init__(
            raw_message=message,
            body=message.data,
            reply_to=message.reply,
            headers=headers,
            correlation_id=given if is_valid else None,
        )
        self.operation = operation


class Statistics:
    """What the middlewares share: counts of requests, and the memory that requests hold now."""

    def __init__(self, metrics: RequestMetrics) -> None:
        self.metrics = metrics
        self.last_errors: dict[str, str] = {}
        """By operation: `<status>:<message>`."""
        self.held_bytes = 0
        """Of requests that wait or are being answered."""
        self._ignored = 0
        self._logged_at = -_EVERY

    def ignore(self, subject: str) -> None:
        """Log that a message without a reply subject is ignored; at most every 10 s, with their number."""
        self._ignored += 1
        now = time.monotonic()
        if now - self._logged_at < _EVERY:
            return
        log.warning("ignored %d messages without a reply subject, the last of them on %s", self._ignored, subject)
        self._ignored, self._logged_at = 0, now


class _WithStatistics(BaseMiddleware[Any, Any]):
    def __init__(self, message: Msg, /, *, statistics: Statistics, **options: Any) -> None:
        super().__init__(message, **options)
        self.statistics = statistics


class LogRequests(BaseMiddleware[Any, Any]):
    """Log each request at the level debug, and each reply that could not be sent as a warning."""

    async def consume_scope(self, call_next: Handle, msg: StreamMessage[Msg]) -> Any:
        """Handle the request."""
        began = time.perf_counter()
        response = await call_next(msg)
        if log.isEnabledFor(logging.DEBUG):
            status = _error_status(response) or ("200" if response else "ignored")
            log.debug("%s: %s in %.1f ms", self.msg.subject, status, 1e3 * (time.perf_counter() - began))
        return response

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> bool | None:
        """Log a fault that the reply cannot report."""
        if isinstance(exc_val, Exception):
            log.warning("a reply could not be sent", exc_info=exc_val)
        return await super().after_processed(exc_type, exc_val, exc_tb)


class CountRequests(_WithStatistics):
    """Count requests, their errors and their time, by operation."""

    async def consume_scope(self, call_next: Handle, msg: StreamMessage[Msg]) -> Any:
        """Handle the request, and count what becomes of it."""
        began = time.perf_counter()
        response = await call_next(msg)
        if response is not None and isinstance(msg, NatsRequest):
            name, status = msg.operation.name, _error_status(response)
            self.statistics.metrics.count("nats", name, int(status or 200), time.perf_counter() - began)
            if status:
                self.statistics.last_errors[name] = f"{status}:{response.headers[ERROR_HEADER]}"
        return response


class AnswerErrors(BaseMiddleware[Any, Any]):
    """Answer a request whose handler raises with the error that it stands for."""

    async def consume_scope(self, call_next: Handle, msg: StreamMessage[Msg]) -> Any:
        """Handle the request; an error becomes its answer."""
        try:
            return await call_next(msg)
        except Exception as error:
            if not isinstance(msg, NatsRequest):
                raise
            return failure_response(dispatch.failure(msg.operation, error))


class AdmitRequests(_WithStatistics):
    """Do nothing for a message without a reply subject, and refuse a request that would take too much memory.

    An acknowledgement of a stream looks like a request where a publisher named a subject of ours as its reply subject;
    but it has no reply subject itself.
    """

    _held = 0

    async def consume_scope(self, call_next: Handle, msg: StreamMessage[Msg]) -> Any:
        """Handle the request, if it is one and there is room for it."""
        if not msg.reply_to:
            self.statistics.ignore(self.msg.subject)
            return None
        size = len(msg.body) + REQUEST_BYTES
        if self.statistics.held_bytes + size > HELD_BYTES:
            return failure_response(dispatch.BUSY)
        self._held = size
        self.statistics.held_bytes += size
        return await call_next(msg)

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> bool | None:
        """Release its memory once the reply is sent."""
        self.statistics.held_bytes -= self._held
        return await super().after_processed(exc_type, exc_val, exc_tb)


def failure_response(failure: ErrorResponse) -> NatsResponse:
    """An error as NATS services answer it: the contract's body, and the headers of ADR-32."""
    # A header takes ASCII.
    line = printable(failure.message).encode("ascii", "backslashreplace")[:_ERROR_BYTES].decode()
    headers = {ERROR_HEADER: line, ERROR_CODE_HEADER: str(failure.status)}
    return NatsResponse(failure.body, headers=JSON | headers)


def _error_status(response: NatsResponse | None) -> str | None:
    """The status of an error; None if it is none."""
    return response.headers.get(ERROR_CODE_HEADER) if response else None


async def undecoded(message: NatsMessage) -> NatsMessage:
    """The message as it came, where FastStream would decode the body by rules of its own."""
    return message
