"""Requests over NATS, on `missionops.<resource>.<verb>[.<spacecraftId>]`. Each gets a response, unreadable or not."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import nats.errors
from faststream import AckPolicy
from faststream.nats import NatsResponse, NatsRouter
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops.broker import caller
from missionops.errors import InvalidRequest, TooLarge
from missionops.operations import dispatch, pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request
from missionops.operations.registry import OPERATIONS
from missionops.operations.request_metrics import RequestMetrics
from missionops.wire.headers import is_broken
from subscribers import middlewares
from subscribers.middlewares import (
    AdmitRequests,
    AnswerErrors,
    CountRequests,
    LogRequests,
    NatsRequest,
    Statistics,
    undecoded,
)

QUEUE = "missionops"

Consume = Callable[[Msg], Coroutine[Any, Any, Any]]

_AT_ONCE = 64
_MAX_BYTES = 900_000
_RESERVED = 4_096  # of a message's greatest size, for headers
_STOP_TIME = 4.8
"""Seconds in which the requests that have come are answered; each has less than 4.5 s left."""


class RequestRouter(NatsRouter):
    """One FastStream subscriber for each operation of the table; the instances share the work as a queue group."""

    def __init__(self, client: Client, context: Context, metrics: RequestMetrics | None = None) -> None:
        self.statistics = statistics = Statistics(metrics or RequestMetrics())
        super().__init__(
            middlewares=(
                LogRequests,
                partial(CountRequests, statistics=statistics),
                AnswerErrors,
                partial(AdmitRequests, statistics=statistics),
            ),
            decoder=undecoded,  # the operation has its own rules
            ack_policy=AckPolicy.MANUAL,
        )
        self._client = client
        self._context = context
        self._room = asyncio.Semaphore(_AT_ONCE)  # so many that no request waits for a slow one of another operation

        async def parse(operation: Operation, message: Msg) -> NatsRequest:
            return NatsRequest(message, operation)

        self._requests = [
            self.subscriber(
                operation.subject,
                queue=QUEUE,
                parser=partial(parse, operation),
                title=operation.name,
                description=operation.summary,
            )
            for operation in OPERATIONS
        ]
        for subscriber in self._requests:
            subscriber(self._answer)
            subscriber.consume = self._at_once(subscriber.consume)  # type: ignore[method-assign,assignment]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining: asyncio.Task[None] | None = None

    def _at_once(self, consume: Consume) -> Consume:
        """Handle each message in a task of its own.

        FastStream handles the messages of a subject one after the other. With `max_workers` a message goes through a
        queue and two semaphores, which triples the cost of a request, and those that find no worker wait without a time
        limit: they would not even be refused within 5 s (tests/integration/broker/test_faststream.py).
        """

        async def handle_in_task(message: Msg) -> None:
            task = asyncio.create_task(consume(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return handle_in_task

    async def _answer(self, request: NatsRequest) -> NatsResponse:
        """The response to a request; an exception becomes one in the middleware AnswerErrors."""
        operation, max_reply = request.operation, self._client.max_payload - _RESERVED

        def read() -> Request:
            if is_broken(request.headers):
                raise InvalidRequest("The headers cannot be read")
            spacecraft_id = ""
            if operation.about_spacecraft:
                last_token = request.raw_message.subject.rpartition(".")[2]
                spacecraft_id = request_parsing.spacecraft_id(last_token, or_fleet=operation.about_fleet)
            return Request(
                spacecraft_id,
                request_parsing.from_body(request.body, operation.request) if operation.request else request.body,
                request_parsing.source(request.headers),
                min(_MAX_BYTES, max_reply),
                caller.caller(request.reply_to, request.headers),
                request.headers,
            )

        response = await dispatch.run(operation, self._context, read, self._room)
        if len(response.body) > max_reply:
            raise TooLarge(
                f"One item of the list has {len(response.body)} bytes, more than NATS carries: request it over HTTP."
            )
        headers = middlewares.JSON | dict(response.headers)
        if response.cursor:
            headers[pagination.CURSOR_HEADER] = response.cursor
        return NatsResponse(response.body, headers=headers)

    def start_draining(self) -> asyncio.Task[None]:
        """Take no more requests; the task ends when those that have come are answered, within _STOP_TIME."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return self._draining

    async def drain(self) -> None:
        """Take no more requests, and wait until those that have come are answered.

        FastStream receives requests while it waits for its handlers to end, and drops them
        (tests/integration/broker/test_faststream.py); so it is told to stop when there are none.
        """
        await self.start_draining()

    async def _drain(self) -> None:
        subscriptions = [subscriber.subscription for subscriber in self._requests if subscriber.subscription]
        for subscriber in self._requests:
            subscriber.subscription = None  # it is drained here, so FastStream must not end it
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIME):
                with contextlib.suppress(nats.errors.Error):  # NATS is away: no more will come
                    await asyncio.gather(*(subscription.drain() for subscription in subscriptions))  # type: ignore[no-untyped-call]
                if self._tasks:
                    await asyncio.wait(self._tasks)
