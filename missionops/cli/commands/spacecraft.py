"""`missionops list-spacecraft`, `get-spacecraft`, `status` and `register`."""

from typing import Annotated, Any

import typer

from missionops import errors
from missionops.cli.client import loop, nothing_found, pagination
from missionops.cli.client.pagination import Pages
from missionops.cli.client.service import Service
from missionops.cli.commands import options
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import tables, terminal

_Limit = Annotated[int, typer.Option("--limit", "-l", min=1, metavar="N", help="At most N, ordered by id.")]
_Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The spacecraft's name.")]
_MissionType = Annotated[
    str | None, typer.Option("--mission-type", metavar="TEXT", help="The kind of its mission, as LEO imaging.")
]


def list_spacecraft(
    *, limit: _Limit = 100, as_json: options.Json = False, service: options.Server = options.DEFAULT_SERVER
) -> None:
    """List the registered spacecraft.

    missionops list-spacecraft

    missionops list-spacecraft --limit 10000 --json | jq -r '.[].spacecraftId'
    """

    async def collect(service: Service) -> tuple[list[Any], int]:
        async with service.connected() as client:
            return await pagination.collect_spacecraft(client, limit)

    items, total = loop.run(collect(service))
    nothing = "No spacecraft is registered: its first telemetry or config registers it."
    show_list(Pages(items, has_more=False), as_json, tables.spacecraft, nothing)
    if total > len(items):
        terminal.note(f"{len(items):,} of {total:,}: --limit shows more.")


def get_spacecraft(
    spacecraft_id: options.Spacecraft,
    *,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show one spacecraft: its registration, and its config in force.

    missionops get-spacecraft SC-001

    missionops get-spacecraft SC-001 --json | jq .config
    """
    show(service.request(f"missionops.spacecraft.get.{spacecraft_id}"), as_json, tables.registration)


def status(
    spacecraft_id: options.Spacecraft,
    *,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show the status of a spacecraft, and whether it is monitored at all.

    missionops status SC-001
    """

    def render(found: Any) -> None:
        if found["monitoring"] == "UNKNOWN":
            raise errors.NotFound(nothing_found.unknown(spacecraft_id))
        tables.status(found)

    show(service.request(f"missionops.spacecraft.status.{spacecraft_id}"), as_json, render)


def register(
    spacecraft_id: options.Spacecraft,
    *,
    name: _Name = None,
    mission_type: _MissionType = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Register a spacecraft, or change its name and its mission type.

    missionops register SC-001 --name "First light" --mission-type "LEO imaging"
    """

    def render(registered: Any) -> None:
        given = [terminal.printable(text) for text in (registered["name"], registered["missionType"]) if text]
        terminal.result(f"{spacecraft_id} registered{': ' if given else ''}{', '.join(given)}")

    request = {"name": name, "missionType": mission_type}
    show(service.request(f"missionops.spacecraft.register.{spacecraft_id}", request), as_json, render)
