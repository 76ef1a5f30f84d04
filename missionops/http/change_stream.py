"""`GET /changes`: hints of what was changed, as a stream of Server-Sent Events or as one answer that waits.

The stream ends when the client goes, when its token counts no more, and at once when the service stops.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from missionops.domain.access import OVER_OPEN_HTTP, Caller, Role
from missionops.domain.timestamp import Timestamp
from missionops.errors import InvalidRequest
from missionops.http import response
from missionops.http.authorization import Authorization
from missionops.http.response import HttpResponse
from missionops.operations import dispatch
from missionops.operations.changes import ChangeFeed, Changes
from missionops.operations.dispatch import ErrorResponse
from missionops.operations.request_parsing import refused

PATH = "/changes"
PULSE = 5.0
"""Seconds between two signs of life."""
_APART = 0.25
"""Seconds between two hints: at most four a second."""
_LONG_POLL = 19.0
"""Seconds after which it answers that nothing was changed: its answer arrives within 20 s."""
_MOST = 100
_MOST_OF_ONE = 10
_STREAM = "text/event-stream"
_FULL = ErrorResponse(503, "unavailable", "Too many clients follow the changes; ask again every few seconds instead.")

_encode = msgspec.json.Encoder().encode


class Pulse(msgspec.Struct):
    """A heartbeat, with the clock of the service."""

    at: Timestamp


class ChangeStream:
    """The route, with its places: a stream holds none of those that queries wait for."""

    def __init__(self, feed: ChangeFeed, authorization: Authorization) -> None:
        self._feed = feed
        self._authorization = authorization
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follow the changes for one client."""
        request = HttpRequest(scope, receive)
        caller = await self._authorization.admit(request, Role.READER)
        if isinstance(caller, HttpResponse):
            await caller(scope, receive, send)
            return
        cursor = request.query_params.get("after") or request.headers.get("last-event-id")
        try:
            for name in request.query_params.keys() - {"after"}:
                raise refused(name, "is no field of this request")
            self._feed.since(cursor, caller.spacecraft)
        except InvalidRequest as error:
            await response.failed(dispatch.refusal(error))(scope, receive, send)
            return
        with self._place(caller) as has_place:
            if not has_place:
                await response.failed(_FULL)(scope, receive, send)
            elif _STREAM in request.headers.get("accept", ""):
                await self._stream(request, caller, cursor, send)
            else:
                await self._answer_once(request, caller, cursor, send)

    @contextlib.contextmanager
    def _place(self, caller: Caller) -> Iterator[bool]:
        """A place for one client, if there is one: callers without names share them all."""
        most = _MOST if caller is OVER_OPEN_HTTP else _MOST_OF_ONE
        if self._open.total() >= _MOST or self._open[caller.name] >= most:
            yield False
            return
        self._open[caller.name] += 1
        try:
            yield True
        finally:
            self._open[caller.name] -= 1
            self._open += Counter()  # names without a client are forgotten

    async def _answer_once(self, request: HttpRequest, caller: Caller, cursor: str | None, send: Send) -> None:
        """The next changes, or that there were none for a while."""
        deadline = asyncio.get_running_loop().time() + _LONG_POLL
        async with _until_gone(request) as gone:
            while True:
                changed = self._feed.changed
                changes, _ = self._feed.since(cursor, caller.spacecraft)
                left = deadline - asyncio.get_running_loop().time()
                if not changes.is_empty or left <= 0 or gone.done() or self._feed.is_stopping.is_set():
                    break
                await self._wait(gone, left, changed)
        headers = {"Cache-Control": "no-store"}
        await HttpResponse(_encode(changes), headers=headers)(request.scope, request.receive, send)

    async def _stream(self, request: HttpRequest, caller: Caller, cursor: str | None, send: Send) -> None:
        headers = [
            (b"content-type", _STREAM.encode()), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if request.method != "HEAD":
            now = asyncio.get_running_loop().time
            pulse_at = now()
            async with _until_gone(request) as gone:
                while not gone.done() and not self._feed.is_stopping.is_set():
                    changed = self._feed.changed
                    changes, is_reset = self._feed.since(cursor, caller.spacecraft)
                    cursor = changes.cursor
                    if is_reset or not changes.is_empty:
                        text = _event("reset" if is_reset else "changed", changes, cursor)
                        await send({"type": "http.response.body", "body": text, "more_body": True})
                        await self._wait(gone, _APART)
                    elif now() < pulse_at:
                        await self._wait(gone, pulse_at - now(), changed)
                    if now() >= pulse_at:
                        if isinstance(await self._authorization.admit(request, Role.READER), HttpResponse):
                            break  # the token was revoked or has expired
                        text = _event("pulse", Pulse(datetime.now(UTC)))
                        await send({"type": "http.response.body", "body": text, "more_body": True})
                        pulse_at = now() + PULSE
        await send({"type": "http.response.body", "body": b""})

    async def _wait(self, gone: "asyncio.Future[None]", seconds: float, changed: asyncio.Event | None = None) -> None:
        """Wait for some seconds or for a change; a client that goes and a service that stops end it."""
        events = [self._feed.is_stopping] if changed is None else [self._feed.is_stopping, changed]
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait([*waiting, gone], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waiting:
                wait.cancel()


@contextlib.asynccontextmanager
async def _until_gone(request: HttpRequest) -> "AsyncIterator[asyncio.Future[None]]":
    """What is done as soon as the client has disconnected."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task = asyncio.ensure_future(disconnected())
    try:
        yield task
    finally:
        task.cancel()


def _event(name: str, data: Changes | Pulse, cursor: str | None = None) -> bytes:
    position = b"" if cursor is None else b"id: %b\n" % cursor.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (position, name.encode(), _encode(data))
