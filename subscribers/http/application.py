"""The HTTP edge as one ASGI application: operations, health, metrics, documents."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from missionops.operations import pages
from missionops.operations.operation import Context
from subscribers.http import about, answering, routes
from subscribers.http.answering import Reply


def make(context: Context, allowed_origins: Sequence[str]) -> Starlette:
    """The application; pages of `allowed_origins` may use it from a browser."""
    application = Starlette(
        routes=routes.by_path([*routes.of_operations(context), *about.routes(context)]),
        middleware=_cors(allowed_origins) if allowed_origins else [],
        exception_handlers={HTTPException: _not_found, Exception: _internal},
    )
    application.router.redirect_slashes = False
    return application


def _cors(origins: Sequence[str]) -> list[Middleware]:
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT"],
            allow_headers=["Content-Type", "Missionops-Source"],
            expose_headers=[pages.CURSOR_HEADER],
        )
    ]


def _not_found(_: Request, __: Exception) -> Reply:
    return answering.failed(answering.NOT_FOUND)


def _internal(_: Request, __: Exception) -> Reply:
    return answering.failed(answering.INTERNAL)
