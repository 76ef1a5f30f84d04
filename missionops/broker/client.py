"""The NATS client that the service and the commands share: nats-py's, with parts replaced before it connects.

Its read loop ends for no message. nats-py 2.16 parses header blocks and subjects inside the task that reads the socket.
A header block that does not begin with `NATS/1.0`, a status line that is not UTF-8, a subject that is not UTF-8 or that
holds a vertical tab or a form feed (the server lets them through) ends that task with `is_connected` still true, and
the redelivery ends the next one: tests/integration/dead_letters/test_dead_letters.py sends each of these. The response
to a flush that was given up ends it too, when it arrives late (tests/integration/broker/test_connection.py).

A cancelled task ends. nats-py swallows a cancellation during a publish, and before Python 3.12 `asyncio.wait_for`
swallows one that comes with the response: the methods that wait for the server raise it again
(tests/integration/broker/test_cancellation.py).

Responses go to inboxes, and not to any subject that a request names. The service may publish to its streams, and its
clients may not: one that named such a subject as its reply subject could make the service publish there in its own
name, a list as an alarm for instance. NATS cannot tell these apart, so such a request loses its reply subject when it
arrives, and a request without one is not handled.
"""

import asyncio
import importlib.metadata
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from missionops.broker import permissions
from missionops.broker.parser import Parser, Sink
from missionops.errors import SetupError
from missionops.wire import headers

_SUPPORTED = "2.16"
_FLUSH_TIME = 1
_WAITING = ("_flush_pending", "flush", "_request_new_style", "_request_old_style")
_OURS = (
    b"telemetry.",
    b"anomalies.",
    b"alarms.",
    b"events.",
    b"deadletters.",
    b"missionops.",
    b"$JS.API.",
    b"$SRV.",
    b"$SYS.",
)

P = ParamSpec("P")
T = TypeVar("T")


class GuardedClient(Client):
    """A client whose read loop no message can end, and that sends responses to inboxes only."""

    def __init__(self) -> None:
        super().__init__()
        guard(self)

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


def guard(client: Client) -> None:
    """Replace parts of `client`, before it connects; SetupError for a nats-py that this was not written for.

    Every message is delivered; those whose headers could not be read are `headers.is_broken`.
    """
    version = importlib.metadata.version("nats-py")
    if version.split(".")[:2] != _SUPPORTED.split("."):
        raise SetupError(
            f"nats-py {version} is installed, and missionops replaces parts of nats-py {_SUPPORTED}: install "
            f"'nats-py=={_SUPPORTED}.*'."
        )
    build_message, process_pong = client._build_message, client._process_pong  # noqa: SLF001 - the module says why

    async def guarded_headers(block: bytes | None) -> dict[str, str] | None:
        return (headers.read(block) or None) if block else None

    def guarded_message(sid: int, subject: bytes, reply: bytes, data: bytes, given: Any) -> Any:
        if reply.startswith(_OURS):
            reply = b""
        try:
            return build_message(sid, subject, reply, data, given)
        except UnicodeDecodeError:
            return Msg(client, headers.text(subject), headers.text(reply), data, given, _sid=sid)

    async def guarded_pong() -> None:
        pongs = client._pongs  # noqa: SLF001
        if pongs and pongs[0].done():  # nobody waits for it any more
            pongs[0] = asyncio.get_running_loop().create_future()
        await process_pong()

    for name in _WAITING:
        setattr(client, name, _cancellable(getattr(client, name)))
    client._ps = Parser(client)  # type: ignore[assignment] # noqa: SLF001
    client._process_pong = guarded_pong  # type: ignore[method-assign] # noqa: SLF001
    client._process_headers = guarded_headers  # type: ignore[method-assign,assignment] # noqa: SLF001
    client._build_message = guarded_message  # type: ignore[method-assign,assignment] # noqa: SLF001


def _cancellable(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """`method`, cancelled whenever the task that waits for it is."""

    @wraps(method)
    async def cancellable(*arguments: P.args, **named: P.kwargs) -> T:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        result = await method(*arguments, **named)
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
        return result

    return cancellable


def divert(client: Client, subscription: Subscription, sink: Sink) -> None:
    """Have `sink` called for each message of a subscription, at once and in order, past its queue and callback."""
    _sinks(client)[b"%d" % subscription._id] = sink  # noqa: SLF001 - nats-py does not show the number


def release(client: Client, subscription: Subscription) -> None:
    """End what `divert` began."""
    _sinks(client).pop(b"%d" % subscription._id, None)  # noqa: SLF001


def _sinks(client: Client) -> dict[bytes, Sink]:
    return cast("Parser", client._ps).sinks  # noqa: SLF001 - put there by `guard`
