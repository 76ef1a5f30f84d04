"""The connection to NATS: FastStream's broker, set up so that it waits for a server that is away."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from faststream.nats import NatsBroker
from faststream.nats.security import NatsCredentials, NatsNKey, NatsSecurity, NatsToken, NatsUserPassword
from nats.aio.client import Client

from missionops import nats_access, nats_guard, nats_refusal, nats_replies
from missionops.errors import Unavailable, Unfit
from missionops.settings import NatsAccess

log = logging.getLogger(__name__)


def make(access: NatsAccess, reconnected: Callable[[], None], closed: Callable[[str], None]) -> NatsBroker:
    """A broker for the servers that `access` names, and the user that it makes us.

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
        if _is_final(said) or isinstance(error, ssl.SSLCertVerificationError):
            closed(said)

    async def on_reconnect() -> None:
        nonlocal last_error
        last_error = ""
        log.warning("connected to NATS again")
        reconnected()

    async def on_close() -> None:
        closed(last_error or "no reason given")

    options = nats_access.options(access)
    return NatsBroker(
        options["servers"],
        security=_security(options),
        inbox_prefix=options["inbox_prefix"],
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


def _security(options: dict[str, Any]) -> NatsSecurity:
    """The same as nats-py takes it, in FastStream's words."""
    tls: dict[str, Any] = {
        "ssl_context": options.get("tls"),
        "tls_handshake_first": options["tls_handshake_first"],
    }
    match options:
        case {"user": user, "password": password}:
            return NatsUserPassword(user, password, **tls)
        case {"token": token}:
            return NatsToken(token, **tls)
        case {"nkeys_seed": file}:
            return NatsNKey.from_file(file, **tls)
        case {"user_credentials": file}:
            return NatsCredentials.from_file(file, **tls)
        case _:
            return NatsSecurity(**tls)


async def connect(broker: NatsBroker, closed: "asyncio.Future[str]") -> Client:
    """Connect, guard the client against what publishers may send, and return it.

    Waits for a server that is away; Unfit once it is `closed`, which it is for a user whom the server does not know.
    """
    connecting = asyncio.create_task(broker.connect())
    connecting.add_done_callback(lambda task: task.cancelled() or task.exception())  # it has been looked at
    try:
        await asyncio.wait((connecting, closed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        connecting.cancel()
    if closed.done():
        raise Unfit(f"NATS refuses us ({closed.result()}): see the settings MISSIONOPS_NATS_… in the README.")
    try:
        client = connecting.result()
    except Exception as error:
        raise Unavailable(f"Cannot reach NATS: {str(error) or type(error).__name__}.") from error
    nats_guard.install(client)
    nats_replies.guard(client)
    nats_refusal.of(client)  # from the first refusal on
    return client


def _is_final(said: str) -> bool:
    """Whether the server itself has refused us, in quotes: nats-py ends its attempts then, and says so to nobody."""
    return said.startswith("nats: '") and "permissions violation" not in said.lower()
