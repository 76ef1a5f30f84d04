"""What it means that an analysis found nothing."""

from typing import Any

import msgspec
from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection


async def why_nothing(spacecraft_id: str, start: str | None, end: str | None, server_url: str) -> str:
    """Whether there was nothing to check, nothing to check it by, or nothing wrong; NotFound if nobody knows it."""
    async with connection.connected(server_url) as client:
        status = await _ask(client, f"missionops.spacecraft.status.{spacecraft_id}", {})
        if status["monitoring"] == "UNKNOWN":
            raise errors.NotFound(f"No spacecraft {spacecraft_id} is known: nothing of it was received or registered.")
        wanted = {"limit": 1, "from": start, "to": end} if start else {"limit": 1}
        if not await _ask(client, f"missionops.telemetry.list.{spacecraft_id}", wanted):
            return f"No telemetry of {spacecraft_id} is stored for that."
        try:
            await _ask(client, f"missionops.config.get.{spacecraft_id}", {})
        except errors.NotFound:
            return f"{spacecraft_id} has no limits: `missionops set-config {spacecraft_id} --file PATH` sets some."
        if status["monitoring"] == "NOT_CONFIGURED":
            return f"{spacecraft_id} has no limits for any parameter that it reported, so nothing was checked."
    checked = " that was checked" if status["monitoring"] == "PARTIAL" else ""
    return f"Nothing of {spacecraft_id}{checked} is outside its limits."


async def _ask(client: Client, subject: str, request: dict[str, Any]) -> Any:
    return msgspec.json.decode(await connection.request(client, subject, msgspec.json.encode(request)))
