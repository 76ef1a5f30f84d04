"""A plain subscriber: whatever it hears has to be stored, whether or not the stream took it."""

from nats.aio.client import Client
from nats.aio.msg import Msg


class Subscriber:
    """Hears what is published while its connection lives; it may hear one twice, and none that is not stored."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.anomalies: set[bytes] = set()
        self.events: set[bytes] = set()

    async def start(self) -> None:
        await self._client.subscribe("anomalies.*", cb=self._hear_anomaly)
        await self._client.subscribe("events.*", cb=self._hear_event)

    async def _hear_anomaly(self, message: Msg) -> None:
        self.anomalies.add(message.data)

    async def _hear_event(self, message: Msg) -> None:
        self.events.add(message.data)
