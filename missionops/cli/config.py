"""`missionops get-config` and `set-config`: a spacecraft's limits."""

from pathlib import Path
from typing import Annotated

import typer

from missionops.cli import server, terminal
from missionops.domain import spacecraft

_Spacecraft = Annotated[str, typer.Argument(metavar="SPACECRAFT", help="Whose config it is.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the service's reply as it came.")]
_File = Annotated[
    Path, typer.Option("--file", "-f", metavar="PATH", help="The config as a JSON object; - is standard input.")
]


def get_config(
    spacecraft_id: _Spacecraft,
    as_json: _Json = False,  # noqa: FBT002 - Typer's flag
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Show the limits in force for a spacecraft."""
    _check(spacecraft_id)
    from missionops.cli import limits  # noqa: PLC0415 - the command's cost, not the help's

    reply = terminal.run(limits.get(spacecraft_id, server_url))
    if as_json:
        terminal.result(reply.decode())
    else:
        limits.show(reply)


def set_config(spacecraft_id: _Spacecraft, file: _File, server_url: server.Server = server.DEFAULT) -> None:
    """Put limits in force for a spacecraft.

    Counts for whatever is published after it; what is wrong in the file is named with its place.

      missionops set-config SC-001 --file limits.json
    """
    _check(spacecraft_id)
    from missionops.cli import limits  # noqa: PLC0415 - the command's cost, not the help's

    version = terminal.run(limits.put(spacecraft_id, limits.read(file), server_url))
    terminal.result(f"{spacecraft_id}: config version {version} in force")


def _check(spacecraft_id: str) -> None:
    if not spacecraft.is_id(spacecraft_id):
        raise typer.BadParameter(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}.")
