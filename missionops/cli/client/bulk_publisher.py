"""Telemetry out to the stream: each snapshot until the stream has it, or until it is known why it never will."""

import asyncio
import itertools
import json
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar

import nats.errors

from missionops import errors
from missionops.broker.client_patch import permissions
from missionops.domain import spacecraft

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

WINDOW = 1024
TICK_SECONDS = 0.05
ANSWER_SECONDS = 3.0
"""How long one try waits for its answer."""
TRIES = 6
PAUSE_SECONDS = (0.2, 0.4, 0.8, 1.6, 3.2)
"""Before another try where no stream listens: a server that has just started has its streams a moment later."""
FIRST_TRIES = 3
"""Where nothing was answered yet, it is more likely that there is no stream at all."""
FORBIDDEN_SECONDS = 0.5
"""How long one is unanswered before a complaint of the server, which ignores case, is taken for its own."""

_NO_RESPONDERS = "503"

Mark = TypeVar("Mark")


class PublishOutcome(NamedTuple, Generic[Mark]):
    """What became of one snapshot."""

    mark: Mark
    """What the caller knows it by."""
    refusal: str | None
    """Why the stream does not have it; None if it has."""


class _Publish(NamedTuple, Generic[Mark]):
    """A snapshot on its way, and what has been tried."""

    subject: str
    body: bytes
    mark: Mark
    tries: int
    first_sent: float
    due: float
    """When it is sent again if nothing was heard."""


class BulkPublisher(Generic[Mark]):
    """Publishes snapshots on `telemetry.<id>`, many at once, and says of each what became of it.

    Sending one again is harmless: the service knows a snapshot by its content. So whatever is not answered, as across
    a restart of the server, is sent again. Where nothing is answered at all any more it gives up: Unavailable.
    """

    def __init__(self, client: "Client", settled: Callable[[PublishOutcome[Mark]], None], window: int = WINDOW) -> None:
        self._client = client
        self._settled = settled
        self._window = window
        self._inbox = client.new_inbox()
        self._tokens = itertools.count()
        self._pending: dict[str, _Publish[Mark]] = {}
        self._room = asyncio.Event()
        self._wake_at = 0
        self._clock = asyncio.get_running_loop().time
        self._last_answer = 0.0
        self._failure: errors.Unavailable | None = None

    async def __aenter__(self) -> Self:
        self._answers: Subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._hear)
        self._watch = asyncio.create_task(self._resend())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Waits for the last answers, unless an error is on its way."""
        try:
            if kind is None:
                await self.finish()
        finally:
            self._watch.cancel()
            if not self._client.is_closed:
                await self._answers.unsubscribe()

    async def publish(self, spacecraft_id: str, body: bytes, mark: Mark) -> None:
        """Sends one snapshot, as soon as few enough others are unanswered; `settled` is called later."""
        if not spacecraft.is_id(spacecraft_id):
            raise errors.InvalidRequest(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}")
        # Woken when a quarter is free, not at each answer: far fewer turns of the loop.
        await self._until_pending(self._window - 1, wake_at=self._window * 3 // 4)
        now = self._clock()
        await self._send(_Publish(f"telemetry.{spacecraft_id}", body, mark, 0, now, now))

    async def finish(self) -> None:
        """Returns when all are settled."""
        await self._until_pending(0, wake_at=0)

    async def _until_pending(self, bound: int, wake_at: int) -> None:
        while len(self._pending) > bound and not self._failure:
            self._wake_at = wake_at
            self._room.clear()
            await self._room.wait()
        if self._failure:
            raise self._failure

    async def _send(self, publish: _Publish[Mark]) -> None:
        token = str(next(self._tokens))
        self._pending[token] = publish._replace(tries=publish.tries + 1, due=self._clock() + ANSWER_SECONDS)
        try:
            await self._client.publish(publish.subject, publish.body, f"{self._inbox}.{token}")
        except nats.errors.MaxPayloadError:
            self._settle(token, f"larger than the {self._client.max_payload} bytes that the server takes")
        except nats.errors.OutboundBufferLimitError:
            pass  # The server is away; it is sent again when it is back.
        except nats.errors.ConnectionClosedError:
            self._fail("the connection to NATS is gone")

    async def _hear(self, answer: "Msg") -> None:
        token = answer.subject.rpartition(".")[2]
        if answer.headers and answer.headers.get("Status") == _NO_RESPONDERS:
            self._unheard(token)
            return
        self._last_answer = self._clock()
        self._settle(token, _refusal(answer.data))

    def _settle(self, token: str, refusal: str | None) -> None:
        publish = self._pending.pop(token, None)
        if publish is None:
            return  # Answered twice: it had been sent again.
        self._settled(PublishOutcome(publish.mark, refusal))
        if len(self._pending) <= self._wake_at:
            self._room.set()

    def _unheard(self, token: str) -> None:
        publish = self._pending.get(token)
        if publish and publish.tries < (TRIES if self._last_answer else FIRST_TRIES):
            self._pending[token] = publish._replace(due=self._clock() + PAUSE_SECONDS[publish.tries - 1])
        elif publish:
            self._give_up(token, publish, f"no stream takes {publish.subject}")

    def _give_up(self, token: str, publish: _Publish[Mark], reason: str) -> None:
        """One that others overtook is refused by itself; if none was answered since, it is not about this one."""
        if self._last_answer >= publish.first_sent:
            self._settle(token, reason)
        else:
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or errors.Unavailable(reason)
        for token in list(self._pending):
            self._settle(token, reason)
        self._room.set()

    async def _resend(self) -> None:
        """Sends again what is due, and all that was under way when the connection was lost."""
        reconnects = self._client.stats["reconnects"]
        while not self._failure:
            await asyncio.sleep(TICK_SECONDS)
            self._refuse_forbidden()
            if self._client.is_closed:
                self._fail("the connection to NATS is gone")
            elif self._client.is_connected:
                lost = reconnects != self._client.stats["reconnects"]
                reconnects = self._client.stats["reconnects"]
                await self._resend_due(everything=lost)

    async def _resend_due(self, *, everything: bool) -> None:
        now = self._clock()
        due = [(token, publish) for token, publish in self._pending.items() if everything or publish.due <= now]
        for token, publish in due:
            if token not in self._pending:
                continue
            if publish.tries >= TRIES and not everything:
                self._give_up(token, publish, self._silence(now - publish.first_sent))
                continue
            del self._pending[token]
            await self._send(publish._replace(tries=0 if everything else publish.tries))

    def _refuse_forbidden(self) -> None:
        """A server that forbids a subject answers on the connection, not to the publish."""
        refusals = permissions.of(self._client)
        if reason := refusals.of_replies():
            self._fail(reason.rstrip("."))
        sent_before = self._clock() - FORBIDDEN_SECONDS
        for token, publish in list(self._pending.items()):
            reason = refusals.of_publish(publish.subject)
            if reason and publish.first_sent < sent_before:
                self._settle(token, reason.rstrip("."))

    def _silence(self, seconds: float) -> str:
        said = f" (NATS says: {self._client.last_error})" if self._client.last_error else ""
        return f"no acknowledgement within {seconds:.0f} s{said}"


def _refusal(answer: bytes) -> str | None:
    """Why the stream refused; None if it has the snapshot."""
    if answer.startswith(b'{"stream":') and b'"error"' not in answer:
        return None
    try:
        said = json.loads(answer)
        error = said.get("error") or {}
    except (ValueError, AttributeError):
        return "the answer is no JetStream acknowledgement"
    if not error and "stream" in said:
        return None
    return f"the stream refused it: {error.get('description', 'without a reason')}"
