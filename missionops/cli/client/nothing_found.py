"""Why an analysis found no anomaly."""

from typing import Any

import msgspec

from missionops import errors
from missionops.cli.client.service import Service


def why_nothing(service: Service, spacecraft_id: str, start: str | None, end: str | None) -> str:
    """Whether no telemetry is stored, no limits are in force, or all is within limits; NotFound if it is unknown."""

    def ask(subject: str, **request: Any) -> Any:
        return msgspec.json.decode(service.request(f"missionops.{subject}.{spacecraft_id}", request))

    status = ask("spacecraft.status")
    if status["monitoring"] == "UNKNOWN":
        raise errors.NotFound(f"No spacecraft {spacecraft_id} is known: it sent no telemetry and is not registered.")
    if not ask("telemetry.list", limit=1, **{"from": start, "to": end}):
        return f"No telemetry of {spacecraft_id} is stored for that."
    try:
        ask("config.get")
    except errors.NotFound:
        return f"{spacecraft_id} has no limits: `missionops set-config {spacecraft_id} --file PATH` sets some."
    if status["monitoring"] == "NOT_CONFIGURED":
        return f"{spacecraft_id} has no limits for any parameter that it reported, so nothing was checked."
    checked = " that was checked" if status["monitoring"] == "PARTIAL" else ""
    return f"Nothing of {spacecraft_id}{checked} is outside its limits."
