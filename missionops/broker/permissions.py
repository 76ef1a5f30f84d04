"""What NATS does not permit a user: it reports that on the connection only, and a request just gets no response.

So each refusal is remembered for its client, and a request that waits by `unless_refused` ends once it is refused.
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
    """What one connection was not permitted; in lower case, as nats-py reports it."""

    def __init__(self, inboxes: str) -> None:
        self._prefix = inboxes
        self._inboxes = inboxes.lower()
        self._publish: dict[str, None] = {}
        self._subscribe: dict[str, None] = {}
        self._waiting: dict[asyncio.Future[str], str] = {}

    def note(self, error: Exception) -> None:
        """Remember an error of the connection if it is a refusal, and end the requests that it concerns."""
        text = str(error).lower()
        for pattern, subjects in ((_PUBLISH, self._publish), (_SUBSCRIBE, self._subscribe)):
            if found := pattern.search(text):
                subjects[found[1]] = None
                if len(subjects) > _REMEMBERED:
                    del subjects[next(iter(subjects))]
                for future, wanted in self._waiting.items():
                    if future.done():
                        continue
                    if pattern is _PUBLISH and found[1] == wanted.lower():
                        future.set_result(publish_sentence(wanted))
                    elif pattern is _SUBSCRIBE and found[1].startswith(self._inboxes):
                        future.set_result(self._inbox_sentence())

    def of_publish(self, subject: str) -> str | None:
        """Why nothing is published to this subject; None if it is not known to be refused."""
        return publish_sentence(subject) if subject.lower() in self._publish else None

    def of_subscription(self, subject: str) -> str | None:
        """Why nothing arrives on this subject; None if it is not known to be refused."""
        if subject.lower() in self._subscribe:
            return f"NATS refuses it: the user may not listen to {subject}."
        return None

    def of_replies(self) -> str | None:
        """Why no response arrives; None if inboxes are not known to be refused."""
        if any(subject.startswith(self._inboxes) for subject in self._subscribe):
            return self._inbox_sentence()
        return None

    def _inbox_sentence(self) -> str:
        return (
            f"NATS refuses it: the user may not listen to replies on {self._prefix}.>; give the inbox prefix that the "
            "user may listen to in MISSIONOPS_NATS_INBOX_PREFIX."
        )

    async def refusal(self, subject: str) -> str:
        """Wait until publishing to this subject is refused, or the inbox for the response; returns the sentence."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[future] = subject
        try:
            return await future
        finally:
            del self._waiting[future]


_of: WeakKeyDictionary[Client, Refusals] = WeakKeyDictionary()


def publish_sentence(subject: str) -> str:
    """The sentence for a subject that this user may not publish to."""
    return f"NATS refuses it: the user may not publish to {subject}."


def of(client: Client) -> Refusals:
    """What `client` was not permitted since this was first called for it."""
    if client in _of:
        return _of[client]
    refusals = _of[client] = Refusals(client.new_inbox().rpartition(".")[0])
    before = client._error_cb  # noqa: SLF001 - nats-py takes it only when it connects, which FastStream may do

    async def on_error(error: Exception) -> None:
        refusals.note(error)
        await before(error)

    client._error_cb = on_error  # noqa: SLF001 - see above
    return refusals


async def unless_refused(client: Client, subject: str, response: Coroutine[Any, Any, T]) -> T:
    """The response to a request on `subject`; SetupError as soon as NATS refuses the request or its inbox."""
    refusals = of(client)
    waiting, refused = asyncio.ensure_future(response), asyncio.ensure_future(refusals.refusal(subject))
    try:
        await asyncio.wait({waiting, refused}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise SetupError(refused.result())
        return await waiting
    except nats.errors.TimeoutError:
        if reason := refusals.of_replies():
            raise SetupError(reason) from None
        raise
    finally:
        for task in (waiting, refused):
            task.cancel()
        await asyncio.wait({waiting, refused})
