"""What the service says of itself: health, metrics, and the documents that describe it."""

from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Literal, NamedTuple

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.routing import request_response
from starlette.types import ASGIApp

from missionops.domain.access import Role
from missionops.http import metrics, response
from missionops.http.authorization import Authorization
from missionops.http.docs import asyncapi, asyncapi_page, openapi
from missionops.http.docs.openapi import ServiceRoute
from missionops.http.response import HttpResponse
from missionops.http.routes import OFFERED
from missionops.operations.health import Health, Status
from missionops.operations.operation import Context
from missionops.operations.registry import OPERATIONS

_HTML = "text/html; charset=utf-8"
_HTML_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Live(msgspec.Struct):
    """The process answers."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct):
    """Whether the service does its work, and nothing else about it."""

    status: Status


class _Visit(NamedTuple):
    """One request for a page."""

    context: Context
    guard: Authorization
    request: HttpRequest


class _Told(NamedTuple):
    page: ServiceRoute
    answer: Callable[[_Visit], Awaitable[HttpResponse]]


async def _live(_: _Visit) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(Live()))


async def _ready(visit: _Visit) -> HttpResponse:
    """Everyone is told whether; what keeps it from that, who may know it. A probe needs no token, nor a good one."""
    found = await visit.context.health()
    is_whole = not isinstance(await visit.guard.admit_to_whole(visit.request, Role.READER), HttpResponse)
    told = found if is_whole else Readiness(found.status)
    return HttpResponse(msgspec.json.encode(told), 200 if found.status == "ready" else 503)


async def _metrics(visit: _Visit) -> HttpResponse:
    context = visit.context
    return HttpResponse(metrics.text(context.progress, await context.health()), media_type=metrics.MEDIA_TYPE)


async def _openapi(visit: _Visit) -> HttpResponse:
    return HttpResponse(_written_openapi(visit.guard.is_open))


async def _asyncapi(_: _Visit) -> HttpResponse:
    return HttpResponse(_written_asyncapi())


async def _asyncapi_page(_: _Visit) -> HttpResponse:
    return HttpResponse(_asyncapi_html(), headers=_HTML_HEADERS, media_type=_HTML)


# The documents hold nothing of an installation, and say how to ask: they are for everyone.
_ALL = (
    _Told(ServiceRoute("/health/live", "Whether the process answers", None, response.JSON, Live), _live),
    _Told(
        ServiceRoute(
            "/health/ready", "Whether the service does its work", None, response.JSON, Health, Readiness, (200, 503)
        ),
        _ready,
    ),
    _Told(ServiceRoute("/metrics", "Metrics in Prometheus' text format", Role.READER, "text/plain", None), _metrics),
    _Told(ServiceRoute("/openapi.json", "This document", None, response.JSON, dict), _openapi),
    _Told(ServiceRoute("/asyncapi.json", "The subjects of NATS, as AsyncAPI", None, response.JSON, dict), _asyncapi),
    _Told(ServiceRoute("/asyncapi", "The subjects of NATS, as a page", None, "text/html", None), _asyncapi_page),
)

PAGES: tuple[ServiceRoute, ...] = tuple(told.page for told in _ALL)
"""Every page, with the role that it needs."""


@cache
def _written_openapi(is_open: bool) -> bytes:  # noqa: FBT001 - the name says it
    return msgspec.json.encode(openapi.document(OFFERED, PAGES, is_open=is_open))


@cache
def _written_asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.document(OPERATIONS))


@cache
def _asyncapi_html() -> bytes:
    return asyncapi_page.html(asyncapi.document(OPERATIONS)).encode()


def routes(context: Context, guard: Authorization) -> Iterable[tuple[str, str, ASGIApp]]:
    """Path, method and application of each."""
    for told in _ALL:
        yield told.page.path, "GET", _application(told, context, guard)


def _application(told: _Told, context: Context, guard: Authorization) -> ASGIApp:
    async def answer(request: HttpRequest) -> HttpResponse:
        if told.page.role is not None:
            caller = await guard.admit_to_whole(request, told.page.role)
            if isinstance(caller, HttpResponse):
                return caller
        return await told.answer(_Visit(context, guard, request))

    return request_response(answer)
