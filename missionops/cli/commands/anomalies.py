"""`missionops list-anomalies`."""

from functools import partial
from typing import Annotated

import typer

from missionops.cli.client import nothing_found
from missionops.cli.client.pagination import Pages
from missionops.cli.commands import options
from missionops.cli.commands.show import show_list
from missionops.cli.output import tables

_Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", "-l", min=1, metavar="N", help="At most N; if not given 20, or all with both --from and --to."
    ),
]
_Parameter = Annotated[
    str | None, typer.Option("--parameter", metavar="NAME", help="Only anomalies of this parameter.")
]


def list_anomalies(
    spacecraft_id: options.SomeSpacecraft = None,
    *,
    limit: _Limit = None,
    min_severity: options.MinSeverity = None,
    parameter: _Parameter = None,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List anomalies, newest first; with both --from and --to oldest first.

    missionops list-anomalies --min-severity HIGH --from today

    missionops list-anomalies --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z
    """
    filters = {"minSeverity": min_severity, "parameter": parameter}
    request = filters | {"from": start, "to": end}
    subject = f"missionops.anomalies.list.{spacecraft_id}" if spacecraft_id else "missionops.anomalies.search"
    if start is None or end is None:
        found = service.list(subject, request, at_most=limit or options.DEFAULT_LIMIT)
    elif spacecraft_id and not any(filters.values()):
        timeline = f"missionops.anomalies.timeline.{spacecraft_id}"
        found = service.list(timeline, {"from": start, "to": end}, at_most=limit, by_limit=False)
    else:
        every = service.list(subject, request).items[::-1]
        found = Pages(every[:limit], has_more=limit is not None and len(every) > limit)
    whose = f"of {spacecraft_id} " if spacecraft_id else ""
    render = partial(tables.anomalies, with_spacecraft=spacecraft_id is None)
    show_list(found, as_json, render, f"No anomalies {whose}are stored for that.")
    if not found.items:
        nothing_found.explain(service, spacecraft_id)
