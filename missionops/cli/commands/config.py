"""`missionops get-config` and `set-config`: a spacecraft's limits."""

from pathlib import Path
from typing import Annotated

import typer

from missionops.cli.client import configs, loop, server
from missionops.cli.commands import options
from missionops.cli.output import terminal

_File = Annotated[
    Path, typer.Option("--file", "-f", metavar="PATH", help="The config as a JSON object; - is standard input.")
]


def get_config(
    spacecraft_id: options.Spacecraft, *, as_json: options.Json = False, server_url: server.Server = server.DEFAULT
) -> None:
    """Show the limits in force for a spacecraft.

    missionops get-config SC-001

    missionops get-config SC-001 --json | jq .config > limits.json
    """
    reply = loop.run(configs.get(spacecraft_id, server_url))
    if as_json:
        terminal.json(reply)
    else:
        configs.show(reply)


def set_config(
    spacecraft_id: options.Spacecraft,
    file: _File,
    *,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Put limits in force for a spacecraft.

    Counts for whatever is published after it; what is wrong in the file is named with its place.

      missionops set-config SC-001 --file limits.json
    """
    reply = loop.run(configs.put(spacecraft_id, configs.read(file), server_url))
    if as_json:
        terminal.json(reply)
    else:
        terminal.result(f"{spacecraft_id}: config version {configs.version(reply)} in force")
