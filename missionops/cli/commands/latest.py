"""`missionops latest`."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from missionops.cli.client import latest_values, loop, nothing_found
from missionops.cli.client.service import Service
from missionops.cli.commands import options, times
from missionops.cli.commands.show import show
from missionops.cli.output import latest, terminal

_Parameters = Annotated[list[str] | None, typer.Argument(metavar="PARAMETER", help="Only these parameters; else all.")]
_At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", callback=lambda text: None if text is None else times.end(text),
        help="What was the latest at that time: 2025-01-01T00:00:00Z, 2025-01-01, -1h, yesterday.",
    ),
]  # fmt: skip
_Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show them again whenever some are new, until Ctrl-C.")]


def show_latest(
    spacecraft_id: options.Spacecraft,
    parameters: _Parameters = None,
    *,
    at: _At = None,
    watch: _Watch = False,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show the latest value of each parameter, and whether it is too old.

    missionops latest SC-001

    missionops latest SC-001 temp volt --watch
    """
    request = {name: value for name, value in (("parameters", parameters or None), ("at", at)) if value is not None}
    if watch and at:
        raise typer.BadParameter("--watch shows what is the latest now: leave out --at.")
    if watch:
        loop.run(_watch(service, spacecraft_id, request, as_json=as_json))
        return
    reply = service.request(f"missionops.telemetry.latest.{spacecraft_id}", request)
    if as_json or msgspec.json.decode(reply)["parameters"]:
        show(reply, as_json, latest.show)
    else:
        terminal.note(f"No telemetry of {spacecraft_id} is stored for that.")
        nothing_found.explain(service, spacecraft_id)


async def _watch(service: Service, spacecraft_id: str, request: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        async for reply in latest_values.follow(service, spacecraft_id, request):
            terminal.json(reply)
        return
    with latest.screen(spacecraft_id) as screen:
        async for reply in latest_values.follow(service, spacecraft_id, request):
            screen.show(msgspec.json.decode(reply))
