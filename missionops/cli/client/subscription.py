"""A subscription whose messages are printed until there are enough."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors
from missionops.broker import permissions
from missionops.cli.client import connection, stored_messages
from missionops.cli.client.service import Service
from missionops.cli.output import terminal
from missionops.cli.output.message_line import Message

LOOK_SECONDS = 0.5
REMEMBERED = 10_000
"""How many messages are recognised when they are published again."""


async def listen(
    subject: str, show: Callable[[Message], None], count: int | None, since: datetime | None, service: Service
) -> None:
    """Show the messages that the subject's stream keeps since a time, if one is given, and then those that arrive.

    Returns after `count` messages, if a count is given.
    """
    listener = _Listener(show, count)
    if since:
        stored_messages.stream_of(subject)  # refuses a subject that no stream keeps
    async with connection.connected(
        service.url, reconnect_tries=connection.FOR_EVER, on_error=listener.on_error
    ) as client:
        try:
            await client.subscribe(subject, cb=listener.on_message)
            await client.flush()
        except nats.errors.BadSubjectError:
            raise errors.InvalidRequest(f"{subject!r} is no subject such as alarms.* or deadletters.>.") from None
        except nats.errors.Error as error:
            raise errors.Unavailable(f"The connection to NATS failed: {error}.") from None
        terminal.note(f"Watching {terminal.printable(subject)}; Ctrl-C ends.")
        if since:
            async for message in stored_messages.since(client, subject, since):
                listener.show(message)
                if listener.is_done:
                    break
        listener.go_live()
        await listener.until_done(client, subject)


class _Listener:
    """Shows messages, each once, and knows when there were enough."""

    def __init__(self, show: Callable[[Message], None], count: int | None) -> None:
        self._show = show
        self._count = count
        self._shown = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dropped = False
        self._early: list[Msg] | None = []
        """What arrived before all stored messages were shown."""
        self._known: dict[bytes, None] = {}

    @property
    def is_done(self) -> bool:
        return self._done.done()

    async def on_message(self, message: Msg) -> None:
        if self._early is not None:
            self._early.append(message)
        else:
            self.show(message)

    def go_live(self) -> None:
        """From here on messages are shown as they come."""
        early, self._early = self._early or [], None
        for message in early:
            self.show(message)

    def show(self, message: Message) -> None:
        """Show a message unless it was shown before: read from the stream, or published again by the service."""
        if self.is_done:
            return
        name = (message.headers or {}).get("Nats-Msg-Id")
        if name is not None:
            content = f"{message.subject}\0{name}\0".encode() + message.data
            digest = hashlib.blake2b(content, digest_size=16).digest()
            if digest in self._known:
                return
            self._known[digest] = None
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        try:
            self._show(message)
        except BaseException as error:  # noqa: BLE001 - raised again in until_done, the end of output too
            self._done.set_exception(error)
            return
        self._shown += 1
        if self._shown == self._count:
            self._done.set_result(None)

    async def on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError) and not self._dropped:
            self._dropped = True
            terminal.note("More messages arrive than can be printed: some are left out.")

    async def until_done(self, client: Client, subject: str) -> None:
        """Wait until enough messages were shown, and report what happens to the connection meanwhile."""
        was_connected, last_connected, reconnects = True, time.monotonic(), client.stats["reconnects"]
        while not (await asyncio.wait([self._done], timeout=LOOK_SECONDS))[0]:
            if reason := permissions.of(client).of_subscription(subject):
                raise errors.SetupError(reason)
            if client.is_closed:
                raise errors.Unavailable("The connection to NATS is gone.")
            if was_connected and not client.is_connected:
                terminal.note("NATS is away; waiting for it.")
            was_connected = client.is_connected
            if not was_connected:
                continue
            if client.stats["reconnects"] != reconnects:
                reconnects = client.stats["reconnects"]
                note = "NATS is back. What was published in between is not shown"
                if stored_messages.is_kept(subject):
                    seconds = int(time.monotonic() - last_connected) + 2
                    since = f"`missionops watch {terminal.printable(subject)} --since {seconds}s`"
                    terminal.note(f"{note}: {since} shows it.")
                else:
                    terminal.note(f"{note}.")
            last_connected = time.monotonic()
        await self._done
