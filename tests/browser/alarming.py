"""Telemetry that makes alarms of every kind, as spacecraft send it."""

import asyncio
import json
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


async def request(client: Any, subject: str, body: Any) -> Any:
    """One request over NATS; an error of the service fails the test."""
    reply = json.loads((await client.request(subject, json.dumps(body).encode(), timeout=10)).data)
    assert not (isinstance(reply, dict) and "error" in reply), reply
    return reply


async def configure(client: Any, spacecraft_id: str, limits: Any = None) -> None:
    await request(client, f"missionops.config.set.{spacecraft_id}", limits or LIMITS)


async def report(client: Any, spacecraft_id: str, ago: float = 0, **parameters: Any) -> None:
    """One snapshot, stamped so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    await request(client, f"telemetry.{spacecraft_id}", {"timestamp": at.isoformat(), "parameters": parameters})


async def standing(service: Any, count: int, headers: dict[str, str] | None = None, **wanted: Any) -> list[Any]:
    """The lines of what stands, once there are so many."""
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10, headers=headers) as http:
        while True:
            found = (await http.get("/alarms/active", params={"limit": 1000, **wanted})).json()
            if found["total"] == count:
                return list(found["items"])
            await asyncio.sleep(0.05)
