"""The HTTP edge as one ASGI application: operations, health, metrics, documents."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HttpRequest

from missionops.http import response, routes, service_routes
from missionops.http.allowed_hosts import AllowedHosts
from missionops.http.authorization import Authorization
from missionops.http.response import HttpResponse
from missionops.http.slots import Slots
from missionops.operations import pagination
from missionops.operations.operation import Context
from missionops.operations.request_metrics import RequestMetrics


class Metrics(NamedTuple):
    """The metrics of this process."""

    registry: CollectorRegistry
    """What `/metrics` renders."""
    requests: RequestMetrics
    """What counts the requests over HTTP."""


_OPERATION_HEADERS = sorted({header.http_name for operation, _ in routes.OFFERED for header in operation.headers})


def make(
    context: Context,
    authorization: Authorization,
    slots: Slots,
    *,
    metrics: Metrics,
    allowed_origins: Sequence[str],
    own_name: str | None,
) -> Starlette:
    """The application; pages of `allowed_origins` may use it from a browser.

    With `own_name` it listens on this machine alone, under that name, and answers requests to this machine alone.
    """
    offered = [
        *routes.of_operations(context, authorization, slots, metrics.requests),
        *service_routes.routes(context, authorization, metrics.registry),
    ]
    application = Starlette(
        routes=routes.by_path(offered),
        middleware=list(_middleware(allowed_origins, own_name)),
        exception_handlers={HTTPException: _not_found, Exception: _internal},
    )
    application.router.redirect_slashes = False
    return application


def _middleware(origins: Sequence[str], own_name: str | None) -> Iterator[Middleware]:
    if own_name is not None:
        yield Middleware(AllowedHosts, own_name)
    if origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", "Missionops-Source", *_OPERATION_HEADERS],
            expose_headers=[pagination.CURSOR_HEADER],
        )


def _not_found(_: HttpRequest, __: Exception) -> HttpResponse:
    return response.failed(response.NOT_FOUND)


def _internal(_: HttpRequest, __: Exception) -> HttpResponse:
    return response.failed(response.INTERNAL)
