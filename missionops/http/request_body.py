"""Bodies of requests: JSON, of a bounded length, within a bounded time."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest

from missionops.operations.dispatch import ErrorResponse

_TIME = 30.0
_SMALL = 64 << 10
_DRAINED = 64 << 20
"""Bytes past the limit that are read and discarded: most clients send everything before they read the refusal."""


def is_small(headers: Headers) -> bool:
    """Whether the announced length is so small that uvicorn buffers the whole body before it is read."""
    announced = headers.get("content-length", "")
    return announced.isdecimal() and int(announced) <= _SMALL


async def read(request: HttpRequest, max_bytes: int) -> bytes | ErrorResponse:
    """The body, or why it is not taken; starlette's ClientDisconnect if it does not come to its end."""
    # A body without a Content-Type counts as JSON, as with curl, unless a web page sends it: a page may send such a
    # body to any address, while before one that is declared as JSON its browser asks for permission (CORS).
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    is_encoded = request.headers.get("content-encoding", "identity").strip().lower() != "identity"
    if is_encoded or not (is_json or (not media_type and "origin" not in request.headers)):
        return ErrorResponse(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
            "The body must be JSON: send the header `Content-Type: application/json`, and no Content-Encoding.",
        )  # fmt: skip
    too_large = ErrorResponse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"The body may have at most {max_bytes} bytes."
    )
    announced = request.headers.get("content-length", "")
    waits = request.headers.get("expect", "").lower() == "100-continue"  # the client sends nothing before we accept
    if announced.isdecimal() and int(announced) > (max_bytes if waits else max_bytes + _DRAINED):
        return too_large

    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_TIME):
            async for piece in request.stream():
                size += len(piece)
                if size > max_bytes + _DRAINED:
                    break
                if size <= max_bytes:
                    pieces.append(piece)
                else:
                    pieces.clear()
    except TimeoutError:
        return ErrorResponse(HTTPStatus.REQUEST_TIMEOUT, "timeout", f"The body did not arrive within {_TIME:.0f} s.")
    return too_large if size > max_bytes else b"".join(pieces)
