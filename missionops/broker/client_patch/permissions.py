"""What NATS refuses a user: it says so on the connection, and to whoever waits for an answer it says nothing.

So what was refused is remembered for each client, and those who wait ask for it: at once where they wait by
`unless_refused`.
"""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import nats.errors
from nats.aio.client import Client

from missionops.errors import SetupError

_PUBLISH = re.compile(r'permissions violation for publish to "(.*)"')
_SUBSCRIBE = re.compile(r'permissions violation for subscription to "(.*?)"')
_REMEMBERED = 1_000

T = TypeVar("T")


class Refusals:
    """What one connection was refused; in lower case, as nats-py hands it on."""

    def __init__(self, inboxes: str) -> None:
        self._prefix = inboxes
        self._inboxes = inboxes.lower()
        self._publish: dict[str, None] = {}
        self._subscribe: dict[str, None] = {}
        self._waiting: dict[asyncio.Future[str], str] = {}

    def heed(self, error: Exception) -> None:
        """Remember it, if it is a refusal, and tell those who wait."""
        said = str(error).lower()
        for pattern, subjects in ((_PUBLISH, self._publish), (_SUBSCRIBE, self._subscribe)):
            if found := pattern.search(said):
                subjects[found[1]] = None
                if len(subjects) > _REMEMBERED:
                    del subjects[next(iter(subjects))]
                self._tell(found[1], is_publish=pattern is _PUBLISH)

    def _tell(self, subject: str, *, is_publish: bool) -> None:
        for future, wanted in self._waiting.items():
            if future.done():
                continue
            if is_publish and subject == wanted.lower():
                future.set_result(publish_sentence(wanted))
            elif not is_publish and subject.startswith(self._inboxes):
                future.set_result(self._inbox_sentence())

    def of_publish(self, subject: str) -> str | None:
        """Why nothing is published to this subject; None if nothing is known against it."""
        return publish_sentence(subject) if subject.lower() in self._publish else None

    def of_subscription(self, subject: str) -> str | None:
        """Why nothing is heard on this subject; None if nothing is known against it."""
        if subject.lower() in self._subscribe:
            return f"NATS refuses it: the user may not listen to {subject}."
        return None

    def of_replies(self) -> str | None:
        """Why no reply is heard; None if nothing is known against it."""
        if any(subject.startswith(self._inboxes) for subject in self._subscribe):
            return self._inbox_sentence()
        return None

    def _inbox_sentence(self) -> str:
        return (
            f"NATS refuses it: the user may not listen to replies on {self._prefix}.>; give the inbox prefix that the "
            "user may listen to in MISSIONOPS_NATS_INBOX_PREFIX."
        )

    async def heard(self, subject: str) -> str:
        """Wait until a publish to this subject is refused, or an inbox for its reply."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[future] = subject
        try:
            return await future
        finally:
            del self._waiting[future]


_of: WeakKeyDictionary[Client, Refusals] = WeakKeyDictionary()


def publish_sentence(subject: str) -> str:
    """What there is to say of a subject that may not be published to."""
    return f"NATS refuses it: the user may not publish to {subject}."


def of(client: Client) -> Refusals:
    """What `client` was refused since this was first called for it."""
    if client not in _of:
        _of[client] = _listening(client)
    return _of[client]


def _listening(client: Client) -> Refusals:
    refusals = Refusals(client.new_inbox().rpartition(".")[0])
    before = client._error_cb  # noqa: SLF001 - nats-py takes it only when connecting, which may be others' business

    async def hear(error: Exception) -> None:
        refusals.heed(error)
        await before(error)

    client._error_cb = hear  # noqa: SLF001 - likewise
    return refusals


async def unless_refused(client: Client, subject: str, answer: Coroutine[Any, Any, T]) -> T:
    """The answer to what is published on `subject`; Unfit as soon as NATS refuses to take or to answer it."""
    refusals = of(client)
    asking, refused = asyncio.ensure_future(answer), asyncio.ensure_future(refusals.heard(subject))
    try:
        await asyncio.wait({asking, refused}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            raise SetupError(refused.result())
        return await asking
    except nats.errors.TimeoutError:
        if reason := refusals.of_replies():
            raise SetupError(reason) from None
        raise
    finally:
        for task in (asking, refused):
            task.cancel()
        await asyncio.wait({asking, refused})
