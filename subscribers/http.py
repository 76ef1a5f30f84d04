"""HTTP: health, and later the same operations as over NATS."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from missionops.errors import Unfit
from missionops.operations.health import Health

HealthCheck = Callable[[], Awaitable[Health]]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Signals are the whole process's business, not the HTTP server's."""
        yield


@asynccontextmanager
async def served(host: str, port: int, health: HealthCheck) -> AsyncIterator[str]:
    """Serve HTTP for the time of a block; yields its URL. Unfit if the port cannot be had."""
    config = uvicorn.Config(
        _application(health), log_config=None, access_log=False, lifespan="off", server_header=False
    )
    server = _Server(config)
    listener = _bind(host, port)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
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


def _application(health: HealthCheck) -> Starlette:
    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_: Request) -> Response:
        found = await health()
        return Response(
            msgspec.json.encode(found), 200 if found.status == "ready" else 503, media_type="application/json"
        )

    return Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready)])
