"""A client that records events and creates documents, and keeps what it requested and how it was answered."""

import asyncio
import json
from random import Random
from typing import Any

from nats.aio.client import Client

from tests.resilience.publisher import AWAY, SPACECRAFT


class CreateRequest:
    """A request for an event or a document; `text`, its message or its title, is like no other's."""

    def __init__(self, subject: str, body: dict[str, Any], text: str) -> None:
        self.subject = subject
        self.body = body
        self.text = text
        self.response: dict[str, Any] | None = None


class EventClient:
    """Sends requests until it is stopped, and each until it is answered: a repeated request must not act twice."""

    def __init__(self, client: Client, random: Random) -> None:
        self._client = client
        self._random = random
        self.events: list[CreateRequest] = []
        self.documents: list[CreateRequest] = []

    async def run(self) -> None:
        """Send requests, without an end."""
        while True:
            await asyncio.gather(*(self._create() for _ in range(self._random.choice((1, 1, 5)))))
            await asyncio.sleep(self._random.random())

    async def _create(self) -> None:
        request = self._event() if self._random.random() < 0.7 else self._document()
        await self._send(request)
        if self._random.random() < 0.1:
            await self._send(request)

    async def _send(self, request: CreateRequest) -> None:
        body = json.dumps(request.body).encode()
        while True:
            try:
                response = json.loads((await self._client.request(request.subject, body, timeout=2)).data)
                if response.get("error", {}).get("code") != "unavailable":
                    request.response = response
                    return
            except AWAY:
                pass
            await asyncio.sleep(0.1)

    def _event(self) -> CreateRequest:
        text = f"event {len(self.events)}"
        # A repeat is recognised by its id, or by its time and content.
        identity = {"id": f"ev-{len(self.events)}"}, {"timestamp": "2025-06-01T12:00:00Z"}
        body: dict[str, Any] = {
            **self._random.choice(identity),
            "type": self._random.choice(("INFO", "MODE_CHANGE", "COMMAND_SENT")),
            "severity": self._random.choice(("LOW", "MEDIUM", "HIGH", "CRITICAL")),
            "message": text,
            "metadata": {"n": self._random.getrandbits(32)},
        }
        request = CreateRequest(f"missionops.events.record.{self._random.choice(SPACECRAFT)}", body, text)
        self.events.append(request)
        return request

    def _document(self) -> CreateRequest:
        text = f"document {len(self.documents)}"
        body = {"id": f"doc-{len(self.documents)}", "title": text, "body": "How to recover from safe mode."}
        if self._random.random() < 0.5:
            body["spacecraftId"] = self._random.choice(SPACECRAFT)
        self.documents.append(request := CreateRequest("missionops.docs.create", body, text))
        return request
