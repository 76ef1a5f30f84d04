"""A subscription whose messages go to standard output until enough were seen."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors
from missionops.broker.client_patch import permissions
from missionops.cli.client import connection, stored_messages
from missionops.cli.output import terminal
from missionops.cli.output.message_line import Message

LOOK_SECONDS = 0.5
REMEMBERED = 10_000
"""How many messages are known again when they come again."""


async def listen(
    subject: str, show: Callable[[Message], None], count: int | None, since: datetime | None, server_url: str
) -> None:
    """Shows what the subject's stream keeps since a time, if one is given, and then what comes on the subject.

    Returns after `count` messages, if ever.
    """
    listener = _Listener(show, count)
    if since:
        stored_messages.stream_of(subject)  # refuses a subject that no stream keeps
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
        if since:
            async for message in stored_messages.since(client, subject, since):
                listener.see(message)
                if listener.is_done:
                    break
        listener.go_live()
        await listener.until_done(client, subject)


class _Listener:
    """What it has seen so far."""

    def __init__(self, show: Callable[[Message], None], count: int | None) -> None:
        self._show = show
        self._count = count
        self._seen = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dropped = False
        self._early: list[Msg] | None = []
        """What came live before all that is stored was shown."""
        self._known: dict[bytes, None] = {}

    @property
    def is_done(self) -> bool:
        return self._done.done()

    async def hear(self, message: Msg) -> None:
        if self._early is not None:
            self._early.append(message)
        else:
            self.see(message)

    def go_live(self) -> None:
        """From here on messages are shown as they come."""
        early, self._early = self._early or [], None
        for message in early:
            self.see(message)

    def see(self, message: Message) -> None:
        """Shows a message that was not shown before."""
        if self.is_done or self._is_repeat(message):
            return
        try:
            self._show(message)
        except BaseException as error:  # noqa: BLE001 - the end of output too belongs to whoever waits
            self._done.set_exception(error)
            return
        self._seen += 1
        if self._seen == self._count:
            self._done.set_result(None)

    def _is_repeat(self, message: Message) -> bool:
        """Whether it was seen: in the stream before it came live, or sent again by a service that was not sure."""
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
        here, last_seen, reconnects = True, time.monotonic(), client.stats["reconnects"]
        while not (await asyncio.wait([self._done], timeout=LOOK_SECONDS))[0]:
            if reason := permissions.of(client).of_subscription(subject):
                raise errors.SetupError(reason)
            if client.is_closed:
                raise errors.Unavailable("The connection to NATS is gone.")
            if here and not client.is_connected:
                terminal.note("NATS is away; waiting for it.")
            here = client.is_connected
            if not here:
                continue
            if client.stats["reconnects"] != reconnects:
                reconnects = client.stats["reconnects"]
                terminal.note(_gap(subject, time.monotonic() - last_seen))
            last_seen = time.monotonic()
        await self._done


def _gap(subject: str, seconds: float) -> str:
    """What a reconnect means for whoever watches."""
    said = "NATS is back. What was published in between is not shown"
    try:
        stored_messages.stream_of(subject)
    except errors.InvalidRequest:
        return f"{said}."
    return f"{said}: `missionops watch {terminal.printable(subject)} --since {int(seconds) + 2}s` shows it."
