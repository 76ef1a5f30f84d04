"""A client that changes configs, and keeps what it sent and the versions that were confirmed, with the time."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, NamedTuple, TypeAlias

from nats.aio.client import Client

from tests.resilience.publisher import AWAY, BEACON, SPACECRAFT

Document: TypeAlias = Mapping[str, Any]


class Confirmation(NamedTuple):
    """A response to `config.set`."""

    version: int
    document: Document
    arrived: float
    """By time.monotonic."""


class ConfigClient:
    """Changes configs until it is stopped; the last spacecraft never has one."""

    def __init__(self, client: Client, random: Random, spacecraft: Iterable[str] = SPACECRAFT) -> None:
        self._client = client
        self._random = random
        self.sent: dict[str, list[Document]] = {name: [] for name in spacecraft}
        self.confirmed: dict[str, list[Confirmation]] = {name: [] for name in spacecraft}

    async def run(self) -> None:
        """Change configs, without an end."""
        while True:
            await self.set(self._random.choice(SPACECRAFT[:-1]), self._document())
            await asyncio.sleep(self._random.random())

    async def set(self, spacecraft: str, document: Document) -> bool:
        """Whether it was confirmed; without a response the change may be in force or not."""
        self.sent[spacecraft].append(document)
        try:
            body = json.dumps(document).encode()
            message = await self._client.request(f"missionops.config.set.{spacecraft}", body, timeout=5)
        except AWAY:
            return False
        response = json.loads(message.data)
        if "error" in response:
            return False
        self.confirmed[spacecraft].append(Confirmation(response["version"], document, time.monotonic()))
        return True

    async def send(self, spacecraft: str, document: Document) -> None:
        """Send the request without waiting for the response."""
        self.sent[spacecraft].append(document)
        body, inbox = json.dumps(document).encode(), self._client.new_inbox()
        await self._client.publish(f"missionops.config.set.{spacecraft}", body, inbox)
        await self._client.flush()

    def _document(self) -> Document:
        low, high = self._random.randint(-30, 20), self._random.randint(60, 100)
        rules: dict[str, Any] = {
            "temp": {"critLow": low - 5, "warnLow": low, "warnHigh": high, "critHigh": high + 5},
            "volt": {"warnLow": 24.5} if self._random.random() < 0.5 else {"critHigh": 30, "critLow": 22.25},
            "mode": {"warnLow": 0},
        }
        if self._random.random() < 0.8:  # the anomalies of this parameter name the version that judged a snapshot
            rules[BEACON] = {"warnHigh": self._random.randint(1, 1000)}
        return {"parameters": rules, "notes": self._random.getrandbits(32)}
