"""A plain subscriber of anomalies: whatever it hears has to be stored, whether or not the stream took it."""

from nats.aio.client import Client
from nats.aio.msg import Msg


class Subscriber:
    """Hears what is published while its connection lives; it may hear one twice, and none that is not stored."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard: set[bytes] = set()

    async def start(self) -> None:
        await self._client.subscribe("anomalies.*", cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        self.heard.add(message.data)
