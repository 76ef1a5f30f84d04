"""A command's connection to NATS: a server that cannot be reached is reported soon, one that goes away is awaited."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors, settings
from missionops.broker import options, permissions
from missionops.broker.client import GuardedClient

DEFAULT_URL = "nats://127.0.0.1:4222"
CONNECT_SECONDS = 2
REPLY_SECONDS = 6.0
RECONNECT_PAUSE_SECONDS = 0.25
RECONNECT_TRIES = 120
FOR_EVER = -1

ErrorCallback = Callable[[Exception], Awaitable[None]]

_REFUSED: Mapping[str, type[errors.Refused]] = {
    one.code: one for one in (errors.InvalidRequest, errors.NotFound, errors.Conflict, errors.TooLarge)
}


class _Detail(msgspec.Struct):
    path: str
    message: str


class _Error(msgspec.Struct):
    code: str
    message: str
    details: list[_Detail] = []


class _Reply(msgspec.Struct):
    error: _Error | None = None


_decode_reply = msgspec.json.Decoder(_Reply).decode


@asynccontextmanager
async def connected(
    server: str, *, reconnect_tries: int = RECONNECT_TRIES, on_error: ErrorCallback | None = None
) -> AsyncIterator[Client]:
    """A client that is connected to `server` as the settings say; Unavailable in one sentence if it cannot be."""
    if not server.strip(" ,"):
        raise errors.SetupError(f"{server!r} is no NATS URL such as {DEFAULT_URL}: give one with --server.")
    access = settings.read_access(nats_url=DEFAULT_URL).model_copy(update={"nats_url": server})
    async with connected_as(access, reconnect_tries=reconnect_tries, on_error=on_error) as client:
        yield client


@asynccontextmanager
async def connected_as(
    access: settings.NatsAccess, *, reconnect_tries: int = RECONNECT_TRIES, on_error: ErrorCallback | None = None
) -> AsyncIterator[Client]:
    """A client that is connected exactly as `access` says; Unavailable in one sentence if it cannot be."""
    client = GuardedClient()
    failures: list[Exception] = []

    async def note_error(error: Exception) -> None:
        failures.append(error)
        if on_error and client.is_connected:
            await on_error(error)

    given: dict[str, Any] = {"max_reconnect_attempts": 1, "reconnect_time_wait": 0.05, **options.options(access)}
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS + 1):
            await client.connect(name="missionops", connect_timeout=CONNECT_SECONDS, error_cb=note_error, **given)
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        if access.nats_tls_first and any("WRONG_VERSION_NUMBER" in str(failure) for failure in failures):
            raise errors.SetupError(
                "NATS speaks first and TLS comes later, while MISSIONOPS_NATS_TLS_FIRST is true: set it to false, or "
                "raise handshake_first of the server if it waits for TLS and this connection is slow."
            ) from None
        raise _unreachable(access.nats_url, [*failures, error]) from None
    # A user can mend an address at which no server is; a server that goes away later is waited for.
    client.options["max_reconnect_attempts"] = reconnect_tries
    client.options["reconnect_time_wait"] = RECONNECT_PAUSE_SECONDS
    try:
        yield client
    finally:
        await client.close()


async def request(client: Client, subject: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """The reply's body as it came; the error that it holds is raised."""
    return (await ask(client, subject, body, headers)).data


async def ask(client: Client, subject: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Msg:
    """The reply with its headers; the error that it holds is raised."""
    try:
        reply = await permissions.unless_refused(
            client,
            subject,
            client.request(subject, body, timeout=REPLY_SECONDS, headers=dict(headers) if headers else None),
        )
    except nats.errors.NoRespondersError:
        raise errors.Unavailable(
            f"No missionops service answers {subject} on this NATS server: start one with `missionops serve` or "
            "`missionops up`."
        ) from None
    except nats.errors.MaxPayloadError:
        raise errors.TooLarge(f"NATS takes at most {client.max_payload} bytes, and this is {len(body)}.") from None
    except nats.errors.TimeoutError:
        raise errors.Unavailable(f"No answer to {subject} within {REPLY_SECONDS:.0f} s; it may work later.") from None
    except nats.errors.Error as error:
        raise errors.Unavailable(f"The connection to NATS failed: {error}.") from None
    raise_error_of(reply.data)
    return reply


def raise_error_of(reply: bytes) -> None:
    """Raises the error that a reply holds, if it holds one."""
    try:
        error = _decode_reply(reply).error
    except msgspec.DecodeError:
        return  # An array, say; an error is always an object.
    if error is None:
        return
    details = tuple(errors.Detail(detail.path, detail.message) for detail in error.details)
    if error_class := _REFUSED.get(error.code):
        raise error_class(error.message, details)
    if error.code == errors.Unavailable.code:
        raise errors.Unavailable(error.message)
    raise errors.MissionopsError(f"The service failed ({error.code}): {error.message}")


def _unreachable(servers: str, failures: list[Exception]) -> errors.MissionopsError:
    """Why no connection came about, and what the user can do about it."""
    urls = [url.strip() for url in servers.split(",")]
    address = ", ".join(re.sub("//[^/]*@", "//", url) for url in urls)  # without a password
    if broken := next((error for error in failures if isinstance(error, ssl.SSLError)), None):
        return errors.SetupError(
            f"NATS at {address} cannot be trusted, or does not trust us ({broken.reason or broken}): see "
            "MISSIONOPS_NATS_CA_FILE, MISSIONOPS_NATS_CERT_FILE and MISSIONOPS_NATS_KEY_FILE."
        )
    reasons = " ".join(map(str, failures)).lower()
    if "authorization" in reasons or "authentication" in reasons:
        return errors.SetupError(
            f"NATS at {address} refuses this user: set MISSIONOPS_NATS_USER and MISSIONOPS_NATS_PASSWORD, or another "
            "way to log in; docs/running.md names them all."
        )
    if "invalid connect url" in reasons or "port could not be cast" in reasons or "out of range" in reasons:
        return errors.SetupError(f"{address!r} is no NATS URL such as {DEFAULT_URL}: give one with --server.")
    return errors.Unavailable(
        f'Cannot reach NATS at {address}: start it with "missionops up", or name another server with --server.'
    )
