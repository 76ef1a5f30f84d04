"""The HTTP edge as one ASGI application: operations, health, metrics, documents."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from missionops.http import response, routes, service_routes
from missionops.http.allowed_hosts import AllowedHosts
from missionops.http.authorization import Authorization
from missionops.http.slots import Slots
from missionops.operations import pagination
from missionops.operations.changes import ChangeFeed
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
    feed: ChangeFeed,
    metrics: Metrics,
    auth: Literal["tokens", "proxy", "off"],
    allowed_origins: Sequence[str],
    own_name: str | None,
) -> Starlette:
    """The application; pages of `allowed_origins` may use it from a browser.

    With `own_name` it listens on this machine alone, under that name, and answers requests to this machine alone.
    """
    offered = [
        *routes.of_operations(context, authorization, slots, metrics.requests),
        *service_routes.routes(context, authorization, feed, metrics.registry, auth),
    ]
    middleware = [] if own_name is None else [Middleware(AllowedHosts, own_name)]
    if allowed_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=allowed_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", "Missionops-Source", *_OPERATION_HEADERS],
            expose_headers=[pagination.CURSOR_HEADER],
        )
        middleware.append(cors)
    application = Starlette(
        routes=routes.by_path(offered),
        middleware=middleware,
        exception_handlers={
            HTTPException: lambda _, __: response.failed(response.NOT_FOUND),
            Exception: lambda _, __: response.failed(response.INTERNAL),
        },
    )
    application.router.redirect_slashes = False
    return application
