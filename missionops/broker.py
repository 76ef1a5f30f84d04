"""The connection to NATS: FastStream's broker, set up so that it waits for a server that is away."""

import logging
from collections.abc import Callable

from faststream.nats import NatsBroker
from nats.aio.client import Client

from missionops import nats_guard
from missionops.errors import Unavailable

log = logging.getLogger(__name__)


def make(url: str, reconnected: Callable[[], None], closed: Callable[[str], None]) -> NatsBroker:
    """A broker for the servers in `url` (several by commas).

    `reconnected` is called when a lost connection is back; `closed`, once or more, when it is over for good, with the
    last word of NATS. The server ends it for a client that it takes for faulty or no longer knows, and nats-py does
    not come back from that.
    """
    last_error = ""

    async def report(error: Exception) -> None:
        nonlocal last_error
        said = str(error) or type(error).__name__
        if said != last_error:  # while a server is away, every attempt fails in the same words
            log.warning("NATS: %s", said)
        last_error = said
        if _is_final(said):
            closed(said)

    async def on_reconnect() -> None:
        nonlocal last_error
        last_error = ""
        log.warning("connected to NATS again")
        reconnected()

    async def on_close() -> None:
        closed(last_error or "no reason given")

    return NatsBroker(
        [server.strip() for server in url.split(",")],
        name="missionops",
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        connect_timeout=3,
        ping_interval=10,
        max_outstanding_pings=2,
        reconnected_cb=on_reconnect,
        closed_cb=on_close,
        error_cb=report,
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


def _is_final(said: str) -> bool:
    """Whether the server itself has refused us, in quotes: nats-py ends its attempts then, and says so to nobody."""
    return said.startswith("nats: '") and "permissions violation" not in said.lower()
