"""Telemetry that makes alarms of every kind, as spacecraft send it."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

LIMITS = {
    "parameters": {
        "temp": {
            "warnHigh": 45, "critHigh": 70, "severeHigh": 90, "unit": "°C", "subsystem": "EPS",
            "documents": ["battery"], "guidance": "Switch the heater off.\nThen watch the voltage for two minutes.",
        },
        "volt": {"critLow": 3.2, "warnLow": 3.4, "watchLow": 3.5, "unit": "V", "subsystem": "EPS"},
        "mode": {"states": {"SAFE": "CRITICAL"}, "subsystem": "OBC"},
        "rate": {"change": {"per": "second", "warn": 5}, "maskedBy": "mode"},
    }
}  # fmt: skip


class Craft:
    """A spacecraft of a test's own: the service may be one that other tests use, too."""

    def __init__(self, client: Any, service: Any, limits: Any = None) -> None:
        self.id = f"SC-{secrets.token_hex(4)}"
        self._client = client
        self._service = service
        self._limits = limits or LIMITS

    @property
    def link(self) -> str:
        """Its alarms."""
        return f"/#/alarms?sc={self.id}"

    async def request(self, name: str, body: Any) -> Any:
        """One request over NATS about it; an error of the service fails the test."""
        return await request(self._client, f"missionops.{name}.{self.id}", body)

    async def configure(self) -> None:
        await self.request("config.set", self._limits)

    async def report(self, ago: float = 0, **parameters: Any) -> None:
        """One snapshot, stamped so many seconds ago."""
        at = datetime.now(UTC) - timedelta(seconds=ago)
        body = {"timestamp": at.isoformat(), "parameters": parameters}
        await request(self._client, f"telemetry.{self.id}", body)

    async def standing(self, count: int, **wanted: Any) -> list[Any]:
        """Its lines of what stands, once there are so many."""
        async with httpx.AsyncClient(base_url=self._service.http_url, timeout=10) as http:
            while True:
                query = {"limit": 1000, "spacecraftId": self.id, **wanted}
                found = (await http.get("/alarms/active", params=query)).json()
                if found["total"] == count:
                    return list(found["items"])
                await asyncio.sleep(0.05)


async def request(client: Any, subject: str, body: Any) -> Any:
    """One request over NATS; an error of the service fails the test."""
    reply = json.loads((await client.request(subject, json.dumps(body).encode(), timeout=10)).data)
    assert not (isinstance(reply, dict) and "error" in reply), reply
    return reply
