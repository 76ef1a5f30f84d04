"""Whether anybody has heard of a spacecraft: a mistyped id must not read as good news."""

import msgspec

from missionops.cli.client.service import Service


def is_known(service: Service, spacecraft_id: str) -> bool:
    """Whether a spacecraft has sent telemetry or is registered."""
    status = service.request(f"missionops.spacecraft.status.{spacecraft_id}")
    return bool(msgspec.json.decode(status)["monitoring"] != "UNKNOWN")


def unknown(spacecraft_id: str) -> str:
    """The sentence that says that nobody has."""
    return f"No spacecraft {spacecraft_id} is known: it sent no telemetry and is not registered."


def nothing_of(service: Service, spacecraft_id: str, nothing: str) -> str:
    """`nothing`, a sentence that says that nothing was found of a spacecraft; or that it is unknown."""
    return nothing if is_known(service, spacecraft_id) else unknown(spacecraft_id)
