"""Config changes, with a ledger of the versions whose replies arrived and when."""

import asyncio
import json
import time
from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from nats.aio.client import Client

from tests.chaos.publisher import AWAY, BEACON, SPACECRAFT


class Reply(NamedTuple):
    """A version that we were told of."""

    version: int
    document: Mapping[str, Any]
    arrived: float
    """By time.monotonic."""


class Configs:
    """Changes configs until it is stopped; the last spacecraft never has one."""

    def __init__(self, client: Client, random: Random) -> None:
        self._client = client
        self._random = random
        self.replies: dict[str, list[Reply]] = {name: [] for name in SPACECRAFT}

    async def run(self) -> None:
        while True:
            await self.set(self._random.choice(SPACECRAFT[:-1]), self._document())
            await asyncio.sleep(self._random.random())

    async def set(self, spacecraft: str, document: Mapping[str, Any]) -> bool:
        """Whether it was answered; no answer tells nothing: the change may be in force or not."""
        try:
            body = json.dumps(document).encode()
            reply = await self._client.request(f"missionops.config.set.{spacecraft}", body, timeout=5)
        except AWAY:
            return False
        answer = json.loads(reply.data)
        if "error" in answer:
            return False
        self.replies[spacecraft].append(Reply(answer["version"], document, time.monotonic()))
        return True

    async def send(self, spacecraft: str, document: Mapping[str, Any]) -> None:
        """Ask, and go away."""
        body, inbox = json.dumps(document).encode(), self._client.new_inbox()
        await self._client.publish(f"missionops.config.set.{spacecraft}", body, inbox)
        await self._client.flush()

    def _document(self) -> dict[str, Any]:
        low, high = self._random.randint(-30, 20), self._random.randint(60, 100)
        rules: dict[str, Any] = {
            "temp": {"critLow": low - 5, "warnLow": low, "warnHigh": high, "critHigh": high + 5},
            "volt": {"warnLow": 24.5} if self._random.random() < 0.5 else {"critHigh": 30, "critLow": 22.25},
            "mode": {"warnLow": 0},
        }
        if self._random.random() < 0.8:  # its anomalies tell, of a snapshot that has it, which version judged it
            rules[BEACON] = {"warnHigh": self._random.randint(1, 1000)}
        return {"parameters": rules, "notes": self._random.getrandbits(32)}
