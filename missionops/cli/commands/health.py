"""`missionops health`."""

import msgspec
import typer

from missionops.cli.client import loop, pagination, server
from missionops.cli.commands import options
from missionops.cli.output import tables, terminal


def health(*, as_json: options.Json = False, server_url: server.Server = server.DEFAULT) -> None:
    """Show whether the service does its work, and what keeps it from it.

    Ends with code 0 if it is ready, else with 1; where several run, one of them answers for itself.

      missionops health

      missionops health --json | jq .ingest.lag
    """
    reply = loop.run(pagination.answer("missionops.health", {}, server_url))
    found = msgspec.json.decode(reply)
    if as_json:
        terminal.json(reply)
    else:
        tables.health(found)
    raise typer.Exit(0 if found["status"] == "ready" else 1)
