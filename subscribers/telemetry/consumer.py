"""The consumer: messages of the stream TELEMETRY in stream order, by overlapping pull requests.

The next request is sent before the last one is served, so the server never waits for us. Each request is bounded in
messages and bytes, so what is in flight is bounded whatever the backlog. The order is checked: the consumer's sequence
must have no gap and the stream's must rise, otherwise the session ends with OwnershipLost.
"""

import asyncio
import json
import logging
import time
from collections import deque

from nats.aio.client import Client
from nats.aio.subscription import Subscription

from missionops.broker import client as nats_client
from missionops.broker import jetstream, streams
from missionops.errors import OwnershipLost
from missionops.ingest.batch import Delivery
from missionops.wire import headers as wire_headers

log = logging.getLogger(__name__)

_REQUEST_MESSAGES = 2_000
_HEARTBEAT = 1.0
_EXPIRES = 2.5  # within the lease, so that a request of a former owner does not outlive its right for long
_SILENCE = 4 * _HEARTBEAT
_SHORT_FORM = 9  # tokens of a reply subject

# What ends one request and is no fault of the consumer.
_REQUEST_ENDS = ("Request Timeout", "Message Size Exceeds MaxBytes", "Batch Completed", "Server Shutdown")


class Consumer:
    """Deliveries after a sequence of the stream, until it is closed or cannot be trusted any more."""

    def __init__(self, client: Client, name: str, request_bytes: int) -> None:
        self._client = client
        self._name = name
        self._request_bytes = max(request_bytes, client.max_payload + (64 << 10))
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._arrived: deque[Delivery] = deque()
        self._arrived_bytes = 0
        self._wanted = 0  # messages that were requested and neither came nor were refused
        self._requests = 0
        self._consumer_sequence = 0
        self._sequence = 0
        self._last_sign = 0.0
        self._tokens = 0  # of a reply subject, from the sequence in the stream on; all that come are of one form
        self._fault: OwnershipLost | None = None
        self._changed = asyncio.Event()
        self._stopping = False
        self._gap: tuple[int, float] | None = None
        """How many messages the server has delivered, where that is not what came here, and since when it says so."""

    async def start(self, after: int) -> None:
        """Create the consumer if it is absent, reset it to the message after `after`, and send the first requests."""
        self._sequence = after
        self._last_sign = _now()
        config = {
            "durable_name": self._name,
            "deliver_policy": "all",
            "ack_policy": "all",
            "ack_wait": 3_600 * 1_000_000_000,  # redelivery is by reset, from the checkpoint in the database
            "max_deliver": -1,
            "max_ack_pending": -1,
            "replay_policy": "instant",
        }
        create = {"stream_name": streams.TELEMETRY, "config": config}
        await jetstream.request(self._client, f"CONSUMER.CREATE.{streams.TELEMETRY}.{self._name}", create)
        reset = f"CONSUMER.RESET.{streams.TELEMETRY}.{self._name}"
        await jetstream.request(self._client, reset, {"seq": after + 1})
        # What may be in flight is bounded by what was requested; messages pass no queue of the client.
        self._subscription = await self._client.subscribe(f"{self._inbox}.*")
        nats_client.divert(self._client, self._subscription, self._receive)
        await self.ask_for_more()

    async def wait(self) -> bool:
        """Wait for a delivery; False once stopped. OwnershipLost if the consumer cannot be trusted any more."""
        while not self._arrived:
            if self._fault or self._stopping:
                break
            self._changed.clear()  # before the request, which may wait: a message may come meanwhile
            await self.ask_for_more()
            try:
                async with asyncio.timeout(_HEARTBEAT):
                    await self._changed.wait()
            except TimeoutError:
                if _now() - self._last_sign > _SILENCE:
                    self._fault = OwnershipLost(f"the consumer {self._name} was silent for {_SILENCE:.0f} s")
        if self._fault:
            raise self._fault
        self._last_sign = _now()
        return not self._stopping

    def take(self) -> Delivery | None:
        """The next delivery, if one has arrived."""
        if not self._arrived:
            return None
        delivery = self._arrived.popleft()
        self._arrived_bytes -= len(delivery.body) + len(delivery.block or b"")
        return delivery

    async def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge all messages up to this one. What counts is the checkpoint; this shows the server's progress."""
        await self._client.publish(delivery.reply.decode())

    def lose(self, reason: str) -> None:
        """End the session: what is in flight cannot be trusted any more."""
        self._fault = self._fault or OwnershipLost(reason)
        self._changed.set()

    def stop(self) -> None:
        """Take no more; what has arrived and was not taken stays in the stream for the next session."""
        self._stopping = True
        self._changed.set()

    async def close(self) -> None:
        """End the subscription."""
        if self._subscription:
            nats_client.release(self._client, self._subscription)
            if not self._client.is_closed:
                await self._subscription.unsubscribe()

    async def ask_for_more(self) -> None:
        """Request as much as there is room for; to be called after a batch was taken."""
        while not self._stopping and self._wanted <= _REQUEST_MESSAGES and self._arrived_bytes <= self._request_bytes:
            if self._wanted <= 0:
                self._last_sign = _now()  # nothing was requested, so no sign was to be expected
            self._requests += 1
            self._wanted += _REQUEST_MESSAGES
            request = {
                "batch": _REQUEST_MESSAGES,
                "max_bytes": self._request_bytes,
                "expires": int(_EXPIRES * 1e9),
                "idle_heartbeat": int(_HEARTBEAT * 1e9),
            }
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{streams.TELEMETRY}.{self._name}"
            await self._client.publish(subject, json.dumps(request).encode(), f"{self._inbox}.{self._requests}")

    def _receive(self, subject: bytes, reply: bytes, block: bytes | None, body: bytes) -> None:
        """Take a message of the subscription; called for each of them, so every step costs."""
        if not reply:
            self._receive_status(block)
            return
        if self._fault:
            return
        if not self._tokens:
            self._tokens = tokens_from_sequence(reply)
        try:
            _, of_stream, of_consumer, nanoseconds, *_ = reply.rsplit(b".", self._tokens)
            sequence, consumer_sequence, time_ = int(of_stream), int(of_consumer), int(nanoseconds)
        except ValueError:
            self.lose(f"the consumer {self._name} delivered a message without a position in the stream")
            return
        self._wanted -= 1
        if consumer_sequence != self._consumer_sequence + 1 or sequence <= self._sequence:
            self.lose(f"the consumer's order broke at {sequence} ({consumer_sequence} after {self._consumer_sequence})"
                      ": another reader or a reset")  # fmt: skip
            return
        self._consumer_sequence, self._sequence = consumer_sequence, sequence
        self._arrived_bytes += len(body) + len(block or b"")
        if not self._arrived:
            self._changed.set()
        self._arrived.append(Delivery(subject, sequence, time_, body, block, reply))

    def _receive_status(self, block: bytes | None) -> None:
        """Note what the server reports of a request; whatever it is, it must not end the client's read loop."""
        self._last_sign = now = _now()
        try:
            headers = wire_headers.read(block)
            status, reason = headers.get("Status", ""), headers.get("Description", "")
            delivered = int(headers.get("Nats-Last-Consumer", self._consumer_sequence))
            if reason.startswith(_REQUEST_ENDS):
                self._wanted -= int(headers.get("Nats-Pending-Messages", _REQUEST_MESSAGES))
            elif status != "100":
                self._fault = OwnershipLost(f"the consumer {self._name} ended: {status} {reason.strip()}")
            # Messages may have been delivered to another reader, though no later one shows the gap: a former owner that
            # was stopped may still have an open request, and what the server gives it would wait for ever.
            elif delivered == self._consumer_sequence:
                self._gap = None
            elif self._gap is None or self._gap[0] != delivered:
                self._gap = delivered, now  # a replicated consumer counts a message some time before it sends it
            elif now - self._gap[1] > _HEARTBEAT / 2:
                self._fault = OwnershipLost(
                    f"the consumer's order broke: {delivered} messages were delivered, {self._consumer_sequence} of "
                    "them here: another reader or a reset"
                )
        except ValueError:
            self.lose(f"the consumer {self._name} sent a status that no server sends: {block!r:.200}")
        self._changed.set()


def tokens_from_sequence(reply: bytes) -> int:
    """How many tokens of a message's reply subject there are from its sequence in the stream on.

    ADR-15: $JS.ACK.<stream>.<consumer>.<delivered>.<in stream>.<of consumer>.<time>.<pending>; the longer form has
    domain and account before the stream, and maybe a random token at the end.
    """
    count = reply.count(b".") + 1
    return count - (5 if count == _SHORT_FORM else 7)


_now = time.monotonic
