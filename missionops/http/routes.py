"""Routes: each operation at its HTTP routes, and the response to a method that a path does not have."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from itertools import groupby
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.routing import Route as Routed
from starlette.types import ASGIApp, Receive, Scope, Send

from missionops.domain.access import Caller
from missionops.http import request_body
from missionops.http import response as responses
from missionops.http.authorization import Authorization
from missionops.http.request import MAX_BYTES, parse
from missionops.http.response import HttpResponse
from missionops.http.slots import SMALL, Slots, held
from missionops.operations import dispatch, intake
from missionops.operations.dispatch import ErrorResponse
from missionops.operations.operation import Context, Operation, Response, Route
from missionops.operations.registry import OPERATIONS
from missionops.operations.request_metrics import RequestMetrics

T = TypeVar("T")

OFFERED: tuple[tuple[Operation, Route], ...] = tuple(
    (operation, route) for operation in (*OPERATIONS, *intake.OPERATIONS) for route in operation.routes
)
"""Every operation with each of its routes."""


class Endpoint:
    """One operation at one of its routes."""

    def __init__(
        self,
        operation: Operation,
        route: Route,
        context: Context,
        authorization: Authorization,
        slots: Slots,
        *,
        metrics: RequestMetrics,
    ) -> None:
        self._operation = operation
        self._route = route
        self._context = context
        self._authorization = authorization
        self._slots = slots
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond in time; sending the response then takes as long as the client takes to receive it.

        A caller without a valid token takes neither a slot nor memory.
        """
        began, timer = asyncio.get_running_loop().time(), _Timer()
        request = HttpRequest(scope, receive)
        async with AsyncExitStack() as sending:
            try:
                caller = await self._authorization.admit(request, self._operation.role)
                if isinstance(caller, HttpResponse):
                    response = caller
                else:
                    response = await self._perform(request, caller, timer, sending)
            except TimeoutError:
                response = responses.failed(dispatch.BUSY)
            except ClientDisconnect:
                return
            seconds = asyncio.get_running_loop().time() - began
            self._metrics.count("http", self._operation.name, response.status_code, seconds)
            await response(scope, receive, send)

    async def _perform(
        self, request: HttpRequest, caller: Caller, timer: "_Timer", sending: AsyncExitStack
    ) -> HttpResponse:
        """Perform the operation in a slot; the memory that the response takes is reserved until `sending` ends."""
        body: bytes | ErrorResponse | None = b"" if self._route.method == "GET" else None
        if body is None and request_body.is_small(request.headers):  # a slow sender of a short body holds no slot
            body = await timer.paused(request_body.read(request, self._route.max_body))
        if isinstance(body, ErrorResponse):
            return responses.failed(body)
        async with held(self._slots.of(self._route, is_small=body is not None), timer.deadline):
            if body is None:
                body = await timer.paused(request_body.read(request, self._route.max_body))
            if isinstance(body, ErrorResponse):
                return responses.failed(body)
            result = await self._dispatch(request, body, caller, SMALL, timer)
            if isinstance(result, ErrorResponse) or not result.is_cut:
                return await self._reserve(result, timer, sending)
        async with held(self._slots.of_large, timer.deadline):
            result = await self._dispatch(request, body, caller, MAX_BYTES, timer)
            return await self._reserve(result, timer, sending)

    async def _dispatch(
        self, request: HttpRequest, body: bytes, caller: Caller, max_bytes: int, timer: "_Timer"
    ) -> Response | ErrorResponse:
        return await dispatch.dispatch(
            self._operation,
            self._context,
            lambda: parse(self._operation, self._route, request, body, caller)._replace(max_bytes=max_bytes),
            deadline=timer.deadline,
        )

    async def _reserve(
        self, result: Response | ErrorResponse, timer: "_Timer", sending: AsyncExitStack
    ) -> HttpResponse:
        """The response, once there is memory for it."""
        response = responses.reply(result, self._route)
        if self._route.method == "GET":  # what has changed something is confirmed, whatever memory that takes
            await self._slots.room_to_send(len(response.body), timer.deadline)
        sending.enter_context(self._slots.sent(len(response.body)))
        return response


class _Timer:
    """The deadline of one request; the time in which its body arrives does not count."""

    def __init__(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + dispatch.TIME

    async def paused(self, reading: Coroutine[Any, Any, T]) -> T:
        """The result of `reading`; the deadline is moved by the time that it takes."""
        began = asyncio.get_running_loop().time()
        try:
            return await reading
        finally:
            self.deadline += asyncio.get_running_loop().time() - began


class PathRoutes:
    """All methods of one path."""

    def __init__(self, methods: Mapping[str, ASGIApp]) -> None:
        self._methods = dict(methods)
        if "GET" in self._methods:
            self._methods["HEAD"] = self._methods["GET"]  # the server leaves out the body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond by the method."""
        app = self._methods.get(scope["method"])
        if app is None:
            app = responses.wrong_method(scope["method"], ", ".join(sorted(self._methods)))
        await app(scope, receive, send)


def of_operations(
    context: Context, authorization: Authorization, slots: Slots, metrics: RequestMetrics
) -> Iterable[tuple[str, str, ASGIApp]]:
    """Path, method and application of each operation's routes."""
    for operation, route in OFFERED:
        yield route.path, route.method, Endpoint(operation, route, context, authorization, slots, metrics=metrics)


def by_path(offered: Iterable[tuple[str, str, ASGIApp]]) -> list[Routed]:
    """Starlette's routes. `{` sorts after letters, so `/docs/search` is found before `/docs/{documentId}`."""
    ordered = sorted(offered, key=lambda offer: offer[0])
    return [
        Routed(path, PathRoutes({method: app for _, method, app in group}))
        for path, group in groupby(ordered, key=lambda offer: offer[0])
    ]
