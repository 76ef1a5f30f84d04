"""`missionops list-anomalies`."""

from typing import Annotated

import typer

from missionops.cli.client import loop, pagination, server
from missionops.cli.commands import options
from missionops.cli.output import tables

_Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", "-l", min=1, metavar="N", help="At most so many; 20 if not given, all with --from and --to."
    ),
]


def list_anomalies(
    spacecraft_id: options.Spacecraft,
    *,
    limit: _Limit = None,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """List anomalies as they were found, newest first; with --from and --to oldest first.

    missionops list-anomalies --spacecraft-id SC-001 --limit 100

    missionops list-anomalies --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z
    """
    if (start is None) != (end is None):
        raise typer.BadParameter("Give both --from and --to, or neither.")
    if start is None:
        subject, limit = f"missionops.anomalies.list.{spacecraft_id}", limit or options.DEFAULT_LIMIT
    else:
        subject = f"missionops.anomalies.timeline.{spacecraft_id}"
    request = {"from": start, "to": end}
    found = loop.run(pagination.collect(subject, request, server_url, at_most=limit, by_limit=start is None))
    if as_json:
        pagination.print_json(found)
    elif found.items:
        tables.anomalies(found.decoded())
    pagination.say_rest(found, f"No anomalies of {spacecraft_id} are stored for that.")
