"""Publishing telemetry: each snapshot until the stream acknowledges it, or until it is known why it never will."""

import asyncio
import itertools
import json
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar

import nats.errors

from missionops import errors
from missionops.broker import permissions
from missionops.domain import spacecraft

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

WINDOW = 1024
TICK_SECONDS = 0.05
ACKNOWLEDGE_SECONDS = 3.0
"""How long one attempt waits for its acknowledgement."""
ATTEMPTS = 6
PAUSE_SECONDS = (0.2, 0.4, 0.8, 1.6, 3.2)
"""Before another attempt where no stream takes it: a server that has just started has its streams a moment later."""
FIRST_ATTEMPTS = 3
"""Where nothing was acknowledged yet, it is more likely that there is no stream at all."""
FORBIDDEN_SECONDS = 0.5
"""How long a snapshot waits before an error of the server about its subject, which ignores case, is taken for it."""

_NO_RESPONDERS = "503"

Mark = TypeVar("Mark")


class PublishOutcome(NamedTuple, Generic[Mark]):
    """What became of one snapshot."""

    mark: Mark
    """By what the caller recognises it."""
    refusal: str | None
    """Why the stream does not have it; None if it has."""


class _Publish(NamedTuple, Generic[Mark]):
    """A published snapshot that is not acknowledged, and the attempts so far."""

    subject: str
    body: bytes
    mark: Mark
    attempts: int
    first_sent: float
    due: float
    """When it is published again unless it is acknowledged."""


class BulkPublisher(Generic[Mark]):
    """Publishes snapshots on `telemetry.<id>`, many at once, and reports what became of each.

    Publishing one again is harmless: the service recognises a snapshot by its content. So whatever is not acknowledged,
    as across a restart of the server, is published again. Unavailable where nothing is acknowledged any more.
    """

    def __init__(self, client: "Client", settled: Callable[[PublishOutcome[Mark]], None], window: int = WINDOW) -> None:
        self._client = client
        self._on_settled = settled
        self._window = window
        self._inbox = client.new_inbox()
        self._tokens = itertools.count()
        self._pending: dict[str, _Publish[Mark]] = {}
        self._room = asyncio.Event()
        self._wake_at = 0
        self._clock = asyncio.get_running_loop().time
        self._last_acknowledged = 0.0
        self._failure: errors.Unavailable | None = None

    async def __aenter__(self) -> Self:
        self._acknowledgements: Subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._receive)
        self._watch = asyncio.create_task(self._resend())
        return self

    async def __aexit__(
        self, error_class: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the last acknowledgements, unless the block has failed."""
        try:
            if error_class is None:
                await self.finish()
        finally:
            self._watch.cancel()
            if not self._client.is_closed:
                await self._acknowledgements.unsubscribe()

    async def publish(self, spacecraft_id: str, body: bytes, mark: Mark) -> None:
        """Publish one snapshot once few enough others wait for their acknowledgement; `settled` is called later."""
        if not spacecraft.is_id(spacecraft_id):
            raise errors.InvalidRequest(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}")
        # Woken when a quarter is free, not at each answer: far fewer turns of the loop.
        await self._until_pending(self._window - 1, wake_at=self._window * 3 // 4)
        now = self._clock()
        await self._send(_Publish(f"telemetry.{spacecraft_id}", body, mark, 0, now, now))

    async def finish(self) -> None:
        """Wait until all are settled."""
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
        self._pending[token] = publish._replace(attempts=publish.attempts + 1, due=self._clock() + ACKNOWLEDGE_SECONDS)
        try:
            await self._client.publish(publish.subject, publish.body, f"{self._inbox}.{token}")
        except nats.errors.MaxPayloadError:
            self._settle(token, f"larger than the {self._client.max_payload} bytes that the server takes")
        except nats.errors.OutboundBufferLimitError:
            pass  # The server is away; the snapshot is published again when it is back.
        except nats.errors.ConnectionClosedError:
            self._fail("the connection to NATS is gone")

    async def _receive(self, answer: "Msg") -> None:
        token = answer.subject.rpartition(".")[2]
        if answer.headers and answer.headers.get("Status") == _NO_RESPONDERS:
            publish = self._pending.get(token)
            if publish and publish.attempts < (ATTEMPTS if self._last_acknowledged else FIRST_ATTEMPTS):
                self._pending[token] = publish._replace(due=self._clock() + PAUSE_SECONDS[publish.attempts - 1])
            elif publish:
                self._give_up(token, publish, f"no stream takes {publish.subject}")
            return
        self._last_acknowledged = self._clock()
        self._settle(token, _refusal(answer.data))

    def _settle(self, token: str, refusal: str | None) -> None:
        publish = self._pending.pop(token, None)
        if publish is None:
            return  # Acknowledged twice: it had been published again.
        self._on_settled(PublishOutcome(publish.mark, refusal))
        if len(self._pending) <= self._wake_at:
            self._room.set()

    def _give_up(self, token: str, publish: _Publish[Mark], reason: str) -> None:
        """Refuse it if others were acknowledged since it was published; else the fault is not its own, and all fail."""
        if self._last_acknowledged >= publish.first_sent:
            self._settle(token, reason)
        else:
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or errors.Unavailable(reason)
        for token in list(self._pending):
            self._settle(token, reason)
        self._room.set()

    async def _resend(self) -> None:
        """Publish again what is due, and everything that was not acknowledged when the connection was lost."""
        reconnects = self._client.stats["reconnects"]
        while not self._failure:
            await asyncio.sleep(TICK_SECONDS)
            # A server that forbids a subject reports it on the connection, not as a response to the message.
            refusals = permissions.of(self._client)
            if reason := refusals.of_replies():
                self._fail(reason.rstrip("."))
            sent_before = self._clock() - FORBIDDEN_SECONDS
            for token, publish in list(self._pending.items()):
                reason = refusals.of_publish(publish.subject)
                if reason and publish.first_sent < sent_before:
                    self._settle(token, reason.rstrip("."))
            if self._client.is_closed:
                self._fail("the connection to NATS is gone")
            if self._client.is_closed or not self._client.is_connected:
                continue
            now, everything = self._clock(), reconnects != self._client.stats["reconnects"]
            reconnects = self._client.stats["reconnects"]
            due = [(token, publish) for token, publish in self._pending.items() if everything or publish.due <= now]
            for token, publish in due:
                if token not in self._pending:
                    continue
                if publish.attempts >= ATTEMPTS and not everything:
                    reason = f" (NATS says: {self._client.last_error})" if self._client.last_error else ""
                    seconds = now - publish.first_sent
                    self._give_up(token, publish, f"no acknowledgement within {seconds:.0f} s{reason}")
                    continue
                del self._pending[token]
                await self._send(publish._replace(attempts=0 if everything else publish.attempts))


def _refusal(answer: bytes) -> str | None:
    """Why the stream refused the snapshot; None if it has it."""
    if answer.startswith(b'{"stream":') and b'"error"' not in answer:
        return None
    try:
        acknowledgement = json.loads(answer)
        error = acknowledgement.get("error") or {}
    except (ValueError, AttributeError):
        return "the response is no JetStream acknowledgement"
    if not error and "stream" in acknowledgement:
        return None
    return f"the stream refused it: {error.get('description', 'without a reason')}"
