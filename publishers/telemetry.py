"""Publishes telemetry that arrived over HTTP, and waits for the stream's acknowledgement."""

import asyncio
import json
from collections.abc import Sequence

import nats.errors
from nats.aio.client import Client

from missionops.errors import Unavailable

_AT_ONCE = 256
_TIMEOUT = 4.0


class TelemetryPublisher:
    """Publishes telemetry and returns its sequence in the stream."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def max_payload(self) -> int:
        """The greatest size of a message that NATS takes, in bytes."""
        return self._client.max_payload

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Publish messages (spacecraft's id and body) to the stream; returns the sequence of the last one.

        Unavailable if one is not acknowledged. The stream may have the others then; publishing all again is harmless.
        """
        if not self._client.is_connected:  # nats-py would keep the messages, and send them when nobody waits any more
            raise Unavailable("NATS cannot be reached; send it again later.")
        sequence = 0
        for start in range(0, len(messages), _AT_ONCE):
            portion = messages[start : start + _AT_ONCE]
            try:
                replies = await asyncio.gather(
                    *(self._client.request(f"telemetry.{name}", body, timeout=_TIMEOUT) for name, body in portion)
                )
            except nats.errors.NoRespondersError:
                raise Unavailable("No stream takes telemetry now; send it again later.") from None
            except (nats.errors.Error, OSError) as error:
                raise Unavailable("The stream does not acknowledge telemetry now; send it again later.") from error
            for reply in replies:
                acknowledgement = json.loads(reply.data)
                if not acknowledgement.get("seq"):  # a refusal has a sequence too, which is 0
                    reason = acknowledgement.get("error", {}).get("description", "without a reason")
                    raise Unavailable(f"The stream refuses telemetry: {reason}.")
                sequence = max(sequence, int(acknowledgement["seq"]))
        return sequence
