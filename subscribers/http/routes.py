"""Routes: every operation where it has one in HTTP, and one place for what a path does not offer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import groupby

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route as Routed
from starlette.types import ASGIApp, Receive, Scope, Send

from missionops.domain.access import Caller
from missionops.operations import intake, performing
from missionops.operations.operation import Context, Operation, Route
from missionops.operations.performing import Failure
from missionops.operations.table import OPERATIONS
from subscribers.http import answering, asked, body
from subscribers.http.answering import Reply
from subscribers.http.guard import Guard

_QUERIES = 24  # with an answer of up to 8 MB each
_BODIES = 64  # of up to 1 MB, each waiting for seconds while the database is away
_HEAVY = 4
_HEAVY_BODY = 1 << 20
_PATIENCE = 4.5

OFFERED: tuple[tuple[Operation, Route], ...] = tuple(
    (operation, route) for operation in (*OPERATIONS, *intake.OPERATIONS) for route in operation.routes
)
"""Every operation with each of its routes."""


class Slots:
    """Room for requests: what each may hold in memory is bounded, and so is how many of its kind do.

    Kinds do not wait for each other: whoever sends slowly keeps nobody from asking.
    """

    def __init__(self) -> None:
        self._queries = asyncio.Semaphore(_QUERIES)
        self._bodies = asyncio.Semaphore(_BODIES)
        self._heavy = asyncio.Semaphore(_HEAVY)

    @contextlib.asynccontextmanager
    async def held(self, route: Route) -> AsyncIterator[None]:
        """Room for a request of `route`; TimeoutError if there is none for too long."""
        slots = self._of(route)
        async with asyncio.timeout(_PATIENCE):
            await slots.acquire()
        try:
            yield
        finally:
            slots.release()

    def _of(self, route: Route) -> asyncio.Semaphore:
        if route.method == "GET":
            return self._queries
        return self._heavy if route.max_body > _HEAVY_BODY else self._bodies


class Endpoint:
    """One operation at one of its routes."""

    def __init__(self, operation: Operation, route: Route, context: Context, guard: Guard, slots: Slots) -> None:
        self._operation = operation
        self._route = route
        self._context = context
        self._guard = guard
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; room is held until the answer is on its way, and none by whom nobody knows."""
        request = Request(scope, receive)
        caller = await self._guard.admit(request, self._operation.role)
        if isinstance(caller, Reply):
            await caller(scope, receive, send)
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._slots.held(self._route))
            except TimeoutError:
                reply = answering.failed(performing.BUSY)
            else:
                try:
                    reply = await self._reply(request, caller)
                except ClientDisconnect:
                    return
            await reply(scope, receive, send)

    async def _reply(self, request: Request, caller: Caller) -> Reply:
        given = b"" if self._route.method == "GET" else await body.read(request, self._route.max_body)
        if isinstance(given, Failure):
            return answering.failed(given)
        answer = await performing.perform(
            self._operation, self._context, lambda: asked.asked(self._operation, self._route, request, given, caller)
        )
        return answering.reply(answer, self._route)


class Path:
    """All methods of one path."""

    def __init__(self, methods: Mapping[str, ASGIApp]) -> None:
        self._methods = dict(methods)
        if "GET" in self._methods:
            self._methods["HEAD"] = self._methods["GET"]  # the server leaves out the body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the method."""
        app = self._methods.get(scope["method"])
        if app is None:
            app = answering.wrong_method(scope["method"], ", ".join(sorted(self._methods)))
        await app(scope, receive, send)


def of_operations(context: Context, guard: Guard) -> Iterable[tuple[str, str, ASGIApp]]:
    """Path, method and application of each operation's routes."""
    slots = Slots()
    for operation, route in OFFERED:
        yield route.path, route.method, Endpoint(operation, route, context, guard, slots)


def by_path(offered: Iterable[tuple[str, str, ASGIApp]]) -> list[Routed]:
    """Starlette's routes. `{` sorts after letters, so `/docs/search` is found before `/docs/{documentId}`."""
    ordered = sorted(offered, key=lambda offer: offer[0])
    return [
        Routed(path, Path({method: app for _, method, app in group}))
        for path, group in groupby(ordered, key=lambda offer: offer[0])
    ]
