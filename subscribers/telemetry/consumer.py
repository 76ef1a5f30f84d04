"""Overlapping pull requests on one durable consumer: messages in stream order, as many as have arrived.

The next request is on its way before the last one is served, so that the server never waits for us, and each is
bounded in messages and bytes, so that what is in flight is bounded too, whatever the backlog. Order is proven, not
hoped for: the consumer's sequence must have no gap and the stream's must rise, else the place is Lost.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Mapping

from nats.aio.client import Client
from nats.aio.subscription import Subscription

from missionops.broker import jetstream, streams
from missionops.broker.client_patch import read_loop
from missionops.errors import OwnershipLost
from missionops.ingest.batch import Delivery
from missionops.wire import headers as wire_headers

log = logging.getLogger(__name__)

_REQUEST_MESSAGES = 2_000
_HEARTBEAT = 1.0
_EXPIRES = 2.5  # within the lease, so that a request of a former owner does not outlive its right for long
_SILENCE = 4 * _HEARTBEAT
_SHORT_FORM = 9  # words

# What ends one request and says nothing bad of the consumer.
_REQUEST_ENDS = ("Request Timeout", "Message Size Exceeds MaxBytes", "Batch Completed", "Server Shutdown")


class Consumer:
    """Deliveries after a place in the stream, until it is closed or the place is Lost."""

    def __init__(self, client: Client, consumer: str, request_bytes: int) -> None:
        self._client = client
        self._consumer = consumer
        self._request_bytes = max(request_bytes, client.max_payload + (64 << 10))
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._arrived: deque[Delivery] = deque()
        self._arrived_bytes = 0
        self._wanted = 0  # messages asked for that have neither come nor been refused
        self._requests = 0
        self._consumer_sequence = 0
        self._sequence = 0
        self._heard = 0.0
        self._words = 0  # of a reply subject, from the sequence in the stream on; all that come are of one form
        self._fault: OwnershipLost | None = None
        self._changed = asyncio.Event()
        self._stopping = False
        self._gap: tuple[int, float] | None = None
        """How many the server says were delivered, when it is not what came here, and since when it says so."""

    async def start(self, after: int) -> None:
        """Set the consumer to the message after `after` and begin to ask for messages."""
        self._sequence = after
        self._heard = _now()
        await jetstream.request(self._client, f"CONSUMER.CREATE.{streams.TELEMETRY}.{self._consumer}", self._config())
        reset = f"CONSUMER.RESET.{streams.TELEMETRY}.{self._consumer}"
        await jetstream.request(self._client, reset, {"seq": after + 1})
        # What may be in flight is bounded by what was asked for; no queue of the client's is between.
        self._subscription = await self._client.subscribe(f"{self._inbox}.*")
        read_loop.divert(self._client, self._subscription, self._receive)
        await self.ask_for_more()

    def _config(self) -> dict[str, object]:
        config = {
            "durable_name": self._consumer,
            "deliver_policy": "all",
            "ack_policy": "all",
            "ack_wait": 3_600 * 1_000_000_000,  # redelivery is by reset, from the database's position
            "max_deliver": -1,
            "max_ack_pending": -1,
            "replay_policy": "instant",
        }
        return {"stream_name": streams.TELEMETRY, "config": config}

    async def wait(self) -> bool:
        """Wait for a delivery; False once stopping. Lost if the place in the stream is."""
        while not self._arrived:
            if self._fault or self._stopping:
                break
            self._changed.clear()  # before asking, which may wait: what comes meanwhile counts
            await self.ask_for_more()
            try:
                async with asyncio.timeout(_HEARTBEAT):
                    await self._changed.wait()
            except TimeoutError:
                self._refuse_silence()
        if self._fault:
            raise self._fault
        self._heard = _now()
        return not self._stopping

    def take(self) -> Delivery | None:
        """The next delivery, if one has arrived."""
        if not self._arrived:
            return None
        delivery = self._arrived.popleft()
        self._arrived_bytes -= len(delivery.body) + len(delivery.block or b"")
        return delivery

    async def acknowledge(self, delivery: Delivery) -> None:
        """Tell the server that all up to here is handled; for its own books, the truth is in the database."""
        await self._client.publish(delivery.reply.decode())

    def lose(self, reason: str) -> None:
        """Give the place up: what is in flight cannot be trusted any more."""
        self._fault = self._fault or OwnershipLost(reason)
        self._changed.set()

    def stop(self) -> None:
        """Take no more; what has arrived stays in the stream for whoever comes next."""
        self._stopping = True
        self._changed.set()

    async def close(self) -> None:
        """End the subscription."""
        if self._subscription:
            read_loop.release(self._client, self._subscription)
            if not self._client.is_closed:
                await self._subscription.unsubscribe()

    async def ask_for_more(self) -> None:
        """Ask for as much as there is room for; to be called after a batch was taken."""
        while not self._stopping and self._wanted <= _REQUEST_MESSAGES and self._arrived_bytes <= self._request_bytes:
            if self._wanted <= 0:
                self._heard = _now()  # nothing was asked for, so nothing could be heard
            self._requests += 1
            self._wanted += _REQUEST_MESSAGES
            request = {
                "batch": _REQUEST_MESSAGES,
                "max_bytes": self._request_bytes,
                "expires": int(_EXPIRES * 1e9),
                "idle_heartbeat": int(_HEARTBEAT * 1e9),
            }
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{streams.TELEMETRY}.{self._consumer}"
            await self._client.publish(subject, json.dumps(request).encode(), f"{self._inbox}.{self._requests}")

    def _receive(self, subject: bytes, reply: bytes, block: bytes | None, body: bytes) -> None:
        """Take what came; called for every message, so each step counts."""
        if not reply:
            self._hear(block)
            return
        if self._fault:
            return
        # Where it stands in the stream (ADR-15): $JS.ACK.<stream>.<consumer>.<delivered>.<in stream>.<of consumer>.
        # <time>.<pending>; the longer form has domain and account before the stream, and maybe more at the end.
        if not self._words:
            self._words = _words_from_sequence(reply)
        try:
            _, place, count, nanoseconds, *_ = reply.rsplit(b".", self._words)
            sequence, consumer_sequence, moment = int(place), int(count), int(nanoseconds)
        except ValueError:
            self.lose(f"the consumer {self._consumer} delivered what has no place in a stream")
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
        self._arrived.append(Delivery(subject[subject.rfind(b".") + 1 :], sequence, moment, body, block, reply))

    def _hear(self, block: bytes | None) -> None:
        """Note what the server says; it must not end the client's reading, whatever it is."""
        self._heard = _now()
        try:
            self._heed(wire_headers.read(block))
        except ValueError:
            self.lose(f"the consumer {self._consumer} said what no server says: {block!r:.200}")
        self._changed.set()

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Note what the server says of a request: it lives, it is over, or there is nobody to serve it."""
        status, reason = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":
            self._refuse_gap(headers)
        elif reason.startswith(_REQUEST_ENDS):
            self._wanted -= int(headers.get("Nats-Pending-Messages", _REQUEST_MESSAGES))
        else:
            self._fault = OwnershipLost(f"the consumer {self._consumer} ended: {status} {reason.strip()}")

    def _refuse_gap(self, headers: Mapping[str, str]) -> None:
        """Notice what was delivered to somebody else, although nothing comes after it that would show the gap.

        A former owner that was stopped may still have a request open; what it is given would wait for ever.
        """
        delivered = int(headers.get("Nats-Last-Consumer", self._consumer_sequence))
        if delivered == self._consumer_sequence:
            self._gap = None
        elif self._gap is None or self._gap[0] != delivered:
            self._gap = delivered, _now()  # a replicated consumer counts a message some time before it sends it
        elif _now() - self._gap[1] > _HEARTBEAT / 2:
            self._fault = OwnershipLost(
                f"the consumer's order broke: {delivered} were delivered, {self._consumer_sequence} of them here: "
                "another reader or a reset"
            )

    def _refuse_silence(self) -> None:
        if _now() - self._heard > _SILENCE:
            self._fault = OwnershipLost(f"nothing was heard of the consumer {self._consumer} for {_SILENCE:.0f} s")


def _words_from_sequence(reply: bytes) -> int:
    """How many words of a reply subject there are from the sequence in the stream on."""
    count = reply.count(b".") + 1
    return count - (5 if count == _SHORT_FORM else 7)


_now = time.monotonic
