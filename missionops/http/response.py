"""Responses over HTTP: bodies and errors, sent in pieces so that a slow reader does not hold them whole."""

from http import HTTPStatus

from starlette.responses import Response as StarletteResponse
from starlette.types import Receive, Scope, Send

from missionops.operations import pagination
from missionops.operations.dispatch import ErrorResponse
from missionops.operations.operation import Response, Route

JSON = "application/json"

_PIECE = 64 << 10
_RETRY = {"Retry-After": "2"}


class HttpResponse(StarletteResponse):
    """A response that is sent as fast as the client reads; `protocol` disconnects one that is too slow."""

    media_type = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body) or 1, _PIECE):
            is_more = start + _PIECE < len(self.body)
            piece = self.body[start : start + _PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": is_more})


def reply(result: Response | ErrorResponse, route: Route) -> HttpResponse:
    """The response of an operation over HTTP."""
    if isinstance(result, ErrorResponse):
        return failed(result)
    headers = dict(result.headers)
    if result.cursor:
        headers[pagination.CURSOR_HEADER] = result.cursor
    status = result.is_pending and route.pending_status
    return HttpResponse(result.body, status or route.status, headers)


def failed(failure: ErrorResponse, headers: dict[str, str] | None = None) -> HttpResponse:
    """An error with its status; one that may pass soon has the header Retry-After."""
    if failure.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = (headers or {}) | _RETRY
    return HttpResponse(failure.body, failure.status, headers)


def unauthenticated(failure: ErrorResponse, *, is_shown: bool) -> HttpResponse:
    """The response to a caller without a valid token; `is_shown`: the request has one, not a valid one (RFC 6750)."""
    return failed(failure, {"WWW-Authenticate": 'Bearer error="invalid_token"' if is_shown else "Bearer"})


NOT_FOUND = ErrorResponse(
    HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path; /openapi.json lists what there is."
)
INTERNAL = ErrorResponse(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed; its log says why.")


def wrong_method(method: str, allowed: str) -> HttpResponse:
    """The response to a method that a path does not have."""
    message = f"{method} is not allowed here; allowed: {allowed}."
    return failed(ErrorResponse(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message), {"Allow": allowed})
