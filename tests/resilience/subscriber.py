"""A plain NATS subscriber: whatever it receives has to be stored, whether or not the stream took it."""

from nats.aio.client import Client
from nats.aio.msg import Msg


class Subscriber:
    """Keeps what is published while its connection lives.

    It may receive a message twice, and never an anomaly or an event that is not stored.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.anomalies: set[bytes] = set()
        self.events: set[bytes] = set()

    async def start(self) -> None:
        """Subscribe."""
        await self._client.subscribe("anomalies.*", cb=self._on_anomaly)
        await self._client.subscribe("events.*", cb=self._on_event)

    async def _on_anomaly(self, message: Msg) -> None:
        self.anomalies.add(message.data)

    async def _on_event(self, message: Msg) -> None:
        self.events.add(message.data)
