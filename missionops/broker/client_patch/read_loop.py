"""Keeps nats-py's read loop alive whatever a publisher sends, and lets it read as fast as telemetry needs.

nats-py 2.16 parses header blocks and subjects inside the task that reads the socket. A header block that does not
begin with `NATS/1.0`, a status line that is not UTF-8, a subject that is not UTF-8 or that holds a vertical tab or a
form feed (the server lets them through) ends that task with `is_connected` still true, and the redelivery ends the
next one. So its parser and private methods of a client are replaced here; the version is pinned in
pyproject.toml, and tests/integration/test_dead_letters.py sends each of these.

It also swallows a cancellation that meets a publish, and before Python 3.12 `asyncio.wait_for` swallows one that meets
the answer, so that whoever was asked to end would go on: the methods that wait for the server heed it
(tests/integration/test_cancellation.py). And the answer to a flush that was given up ends the task, too, when it comes
after all (tests/integration/test_broker.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from missionops.broker.client_patch.parser import Parser, Sink

_VERSION = b"NATS/1.0"
_BROKEN = "broken headers"  # no publisher can send it: a name with white space is left out when it is read
_STATUS_DIGITS = 3
REQUEST_INFO = "Nats-Request-Info"
"""The header in which the server says who asks; see `nats_identity`."""
_REQUEST_INFO_LINE = f"\r\n{REQUEST_INFO}: ".encode()
_WAITING = ("_flush_pending", "flush", "_request_new_style", "_request_old_style")
P = ParamSpec("P")
T = TypeVar("T")


def install(client: Client) -> None:
    """Make `client` deliver every message; those whose headers could not be read are `is_broken`."""
    build_message = client._build_message  # noqa: SLF001 - see the module's docstring

    async def guarded_headers(block: bytes | None) -> dict[str, str] | None:
        return headers(block) or None

    def guarded_message(sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any) -> Any:
        try:
            return build_message(sid, subject, reply, data, headers)
        except UnicodeDecodeError:
            return Msg(client, text(subject), text(reply), data, headers, _sid=sid)

    process_pong = client._process_pong  # noqa: SLF001 - likewise

    async def guarded_pong() -> None:
        pongs = client._pongs  # noqa: SLF001 - likewise
        if pongs and pongs[0].done():  # nobody waits for it any more
            pongs[0] = asyncio.get_running_loop().create_future()
        await process_pong()

    for name in _WAITING:
        setattr(client, name, _heeding(getattr(client, name)))
    client._ps = Parser(client)  # type: ignore[assignment] # noqa: SLF001 - likewise
    client._process_pong = guarded_pong  # type: ignore[method-assign] # noqa: SLF001
    client._process_headers = guarded_headers  # type: ignore[method-assign,assignment] # noqa: SLF001
    client._build_message = guarded_message  # type: ignore[method-assign] # noqa: SLF001


def _heeding(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """`method`, cancelled whenever the task that waits for it is."""

    @wraps(method)
    async def heeding(*arguments: P.args, **named: P.kwargs) -> T:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        result = await method(*arguments, **named)
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
        return result

    return heeding


def divert(client: Client, subscription: Subscription, sink: Sink) -> None:
    """Let `sink` take what comes for a subscription, at once and in order, in place of its queue and callback."""
    _sinks(client)[b"%d" % subscription._id] = sink  # noqa: SLF001 - nats-py does not show the number


def release(client: Client, subscription: Subscription) -> None:
    """Let go of a subscription's sink."""
    _sinks(client).pop(b"%d" % subscription._id, None)  # noqa: SLF001 - likewise


def _sinks(client: Client) -> dict[bytes, Sink]:
    parser = cast("Parser", client._ps)  # noqa: SLF001 - put there by `install`
    return parser.sinks


def headers(block: bytes | None) -> dict[str, str]:
    """The headers of a block, with `Status` and `Description` from its first line; none without a block."""
    if not block:
        return {}
    first, end, rest = block.partition(b"\r\n")
    read = Client._parse_header_lines(rest)  # noqa: SLF001 - see the module's docstring
    if REQUEST_INFO in read and not _ends_with_request_info(block):
        del read[REQUEST_INFO]
    if not end or not first.startswith(_VERSION) or first[len(_VERSION) :][:1] not in {b"", b" "}:
        # The lines that can be read stay: the server adds its own to a broken block that it hands out.
        return {**read, _BROKEN: "they do not begin with the line NATS/1.0"}
    try:
        return _status(first[len(_VERSION) + 1 :].decode()) | read
    except UnicodeDecodeError as error:
        return {**read, _BROKEN: str(error)}


def _ends_with_request_info(block: bytes) -> bool:
    """Whether the last line is the server's own.

    It removes such headers of the publisher and adds its own at the end. nats-py also reads a name with white space
    around it, which the server leaves there; and a block without its empty line swallows the beginning of the
    server's.
    """
    _, found, value = block.rpartition(_REQUEST_INFO_LINE)
    return bool(found) and value.find(b"\r\n") == len(value) - len(b"\r\n\r\n")


def _status(line: str) -> dict[str, str]:
    status, description = line[:_STATUS_DIGITS], line[_STATUS_DIGITS + 1 :]
    found = {"Status": status} if status.isdigit() else {}
    return found | ({"Description": description} if description else {})


def text(word: bytes) -> str:
    """A subject as text, whatever bytes are in it."""
    return word.decode("utf-8", "backslashreplace")


def is_broken(headers: Mapping[str, str] | None) -> bool:
    """Whether a message's header block could not be read."""
    return headers is not None and _BROKEN in headers
