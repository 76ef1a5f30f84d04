"""Routes of the documents that describe the interfaces. The first request for one makes it.

That takes longer than all else that the service does when it starts, and most that start are never asked.
"""

import functools
from collections.abc import Iterator, Sequence

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.routing import request_response
from starlette.types import ASGIApp

from missionops.http import pages
from missionops.http.docs import asyncapi, asyncapi_page, openapi
from missionops.http.docs.openapi import ServiceRoute
from missionops.http.docs.schemas import Schema
from missionops.http.response import HttpResponse
from missionops.http.routes import OFFERED
from missionops.operations.registry import OPERATIONS


def routes(about: Sequence[ServiceRoute], *, is_open: bool) -> Iterator[tuple[str, str, ASGIApp]]:
    """Path, method and application of each; `about` and `is_open` are those of the OpenAPI document."""

    @functools.cache
    def described() -> bytes:
        return msgspec.json.encode(openapi.document(OFFERED, about, is_open=is_open))

    @functools.cache
    def subjects() -> Schema:
        return asyncapi.document(OPERATIONS)

    @functools.cache
    def page() -> str:
        return asyncapi_page.html(subjects())

    # Starlette runs these in a thread, since they are no coroutine functions.
    def openapi_json(_: HttpRequest) -> HttpResponse:
        return HttpResponse(described())

    def asyncapi_json(_: HttpRequest) -> HttpResponse:
        return HttpResponse(msgspec.json.encode(subjects()))

    def asyncapi_html(_: HttpRequest) -> HttpResponse:
        return pages.response(page())

    yield "/openapi.json", "GET", request_response(openapi_json)
    yield "/asyncapi.json", "GET", request_response(asyncapi_json)
    yield "/asyncapi", "GET", request_response(asyncapi_html)
