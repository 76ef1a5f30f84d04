"""A subscription whose messages go to standard output until enough were seen."""

import asyncio
import hashlib
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors, nats_refusal
from missionops.cli import connection, terminal

LOOK_SECONDS = 0.5
REMEMBERED = 10_000
"""How many messages are known again when they come again."""


async def listen(subject: str, render: Callable[[Msg], str], count: int | None, server_url: str) -> None:
    """Prints what comes on `subject`; returns after `count` messages, if ever."""
    listener = _Listener(render, count)
    async with connection.connected(
        server_url, reconnect_tries=connection.FOR_EVER, on_error=listener.hear_error
    ) as client:
        try:
            await client.subscribe(subject, cb=listener.hear)
            await client.flush()
        except nats.errors.BadSubjectError:
            raise errors.InvalidRequest(f"{subject!r} is no subject such as anomalies.* or deadletters.>.") from None
        except nats.errors.Error as error:
            raise errors.Unavailable(f"The connection to NATS failed: {error}.") from None
        terminal.note(f"Watching {terminal.printable(subject)}; Ctrl-C ends.")
        await listener.until_done(client, subject)


class _Listener:
    """What it has seen so far."""

    def __init__(self, render: Callable[[Msg], str], count: int | None) -> None:
        self._render = render
        self._count = count
        self._seen = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dropped = False
        self._known: dict[bytes, None] = {}

    async def hear(self, message: Msg) -> None:
        if self._done.done() or self._is_repeat(message):
            return
        try:
            terminal.result(self._render(message))
        except BaseException as error:  # noqa: BLE001 - the end of output too belongs to whoever waits
            self._done.set_exception(error)
            return
        self._seen += 1
        if self._seen == self._count:
            self._done.set_result(None)

    def _is_repeat(self, message: Msg) -> bool:
        """Whether it was seen: the service may send a message again that the stream refused, or has already."""
        name = (message.headers or {}).get("Nats-Msg-Id")
        if name is None:
            return False
        said = f"{message.subject}\0{name}\0".encode() + message.data
        digest = hashlib.blake2b(said, digest_size=16).digest()
        if digest in self._known:
            return True
        self._known[digest] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return False

    async def hear_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError) and not self._dropped:
            self._dropped = True
            terminal.note("More comes than can be printed: some messages are left out.")

    async def until_done(self, client: Client, subject: str) -> None:
        """Watches over the connection meanwhile."""
        here = True
        while not (await asyncio.wait([self._done], timeout=LOOK_SECONDS))[0]:
            if reason := nats_refusal.of(client).of_subscription(subject):
                raise errors.Unfit(reason)
            if client.is_closed:
                raise errors.Unavailable("The connection to NATS is gone.")
            if client.is_connected != here:
                here = client.is_connected
                terminal.note("NATS is back." if here else "NATS is away; waiting for it.")
        await self._done
