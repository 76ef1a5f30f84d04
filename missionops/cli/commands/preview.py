"""`missionops preview-config`: what limits would have found before they are in force."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from missionops.cli.client import configs
from missionops.cli.client import preview as client
from missionops.cli.client.service import Service
from missionops.cli.commands import options, times
from missionops.cli.output import preview, terminal
from missionops.cli.output.progress_bar import Bar

_File = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="PATH", help="The config as a JSON object; - is standard input.")
]
_Version = Annotated[
    int | None,
    typer.Option(
        "--version", min=1, metavar="N", help="Preview an earlier version, in place of --file; list-configs shows them."
    ),
]
_DAYS = "-30d"


def preview_config(
    spacecraft_id: options.Spacecraft,
    *,
    file: _File = None,
    version: _Version = None,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show what limits would have found in stored telemetry, beside what was found.

    Nothing is changed. The telemetry of the last 30 days is read, unless --from and --to say otherwise.

    Shown are the alarms that the limits would add, remove or change, and for each parameter the percentiles p01 and
    p99: 1 % of its values lie below p01, and 1 % above p99.

      missionops preview-config SC-001 --file draft.json --from 2025-01-01 --to 2025-01-31

      missionops preview-config SC-001 --version 3
    """
    if (file is None) == (version is None):
        raise typer.BadParameter("Give either --file PATH or --version N, an earlier version.")
    document = configs.read(file) if file else configs.get(service, spacecraft_id, version)
    found = collect(service, spacecraft_id, document, (start or times.start(_DAYS), end or times.end("now")))
    if as_json:
        terminal.json(msgspec.json.encode(found))
    else:
        preview.show(found, spacecraft_id)
        configs.show_warnings(found["warnings"], spacecraft_id)


def collect(service: Service, spacecraft_id: str, document: bytes, between: tuple[str, str]) -> client.Preview:
    """A whole preview, while its progress is shown."""
    with Bar("preview", share_is_known=True) as bar:
        return client.whole(service, spacecraft_id, document, between, bar.show)
