"""Why nothing was found: that nobody knows a spacecraft must not look as if all were well with it."""

import msgspec

from missionops import errors
from missionops.cli.client.service import Service
from missionops.cli.output import terminal


def unknown(spacecraft_id: str) -> str:
    """That nobody knows a spacecraft, in a sentence."""
    return f"No spacecraft {spacecraft_id} is known: it sent no telemetry and is not registered."


def explain(service: Service, spacecraft_id: str | None) -> None:
    """Say so if a spacecraft of which nothing was found is unknown; None is all of them."""
    if spacecraft_id and _monitoring(service, spacecraft_id) == "UNKNOWN":
        terminal.note(unknown(spacecraft_id))


def by_analysis(service: Service, spacecraft_id: str, start: str | None, end: str | None) -> str:
    """Whether no telemetry is stored, no limits are in force, or all is within limits; NotFound if it is unknown."""
    monitoring = _monitoring(service, spacecraft_id)
    if monitoring == "UNKNOWN":
        raise errors.NotFound(unknown(spacecraft_id))
    stored = service.request(f"missionops.telemetry.list.{spacecraft_id}", {"limit": 1, "from": start, "to": end})
    if not msgspec.json.decode(stored):
        return f"No telemetry of {spacecraft_id} is stored for that."
    try:
        service.request(f"missionops.config.get.{spacecraft_id}")
    except errors.NotFound:
        return f"{spacecraft_id} has no limits: `missionops set-config {spacecraft_id} --file PATH` sets some."
    if monitoring == "NOT_CONFIGURED":
        return f"{spacecraft_id} has no limits for any parameter that it reported, so nothing was checked."
    checked = " that was checked" if monitoring == "PARTIAL" else ""
    return f"Nothing of {spacecraft_id}{checked} is outside its limits."


def _monitoring(service: Service, spacecraft_id: str) -> str:
    status = msgspec.json.decode(service.request(f"missionops.spacecraft.status.{spacecraft_id}"))
    return str(status["monitoring"])
