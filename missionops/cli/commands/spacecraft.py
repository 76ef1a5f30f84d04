"""`missionops list-spacecraft`, `get-spacecraft`, `status` and `register`."""

from typing import Annotated, Any

import msgspec
import typer

from missionops import errors
from missionops.cli.client import loop, pagination, registry, server
from missionops.cli.commands import options
from missionops.cli.output import tables, terminal

_Limit = Annotated[int, typer.Option("--limit", "-l", min=1, metavar="N", help="At most so many, by id.")]
_Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What people call it.")]
_MissionType = Annotated[
    str | None, typer.Option("--mission-type", metavar="TEXT", help="What it is for, as LEO imaging.")
]


def list_spacecraft(
    *, limit: _Limit = 100, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """List the spacecraft there are.

    missionops list-spacecraft

    missionops list-spacecraft --limit 10000 --json | jq -r '.[].spacecraftId'
    """
    found = loop.run(registry.collect(limit, server_url))
    if as_json:
        terminal.json(msgspec.json.encode(found.items))
    elif found.items:
        tables.spacecraft(msgspec.json.decode(item) for item in found.items)
    if not found.items:
        terminal.note("No spacecraft is registered: its first telemetry or config registers it.")
    elif found.total > len(found.items):
        terminal.note(f"{len(found.items):,} of {found.total:,}: --limit shows more.")


def get_spacecraft(
    spacecraft_id: options.Spacecraft, *, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """Show one spacecraft: its registration, and which config is in force.

    missionops get-spacecraft SC-001

    missionops get-spacecraft SC-001 --json | jq .config
    """
    reply = _answer(f"missionops.spacecraft.get.{spacecraft_id}", {}, server_url)
    if as_json:
        terminal.json(reply)
        return

    tables.registration(msgspec.json.decode(reply))


def status(
    spacecraft_id: options.Spacecraft, *, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """Show how a spacecraft does, and whether it is watched at all.

    missionops status SC-001
    """
    reply = _answer(f"missionops.spacecraft.status.{spacecraft_id}", {}, server_url)
    found = msgspec.json.decode(reply)
    if as_json:
        terminal.json(reply)
    elif found["monitoring"] == "UNKNOWN":
        raise errors.NotFound(f"No spacecraft {spacecraft_id} is known: nothing of it was received or registered.")
    else:
        tables.status(found)


def register(
    spacecraft_id: options.Spacecraft,
    *,
    name: _Name = None,
    mission_type: _MissionType = None,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Register a spacecraft, or change what it is called.

    missionops register SC-001 --name "First light" --mission-type "LEO imaging"
    """
    request = {"name": name, "missionType": mission_type}
    reply = _answer(f"missionops.spacecraft.register.{spacecraft_id}", request, server_url)
    if as_json:
        terminal.json(reply)
        return
    said = msgspec.json.decode(reply)
    told = ", ".join(terminal.printable(text) for text in (said["name"], said["missionType"]) if text)
    terminal.result(f"{spacecraft_id} registered{f': {told}' if told else ''}")


def _answer(subject: str, request: dict[str, Any], server_url: str) -> bytes:

    return loop.run(pagination.answer(subject, request, server_url))
