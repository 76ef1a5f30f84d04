"""The connection to NATS: FastStream's broker, set up so that it waits for a server that is away."""

import logging
from collections.abc import Awaitable, Callable

from faststream.nats import NatsBroker
from nats.aio.client import Client

from missionops import nats_guard
from missionops.errors import Unavailable

log = logging.getLogger(__name__)


def make(url: str, reconnected: Callable[[], None]) -> NatsBroker:
    """A broker for the servers in `url` (several by commas); `reconnected` is called when a lost connection is back."""

    async def on_reconnect() -> None:
        log.warning("connected to NATS again")
        reconnected()

    return NatsBroker(
        [server.strip() for server in url.split(",")],
        name="missionops",
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        connect_timeout=3,
        ping_interval=10,
        max_outstanding_pings=2,
        reconnected_cb=on_reconnect,
        disconnected_cb=_warn("the connection to NATS is lost"),
        error_cb=_report,
        logger=None,
    )


async def connect(broker: NatsBroker) -> Client:
    """Connect, guard the client against what publishers may send, and return it."""
    try:
        client = await broker.connect()
    except Exception as error:
        raise Unavailable(f"Cannot reach NATS: {str(error) or type(error).__name__}.") from error
    nats_guard.install(client)
    return client


def _warn(sentence: str) -> Callable[[], Awaitable[None]]:
    async def warn() -> None:
        log.warning(sentence)

    return warn


async def _report(error: Exception) -> None:
    log.warning("NATS: %s", str(error) or type(error).__name__)
