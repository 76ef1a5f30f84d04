"""`missionops health`."""

import msgspec
import typer

from missionops.cli import options, server, terminal


def health(*, as_json: options.Json = False, server_url: server.Server = server.DEFAULT) -> None:
    """Show whether the service does its work, and what keeps it from it.

    Ends with code 0 if it is ready, else with 1; where several run, one of them answers for itself.

      missionops health

      missionops health --json | jq .ingest.lag
    """
    from missionops.cli import listing  # noqa: PLC0415 - the command's cost, not the help's

    reply = terminal.run(listing.answer("missionops.health", {}, server_url))
    found = msgspec.json.decode(reply)
    if as_json:
        terminal.result(reply.decode())
    else:
        from missionops.cli import tables  # noqa: PLC0415 - likewise

        tables.health(found)
    raise typer.Exit(0 if found["status"] == "ready" else 1)
