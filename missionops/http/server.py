"""The HTTP server: in this process, on a port of its own, stopped with the rest."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple

import uvicorn

from missionops.errors import SetupError
from missionops.http import application
from missionops.http.application import Metrics
from missionops.http.authorization import Authorization
from missionops.http.connections import Connections
from missionops.http.protocol import BoundedProtocol
from missionops.http.slots import Slots
from missionops.logs import RepeatFilter
from missionops.operations.authentication import Tokens
from missionops.operations.changes import ChangeFeed
from missionops.operations.operation import Context
from missionops.settings import Settings

log = logging.getLogger(__name__)

_BACKLOG = 256
"""Connections that may wait to be accepted."""
_STOP_TIME = 5
_WARNING_SECONDS = 60.0


class RepeatedWarningFilter(logging.Filter):
    """Lets each warning about a connection pass once a minute: any client can cause one with each connection."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = RepeatFilter(_WARNING_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        return record.levelno != logging.WARNING or self._repeats.is_new(record.msg)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """The process handles signals, not the HTTP server."""
        yield


@asynccontextmanager
async def served(settings: Settings, context: Context, metrics: Metrics) -> AsyncIterator[str]:
    """Serve HTTP for the time of a block; yields its URL. SetupError if the port cannot be had."""
    check(settings)
    host = settings.http_host
    listener = _bind(host, settings.http_port)
    connections = Connections()
    tokens = Tokens(context.database) if settings.http_auth == "tokens" else None
    authorization = Authorization(tokens, settings.http_user_header)
    feed = ChangeFeed(settings.database_url)
    server = _Server(
        uvicorn.Config(
            application.make(
                context,
                authorization,
                Slots(connections),
                feed=feed,
                metrics=metrics,
                auth=settings.http_auth,
                allowed_origins=settings.allowed_origins,
                own_name=host if settings.http_auth == "off" else None,
            ),
            http=partial(BoundedProtocol, connections),  # type: ignore[arg-type] # it makes protocols, as the class does
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_STOP_TIME,
        )
    )
    warning_filter = RepeatedWarningFilter()
    logging.getLogger("uvicorn.error").addFilter(warning_filter)
    task = asyncio.create_task(server.serve(sockets=[listener]))

    def note_end(ended: asyncio.Task[None]) -> None:
        error = None if ended.cancelled() else ended.exception()
        if error or not server.should_exit:
            log.critical("HTTP is not served any more: start the service again", exc_info=error)

    task.add_done_callback(note_end)
    try:
        async with feed.running():  # it ends first, and with it the streams: the server waits for all responses
            yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait([task])  # whatever ended it was logged, and the rest of the service still has to stop
        listener.close()  # the server does so itself, unless something else has ended it
        logging.getLogger("uvicorn.error").removeFilter(warning_filter)


def check(settings: Settings) -> None:
    """SetupError if the service would answer other machines without authentication."""
    if settings.http_auth == "off" and not (
        ip_address(_resolve(settings.http_host, settings.http_port).address[0]).is_loopback
    ):
        raise SetupError(
            f"HTTP on {settings.http_host} would answer every machine that reaches it: set MISSIONOPS_HTTP_AUTH to "
            "tokens (`missionops tokens create` makes them), or to proxy if a proxy before it authenticates all, or "
            "MISSIONOPS_HTTP_HOST to 127.0.0.1."
        )


class _ListenAddress(NamedTuple):
    """Where a socket listens."""

    family: int
    kind: int
    protocol: int
    name: str
    address: Any


def _resolve(host: str, port: int) -> _ListenAddress:
    try:
        return _ListenAddress(*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0])
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _bind(host: str, port: int) -> socket.socket:
    address = _resolve(host, port)
    try:
        listener = socket.socket(address.family, address.kind, address.protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address.address)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    listener.setblocking(False)  # noqa: FBT003 - the name says it
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> SetupError:
    return SetupError(f"HTTP cannot listen on {host}:{port} ({error.strerror}): choose another port.")
