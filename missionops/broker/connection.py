"""The connection to NATS: FastStream's broker, set up so that it waits for a server that is away."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from faststream.nats import NatsBroker
from nats.aio.client import Client

from missionops.broker import options
from missionops.broker.client import GuardedClient
from missionops.errors import SetupError, Unavailable
from missionops.logs import RepeatFilter
from missionops.settings import NatsAccess

log = logging.getLogger(__name__)

_STOP_TIME = 1.0


class Broker(NatsBroker):
    """FastStream's broker with a client that was made before, and that connects as nats-py is told to.

    `NatsBroker` makes its client while it connects, when it is too late to guard it, and takes credentials in security
    classes of its own only. Each FastStream broker says how it connects in `_connect`; this one does so for ours.
    """

    def __init__(self, client: GuardedClient, access: NatsAccess, **more: Any) -> None:
        self._access = options.options(access)
        self._client = client
        # FastStream builds no pydantic models for us: our handlers take messages as they came, and read them.
        super().__init__(self._access["servers"], apply_types=False, serializer=None, **more)

    async def _connect(self) -> Client:
        await self._client.connect(**self._connection_kwargs | self._access)
        self.config.connect(self._client)
        return self._client


def make(
    client: GuardedClient, access: NatsAccess, reconnected: Callable[[], None], closed: Callable[[str], None]
) -> Broker:
    """A broker that connects `client` to the servers that `access` names, as the user that it makes us.

    `reconnected` is called when a lost connection is back; `closed`, once or more, when it is closed for good, with the
    last error. The server ends it for a client that it takes for faulty or no longer knows, and nats-py does
    not come back from that.
    """
    last_error, repeats = "", RepeatFilter()

    async def report(error: Exception) -> None:
        nonlocal last_error
        last_error = str(error) or type(error).__name__
        if repeats.is_new(last_error):  # while a server is away, every attempt fails in the same words
            log.warning("NATS: %s", last_error)
        # The server's own refusals stand in quotes; after one nats-py ends its attempts to connect without a word.
        is_refusal = last_error.startswith("nats: '") and "permissions violation" not in last_error.lower()
        if is_refusal or isinstance(error, ssl.SSLCertVerificationError):
            closed(last_error)

    async def on_reconnect() -> None:
        nonlocal last_error
        last_error = ""
        repeats.reset()
        log.warning("connected to NATS again")
        reconnected()

    async def on_close() -> None:
        closed(last_error or "no reason given")

    return Broker(
        client,
        access,
        name="missionops",
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        connect_timeout=3,
        ping_interval=10,
        max_outstanding_pings=2,
        reconnected_cb=on_reconnect,
        closed_cb=on_close,
        error_cb=report,
        graceful_timeout=_STOP_TIME,  # for each subscriber; those of requests are drained before
        logger=None,  # subscribers/middlewares.py logs what a person can use
    )


async def connect(broker: Broker, closed: "asyncio.Future[str]") -> Client:
    """Connect the broker's client and return it.

    Waits for a server that is away; SetupError once it is `closed`, as it is for a user that the server does not know.
    """
    connecting = asyncio.create_task(broker.connect())
    # So that asyncio does not report its error as unseen.
    connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        await asyncio.wait((connecting, closed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        connecting.cancel()
    if closed.done():
        raise SetupError(f"NATS refuses us ({closed.result()}): see the settings MISSIONOPS_NATS_… in docs/running.md.")
    try:
        return connecting.result()
    except Exception as error:
        raise Unavailable(f"Cannot reach NATS: {str(error) or type(error).__name__}.") from error
