"""The NATS client that the service and the commands share: nats-py's, patched once and before it connects."""

from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.client import Client

from missionops.broker.client_patch import installation, permissions

_FLUSH_TIME = 1


class GuardedClient(Client):
    """A client whose read loop no message can end, and that sends responses to inboxes only (client_patch)."""

    def __init__(self) -> None:
        super().__init__()
        installation.install(self)

    async def connect(self, *arguments: Any, **options: Any) -> None:
        """Connect, and remember from then on what NATS does not permit this client."""
        await super().connect(*arguments, **options)
        permissions.of(self)

    async def drain(self) -> None:
        """End the connection once everything is sent; at once if the server is away or silent.

        nats-py would wait 10 s for each answer of a silent server, and then leave the connection open.
        """
        try:
            await self.flush(_FLUSH_TIME)
            await super().drain()
        except (nats.errors.Error, TimeoutError):
            with suppress(RuntimeError, OSError, nats.errors.Error):  # what is left in the buffer cannot be sent
                await self.close()
