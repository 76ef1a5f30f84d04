"""Routes about the service itself: health, metrics, and the documents that describe its interfaces."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from starlette.requests import Request as HttpRequest
from starlette.routing import request_response
from starlette.types import ASGIApp

from missionops import __version__
from missionops.domain.access import Role
from missionops.domain.timestamp import Timestamp
from missionops.http import change_stream, operations_page, pages, response
from missionops.http.authorization import Authorization
from missionops.http.change_stream import ChangeStream
from missionops.http.docs import documents
from missionops.http.docs.openapi import ServiceRoute
from missionops.http.response import HttpResponse
from missionops.http.routes import OFFERED
from missionops.operations.changes import ChangeFeed, Changes
from missionops.operations.health import Health, Live, Readiness
from missionops.operations.operation import Context


class Access(msgspec.Struct):
    """Who asks, and what that caller may do."""

    name: str | None
    """Of the token, or of the user that a proxy names; null where nobody has to say who asks."""
    role: Role
    spacecraft: list[str] | None
    """The only ones that the caller may see and change; null: all."""
    auth: Literal["tokens", "proxy", "off"]
    """How callers over HTTP are told apart."""
    version: str
    """Of the service."""
    at: Timestamp


disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, with its start time, which nobody asked for


# The documents hold nothing of an installation, and describe the interfaces: they are open to everyone.
PAGES = (
    ServiceRoute("/access", "Who asks, and what that one may do", Role.READER, response.JSON, Access),
    ServiceRoute(change_stream.PATH, "What was changed since a cursor (`after`)", Role.READER, response.JSON, Changes),
    ServiceRoute("/health/live", "Whether the process answers", None, response.JSON, Live),
    ServiceRoute("/health/ready", "Whether the service works", None, response.JSON, Health, Readiness, (200, 503)),
    ServiceRoute("/metrics", "Metrics in Prometheus' text format", Role.READER, "text/plain", None),
    ServiceRoute("/openapi.json", "This document", None, response.JSON, dict),
    ServiceRoute("/asyncapi.json", "The subjects of NATS, as AsyncAPI", None, response.JSON, dict),
    ServiceRoute("/asyncapi", "The subjects of NATS, as a page", None, "text/html", None),
)
"""Every route about the service that OpenAPI describes, with the role that it needs."""


def routes(
    context: Context,
    authorization: Authorization,
    feed: ChangeFeed,
    registry: CollectorRegistry,
    auth: Literal["tokens", "proxy", "off"],
) -> Iterator[tuple[str, str, ASGIApp]]:
    """Path, method and application of each, and of the pages for a browser."""

    async def live(_: HttpRequest) -> HttpResponse:
        return HttpResponse(msgspec.json.encode(Live()))

    async def ready(request: HttpRequest) -> HttpResponse:
        # Everyone sees whether the service works; the reason needs a reader's token, which a probe need not have.
        health = await context.health()
        admitted = await authorization.admit_to_whole(request, Role.READER)
        shown = Readiness(health.status) if isinstance(admitted, HttpResponse) else health
        return HttpResponse(msgspec.json.encode(shown), 200 if health.status == "ready" else 503)

    async def metrics(request: HttpRequest) -> HttpResponse:
        caller = await authorization.admit_to_whole(request, Role.READER)
        if isinstance(caller, HttpResponse):
            return caller
        await context.health()  # refreshes the metrics that it reports
        return HttpResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def access(request: HttpRequest) -> HttpResponse:
        caller = await authorization.admit(request, Role.READER)
        if isinstance(caller, HttpResponse):
            return caller
        visible = None if caller.spacecraft is None else sorted(caller.spacecraft)
        name = caller.name if caller.is_known else None
        found = Access(name, caller.role, visible, auth, __version__, datetime.now(UTC))
        return HttpResponse(msgspec.json.encode(found), headers={"Cache-Control": "no-store"})

    async def operations(request: HttpRequest) -> HttpResponse:
        # A page for a browser; other clients search or get documents below this path, and create them by POST.
        if "text/html" in request.headers.get("accept", ""):
            return pages.response(pages.operations(OFFERED))
        return response.wrong_method(request.method, "POST")

    yield "/health/live", "GET", request_response(live)
    yield "/health/ready", "GET", request_response(ready)
    yield "/access", "GET", request_response(access)
    yield change_stream.PATH, "GET", ChangeStream(feed, authorization)
    yield "/metrics", "GET", request_response(metrics)
    yield "/docs", "GET", request_response(operations)
    yield from documents.routes(PAGES, is_open=authorization.is_open)
    yield from operations_page.routes()
