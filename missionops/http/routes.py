"""Routes: every operation where it has one in HTTP, and one place for what a path does not offer."""

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
from missionops.http import request_body, response
from missionops.http.authorization import Authorization
from missionops.http.request import MAX_BYTES, asked
from missionops.http.response import HttpResponse
from missionops.http.slots import SMALL, Slots, held
from missionops.operations import dispatch, intake
from missionops.operations.dispatch import ErrorResponse
from missionops.operations.operation import Context, Operation, Response, Route
from missionops.operations.registry import OPERATIONS

T = TypeVar("T")

OFFERED: tuple[tuple[Operation, Route], ...] = tuple(
    (operation, route) for operation in (*OPERATIONS, *intake.OPERATIONS) for route in operation.routes
)
"""Every operation with each of its routes."""


class Endpoint:
    """One operation at one of its routes."""

    def __init__(
        self, operation: Operation, route: Route, context: Context, guard: Authorization, slots: Slots
    ) -> None:
        self._operation = operation
        self._route = route
        self._context = context
        self._guard = guard
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in time; the answer then takes as long as the client takes for it."""
        async with AsyncExitStack() as sending:
            try:
                reply = await self._reply(HttpRequest(scope, receive), sending)
            except ClientDisconnect:
                return
            await reply(scope, receive, send)

    async def _reply(self, request: HttpRequest, sending: AsyncExitStack) -> HttpResponse:
        """The answer, with the memory that it holds until `sending` ends; nothing is held for whom nobody knows."""
        clock = _Clock()
        caller = await self._guard.admit(request, self._operation.role)
        if isinstance(caller, HttpResponse):
            return caller
        try:
            return await self._answer(request, caller, clock, sending)
        except TimeoutError:
            return response.failed(dispatch.BUSY)

    async def _answer(
        self, request: HttpRequest, caller: Caller, clock: "_Clock", sending: AsyncExitStack
    ) -> HttpResponse:
        given: bytes | ErrorResponse | None = b"" if self._route.method == "GET" else None
        if given is None and request_body.is_small(
            request.headers
        ):  # whoever sends a short one slowly takes nobody's place
            given = await clock.stopped(request_body.read(request, self._route.max_body))
        if isinstance(given, ErrorResponse):
            return response.failed(given)
        async with held(self._slots.of(self._route, is_small=given is not None), clock.deadline):
            if given is None:
                given = await clock.stopped(request_body.read(request, self._route.max_body))
            if isinstance(given, ErrorResponse):
                return response.failed(given)
            if self._route.pending_status:
                clock.restart()  # it knows itself what it can say in time: what the stream has is not refused
            answer = await self._performed(request, given, caller, SMALL, clock)
            if isinstance(answer, ErrorResponse) or not answer.is_cut:
                return await self._admitted(answer, clock, sending)
        async with held(self._slots.of_large, clock.deadline):
            answer = await self._performed(request, given, caller, MAX_BYTES, clock)
            return await self._admitted(answer, clock, sending)

    async def _performed(
        self, request: HttpRequest, given: bytes, caller: Caller, max_bytes: int, clock: "_Clock"
    ) -> Response | ErrorResponse:
        return await dispatch.dispatch(
            self._operation,
            self._context,
            lambda: asked(self._operation, self._route, request, given, caller)._replace(max_bytes=max_bytes),
            deadline=clock.deadline,
        )

    async def _admitted(
        self, answer: Response | ErrorResponse, clock: "_Clock", sending: AsyncExitStack
    ) -> HttpResponse:
        reply = response.reply(answer, self._route)
        if self._route.method == "GET":  # what has changed something is answered, whatever the answer takes
            await self._slots.room_to_send(len(reply.body), clock.deadline)
        sending.enter_context(self._slots.sent(len(reply.body)))
        return reply


class _Clock:
    """How long a request may still take; while its body comes, the time stands still."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.deadline = self._now() + dispatch.TIME

    async def stopped(self, reading: Coroutine[Any, Any, T]) -> T:
        """What is read, whose time does not count."""
        began = self._now()
        try:
            return await reading
        finally:
            self.deadline += self._now() - began

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class PathRoutes:
    """All methods of one path."""

    def __init__(self, methods: Mapping[str, ASGIApp]) -> None:
        self._methods = dict(methods)
        if "GET" in self._methods:
            self._methods["HEAD"] = self._methods["GET"]  # the server leaves out the body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the method."""
        app = self._methods.get(scope["method"])
        if app is None:
            app = response.wrong_method(scope["method"], ", ".join(sorted(self._methods)))
        await app(scope, receive, send)


def of_operations(context: Context, guard: Authorization, slots: Slots) -> Iterable[tuple[str, str, ASGIApp]]:
    """Path, method and application of each operation's routes."""
    for operation, route in OFFERED:
        yield route.path, route.method, Endpoint(operation, route, context, guard, slots)


def by_path(offered: Iterable[tuple[str, str, ASGIApp]]) -> list[Routed]:
    """Starlette's routes. `{` sorts after letters, so `/docs/search` is found before `/docs/{documentId}`."""
    ordered = sorted(offered, key=lambda offer: offer[0])
    return [
        Routed(path, PathRoutes({method: app for _, method, app in group}))
        for path, group in groupby(ordered, key=lambda offer: offer[0])
    ]
