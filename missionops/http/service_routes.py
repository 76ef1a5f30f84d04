"""Routes about the service itself: health, metrics, and the documents that describe its interfaces."""

from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import NamedTuple

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from starlette.requests import Request as HttpRequest
from starlette.routing import request_response
from starlette.types import ASGIApp

from missionops.domain.access import Role
from missionops.http import pages, response
from missionops.http.authorization import Authorization
from missionops.http.docs import asyncapi, asyncapi_page, openapi
from missionops.http.docs.openapi import ServiceRoute
from missionops.http.response import HttpResponse
from missionops.http.routes import OFFERED
from missionops.operations.health import Health, Live, Readiness
from missionops.operations.operation import Context
from missionops.operations.registry import OPERATIONS

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, with its start time, which nobody asked for


class _ServiceRequest(NamedTuple):
    """One request for a page about the service."""

    context: Context
    authorization: Authorization
    registry: CollectorRegistry
    request: HttpRequest


class _Endpoint(NamedTuple):
    route: ServiceRoute
    respond: Callable[[_ServiceRequest], Awaitable[HttpResponse]]


async def _live(_: _ServiceRequest) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(Live()))


async def _ready(request: _ServiceRequest) -> HttpResponse:
    """Everyone sees whether the service works; the reason needs a reader's token, which a probe need not have."""
    health = await request.context.health()
    admitted = await request.authorization.admit_to_whole(request.request, Role.READER)
    shown = Readiness(health.status) if isinstance(admitted, HttpResponse) else health
    return HttpResponse(msgspec.json.encode(shown), 200 if health.status == "ready" else 503)


async def _metrics(request: _ServiceRequest) -> HttpResponse:
    await request.context.health()  # refreshes the metrics that it reports
    return HttpResponse(generate_latest(request.registry), media_type=CONTENT_TYPE_LATEST)


async def _openapi(request: _ServiceRequest) -> HttpResponse:
    return HttpResponse(_openapi_document(request.authorization.is_open))


async def _asyncapi(_: _ServiceRequest) -> HttpResponse:
    return HttpResponse(_asyncapi_document())


async def _asyncapi_page(_: _ServiceRequest) -> HttpResponse:
    return pages.response(_asyncapi_html())


async def _home(_: _ServiceRequest) -> HttpResponse:
    return pages.response(pages.home())


async def _operations(request: _ServiceRequest) -> HttpResponse:
    """The page for a browser; other clients search or get documents below this path, and create them by POST."""
    if "text/html" in request.request.headers.get("accept", ""):
        return pages.response(pages.operations(OFFERED))
    return response.wrong_method(request.request.method, "POST")


# The documents hold nothing of an installation, and describe the interfaces: they are open to everyone.
_ENDPOINTS = (
    _Endpoint(ServiceRoute("/health/live", "Whether the process answers", None, response.JSON, Live), _live),
    _Endpoint(
        ServiceRoute("/health/ready", "Whether the service works", None, response.JSON, Health, Readiness, (200, 503)),
        _ready,
    ),
    _Endpoint(
        ServiceRoute("/metrics", "Metrics in Prometheus' text format", Role.READER, "text/plain", None), _metrics
    ),
    _Endpoint(ServiceRoute("/openapi.json", "This document", None, response.JSON, dict), _openapi),
    _Endpoint(
        ServiceRoute("/asyncapi.json", "The subjects of NATS, as AsyncAPI", None, response.JSON, dict), _asyncapi
    ),
    _Endpoint(ServiceRoute("/asyncapi", "The subjects of NATS, as a page", None, "text/html", None), _asyncapi_page),
)

PAGES: tuple[ServiceRoute, ...] = tuple(endpoint.route for endpoint in _ENDPOINTS)
"""Every route about the service that OpenAPI describes, with the role that it needs."""

_BROWSER_ENDPOINTS = (
    _Endpoint(ServiceRoute("/", "Links to all others", None, "text/html", None), _home),
    _Endpoint(ServiceRoute("/docs", "All operations, as a page", None, "text/html", None), _operations),
)


@cache
def _openapi_document(is_open: bool) -> bytes:  # noqa: FBT001 - the name says it
    return msgspec.json.encode(openapi.document(OFFERED, PAGES, is_open=is_open))


@cache
def _asyncapi_document() -> bytes:
    return msgspec.json.encode(asyncapi.document(OPERATIONS))


@cache
def _asyncapi_html() -> str:
    return asyncapi_page.html(asyncapi.document(OPERATIONS))


def routes(
    context: Context, authorization: Authorization, registry: CollectorRegistry
) -> Iterable[tuple[str, str, ASGIApp]]:
    """Path, method and application of each."""
    for endpoint in (*_ENDPOINTS, *_BROWSER_ENDPOINTS):
        yield endpoint.route.path, "GET", _application(endpoint, context, authorization, registry)


def _application(
    endpoint: _Endpoint, context: Context, authorization: Authorization, registry: CollectorRegistry
) -> ASGIApp:
    async def respond(request: HttpRequest) -> HttpResponse:
        if endpoint.route.role is not None:
            caller = await authorization.admit_to_whole(request, endpoint.route.role)
            if isinstance(caller, HttpResponse):
                return caller
        return await endpoint.respond(_ServiceRequest(context, authorization, registry, request))

    return request_response(respond)
