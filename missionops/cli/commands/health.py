"""`missionops health`."""

import msgspec
import typer

from missionops.cli.commands import options
from missionops.cli.commands.show import show
from missionops.cli.output import tables


def health(*, as_json: options.Json = False, service: options.Server = options.DEFAULT_SERVER) -> None:
    """Show whether the service handles telemetry, and if not, why.

    Ends with exit code 0 if it is ready, else with 1. Where several instances run, one of them responds for itself.

      missionops health

      missionops health --json | jq .ingest.lag
    """
    reply = service.request("missionops.health")
    show(reply, as_json, tables.health)
    raise typer.Exit(0 if msgspec.json.decode(reply)["status"] == "ready" else 1)
