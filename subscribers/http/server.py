"""The HTTP server: in this process, on a port of its own, stopped with the rest."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from missionops.errors import Unfit
from missionops.operations.operation import Context
from missionops.settings import Settings
from subscribers.http import application, protocol

_CONNECTIONS = 1_000
_STOP_TIME = 5


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Signals are the whole process's business, not the HTTP server's."""
        yield


@asynccontextmanager
async def served(settings: Settings, context: Context) -> AsyncIterator[str]:
    """Serve HTTP for the time of a block; yields its URL. Unfit if the port cannot be had."""
    host = settings.http_host
    listener = _bind(host, settings.http_port)
    server = _Server(
        uvicorn.Config(
            application.make(context, settings.allowed_origins),
            http=protocol.BoundedProtocol,
            h11_max_incomplete_event_size=protocol.HEAD_BYTES,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_TIME,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        raise Unfit(f"HTTP cannot listen on {host}:{port} ({error.strerror}): choose another port.") from error
    listener.setblocking(False)  # noqa: FBT003 - the name says it
    return listener
