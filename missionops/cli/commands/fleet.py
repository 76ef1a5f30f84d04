"""`missionops fleet`: how all spacecraft do."""

from typing import Annotated, Any

import typer

from missionops.cli.commands import options
from missionops.cli.commands.show import show
from missionops.cli.output import tables, terminal
from missionops.operations.fleet import STATES

_Limit = Annotated[int, typer.Option("--limit", "-l", min=1, max=1000, metavar="N", help="At most N, the worst first.")]
_Search = Annotated[
    str | None, typer.Option("--search", metavar="TEXT", help="Only those whose id or name contains it.")
]
_State = Annotated[
    str | None, typer.Option("--state", metavar="STATE", help=f"Only those in this state: {', '.join(STATES)}.")
]


def fleet(
    *,
    limit: _Limit = 100,
    search: _Search = None,
    state: _State = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show how all spacecraft do, the worst first.

    missionops fleet

    missionops fleet --state SILENT --json | jq -r '.items[].spacecraftId'
    """

    def render(found: Any) -> None:
        total = sum(found["counts"].values())
        if not total:
            terminal.note("No spacecraft is registered: its first telemetry or config registers it.")
            return
        if found["items"]:
            tables.fleet(found)
        counts = ", ".join(f"{count:,} {name}" for name, count in found["counts"].items())
        terminal.note(f"{len(found['items']):,} of {total:,} shown: {counts}.")

    request = {"limit": limit, "q": search, "state": state.upper() if state else None}
    show(service.request("missionops.fleet.status", request), as_json, render)
