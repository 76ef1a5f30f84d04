"""Telemetry that came over HTTP, published to the stream and acknowledged."""

import asyncio
import json
from collections.abc import Sequence

import nats.errors
from nats.aio.client import Client

from missionops.errors import Unavailable

_AT_ONCE = 256
_TIMEOUT = 4.0


class TelemetryPublisher:
    """Publishes telemetry and says where the stream put it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def max_payload(self) -> int:
        """How long one message may be."""
        return self._client.max_payload

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Give the stream messages, each for a spacecraft's id; returns the last one's sequence.

        Unavailable if one is not acknowledged. The others may be in the stream then, and sending all again is harmless.
        """
        if not self._client.is_connected:  # it would be kept, and sent when nobody waits for it any more
            raise Unavailable("NATS is away; send it again later.")
        sequence = 0
        for start in range(0, len(messages), _AT_ONCE):
            portion = messages[start : start + _AT_ONCE]
            sequence = max(await asyncio.gather(*(self._publish(*message) for message in portion)))
        return sequence

    async def _publish(self, spacecraft_id: str, body: bytes) -> int:
        try:
            reply = await self._client.request(f"telemetry.{spacecraft_id}", body, timeout=_TIMEOUT)
        except nats.errors.NoRespondersError:
            raise Unavailable("No stream takes telemetry now; send it again later.") from None
        except (nats.errors.Error, OSError) as error:
            raise Unavailable("The stream does not acknowledge telemetry now; send it again later.") from error
        acknowledgement = json.loads(reply.data)
        if not acknowledgement.get("seq"):  # a refusal has one too: 0
            reason = acknowledgement.get("error", {}).get("description", "without a reason")
            raise Unavailable(f"The stream refuses telemetry: {reason}.")
        return int(acknowledgement["seq"])
