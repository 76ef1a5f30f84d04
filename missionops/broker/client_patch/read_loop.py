"""Keeps nats-py's read loop alive whatever a publisher sends, and lets it read as fast as telemetry needs.

nats-py 2.16 parses header blocks and subjects inside the task that reads the socket. A header block that does not
begin with `NATS/1.0`, a status line that is not UTF-8, a subject that is not UTF-8 or that holds a vertical tab or a
form feed (the server lets them through) ends that task with `is_connected` still true, and the redelivery ends the
next one. So its parser and private methods of a client are replaced here; installation.py refuses other versions, and
tests/integration/dead_letters/test_dead_letters.py sends each of these.

It also swallows a cancellation during a publish, and before Python 3.12 `asyncio.wait_for` swallows one that comes with
the response, so that a cancelled task would go on: the methods that wait for the server raise it again
(tests/integration/broker/test_cancellation.py). And the response to a flush that was given up ends the read loop when
it arrives late (tests/integration/broker/test_connection.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from missionops.broker.client_patch.parser import Parser, Sink
from missionops.wire import headers

_WAITING = ("_flush_pending", "flush", "_request_new_style", "_request_old_style")
P = ParamSpec("P")
T = TypeVar("T")


def install(client: Client) -> None:
    """Make `client` deliver every message; those whose headers could not be read are `headers.is_broken`."""
    build_message = client._build_message  # noqa: SLF001 - see the module's docstring

    async def guarded_headers(block: bytes | None) -> dict[str, str] | None:
        return headers.read(block) or None

    def guarded_message(sid: int, subject: bytes, reply: bytes, data: bytes, given: Any) -> Any:
        try:
            return build_message(sid, subject, reply, data, given)
        except UnicodeDecodeError:
            return Msg(client, headers.text(subject), headers.text(reply), data, given, _sid=sid)

    process_pong = client._process_pong  # noqa: SLF001 - see the module's docstring

    async def guarded_pong() -> None:
        pongs = client._pongs  # noqa: SLF001 - see the module's docstring
        if pongs and pongs[0].done():  # whoever waited for it has given up
            pongs[0] = asyncio.get_running_loop().create_future()
        await process_pong()

    for name in _WAITING:
        setattr(client, name, _cancellable(getattr(client, name)))
    client._ps = Parser(client)  # type: ignore[assignment] # noqa: SLF001 - see the module's docstring
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
    _sinks(client).pop(b"%d" % subscription._id, None)  # noqa: SLF001 - see the module's docstring


def _sinks(client: Client) -> dict[bytes, Sink]:
    parser = cast("Parser", client._ps)  # noqa: SLF001 - put there by `install`
    return parser.sinks
