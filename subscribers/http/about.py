"""What the service says of itself: health, metrics, and the documents that describe it."""

from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Literal, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.routing import request_response
from starlette.types import ASGIApp

from missionops.operations.health import Health
from missionops.operations.operation import Context
from missionops.operations.table import OPERATIONS
from subscribers.http import answering, asyncapi, metrics, openapi, page
from subscribers.http.answering import Reply
from subscribers.http.openapi import Page
from subscribers.http.routes import OFFERED

_HTML = "text/html; charset=utf-8"
_HTML_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Live(msgspec.Struct):
    """The process answers."""

    status: Literal["live"] = "live"


class _Told(NamedTuple):
    page: Page
    answer: Callable[[Context], Awaitable[Reply]]


async def _live(_: Context) -> Reply:
    return Reply(msgspec.json.encode(Live()))


async def _ready(context: Context) -> Reply:
    found = await context.health()
    return Reply(msgspec.json.encode(found), 200 if found.status == "ready" else 503)


async def _metrics(context: Context) -> Reply:
    return Reply(metrics.text(context.progress, await context.health()), media_type=metrics.MEDIA_TYPE)


async def _openapi(_: Context) -> Reply:
    return Reply(_written_openapi())


async def _asyncapi(_: Context) -> Reply:
    return Reply(_written_asyncapi())


async def _asyncapi_page(_: Context) -> Reply:
    return Reply(_asyncapi_html(), headers=_HTML_HEADERS, media_type=_HTML)


_ALL = (
    _Told(Page("/health/live", "Whether the process answers", answering.JSON, Live), _live),
    _Told(Page("/health/ready", "Whether the service does its work", answering.JSON, Health, (200, 503)), _ready),
    _Told(Page("/metrics", "Metrics in Prometheus' text format", "text/plain", None), _metrics),
    _Told(Page("/openapi.json", "This document", answering.JSON, dict), _openapi),
    _Told(Page("/asyncapi.json", "The subjects of NATS, as AsyncAPI", answering.JSON, dict), _asyncapi),
    _Told(Page("/asyncapi", "The subjects of NATS, as a page", "text/html", None), _asyncapi_page),
)


@cache
def _written_openapi() -> bytes:
    return msgspec.json.encode(openapi.document(OFFERED, [told.page for told in _ALL]))


@cache
def _written_asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi.document(OPERATIONS))


@cache
def _asyncapi_html() -> bytes:
    return page.html(asyncapi.document(OPERATIONS)).encode()


def routes(context: Context) -> Iterable[tuple[str, str, ASGIApp]]:
    """Path, method and application of each."""
    for told in _ALL:
        yield told.page.path, "GET", _application(told, context)


def _application(told: _Told, context: Context) -> ASGIApp:
    async def answer(_: Request) -> Reply:
        return await told.answer(context)

    return request_response(answer)
