"""The missionops service on one NATS server, as the commands ask it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from nats.aio.client import Client

from missionops.cli.client import connection, loop, pagination
from missionops.cli.client.pagination import Pages


class Service:
    """What all commands have in common that ask the service: where it is, and how it is asked."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __str__(self) -> str:
        return self.url

    def connected(self) -> AbstractAsyncContextManager[Client]:
        """A connection for the time of a block."""
        return connection.connected(self.url)

    def request(
        self, subject: str, request: Mapping[str, Any] | bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The response to one request, as it came; fields that are None are left out."""
        if isinstance(request, bytes):
            body = request
        else:
            body = msgspec.json.encode({name: value for name, value in request.items() if value is not None})

        async def ask() -> bytes:
            async with self.connected() as client:
                return await connection.request(client, subject, body, headers)

        return loop.run(ask())

    def list(
        self, subject: str, request: Mapping[str, Any], *, at_most: int | None = None, by_limit: bool = True
    ) -> Pages:
        """The items of a list, from as many responses as it takes; see `pagination.collect`."""

        async def collect() -> Pages:
            async with self.connected() as client:
                return await pagination.collect(client, subject, request, at_most=at_most, by_limit=by_limit)

        return loop.run(collect())


LOCAL = Service(connection.DEFAULT_URL)
"""The service that `missionops up` runs."""
