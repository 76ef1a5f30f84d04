"""One who records events and writes documents, with a ledger of what was answered."""

import asyncio
import json
from random import Random
from typing import Any

from nats.aio.client import Client

from tests.chaos.publisher import AWAY, SPACECRAFT


class Note:
    """An event or a document; `text`, its message or its title, is like no other's."""

    def __init__(self, subject: str, request: dict[str, Any], text: str) -> None:
        self.subject = subject
        self.request = request
        self.text = text
        self.answer: dict[str, Any] | None = None


class Chronicler:
    """Writes until it is stopped; asks until it is answered, which must not do a thing twice."""

    def __init__(self, client: Client, random: Random) -> None:
        self._client = client
        self._random = random
        self.events: list[Note] = []
        self.documents: list[Note] = []

    async def run(self) -> None:
        while True:
            await asyncio.gather(*(self._write() for _ in range(self._random.choice((1, 1, 5)))))
            await asyncio.sleep(self._random.random())

    async def _write(self) -> None:
        note = self._event() if self._random.random() < 0.7 else self._document()
        await self._ask(note)
        if self._random.random() < 0.1:
            await self._ask(note)

    async def _ask(self, note: Note) -> None:
        body = json.dumps(note.request).encode()
        while True:
            try:
                answer = json.loads((await self._client.request(note.subject, body, timeout=2)).data)
                if answer.get("error", {}).get("code") != "unavailable":
                    note.answer = answer
                    return
            except AWAY:
                pass
            await asyncio.sleep(0.1)

    def _event(self) -> Note:
        text = f"event {len(self.events)}"
        request: dict[str, Any] = {
            "type": self._random.choice(("INFO", "MODE_CHANGE", "COMMAND_SENT")),
            "severity": self._random.choice(("LOW", "MEDIUM", "HIGH", "CRITICAL")),
            "message": text,
            "metadata": {"n": self._random.getrandbits(32)},
        }
        # Either makes it known again when it is sent twice: its id, or its time and content.
        known = {"id": f"ev-{len(self.events)}"}, {"timestamp": "2025-06-01T12:00:00Z"}
        note = Note(f"missionops.events.record.{self._random.choice(SPACECRAFT)}", self._random.choice(known), text)
        note.request |= request
        self.events.append(note)
        return note

    def _document(self) -> Note:
        text = f"document {len(self.documents)}"
        request = {"id": f"doc-{len(self.documents)}", "title": text, "body": "for whom it may concern"}
        if self._random.random() < 0.5:
            request["spacecraftId"] = self._random.choice(SPACECRAFT)
        self.documents.append(note := Note("missionops.docs.create", request, text))
        return note
