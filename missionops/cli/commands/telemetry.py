"""`missionops list-telemetry`, `analyze-telemetry` and `ingest-telemetry`."""

from pathlib import Path
from typing import Annotated

import typer

from missionops.cli.client import analysis, configs, loop, pagination, publish_file, server
from missionops.cli.commands import options
from missionops.cli.output import tables, terminal

_File = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        metavar="PATH",
        help="Snapshots as JSON (lines or an array) or CSV with a header, plain or gzip; - is standard input.",
    ),
]
_Snapshots = Annotated[
    int, typer.Option("--limit", "-l", min=1, max=1000, metavar="N", help="So many snapshots, the newest ones.")
]


def list_telemetry(
    spacecraft_id: options.Spacecraft,
    *,
    limit: options.Limit = options.DEFAULT_LIMIT,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """List what a spacecraft reported, newest first.

    missionops list-telemetry --spacecraft-id SC-001

    missionops list-telemetry --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z --limit 5000 --json
    """
    request = {"from": start, "to": end}
    subject = f"missionops.telemetry.list.{spacecraft_id}"
    found = loop.run(pagination.collect(subject, request, server_url, at_most=limit))
    if as_json:
        pagination.print_json(found)
    elif found.items:
        tables.telemetry(found.decoded())
    pagination.say_rest(found, f"No telemetry of {spacecraft_id} is stored for that.")


def analyze_telemetry(
    spacecraft_id: options.Spacecraft,
    *,
    limit: _Snapshots = options.DEFAULT_LIMIT,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Check stored telemetry against the limits of today.

    The newest --limit snapshots; or with --from and --to all between them, oldest first.

      missionops analyze-telemetry --spacecraft-id SC-001 --limit 100

      missionops analyze-telemetry --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z
    """
    request = {"limit": limit, "from": start, "to": end}
    subject = f"missionops.telemetry.analyze.{spacecraft_id}"
    found = loop.run(pagination.collect(subject, request, server_url, by_limit=False))
    if as_json:
        pagination.print_json(found)
    elif found.items:
        tables.anomalies(found.decoded())
    else:
        terminal.note(loop.run(analysis.why_nothing(spacecraft_id, start, end, server_url)))
    if not as_json and (unchecked := loop.run(configs.unchecked(spacecraft_id, server_url))):
        terminal.note(terminal.printable(unchecked))


def ingest_telemetry(
    spacecraft_id: options.Spacecraft,
    file: _File,
    *,
    time_column: options.TimeColumn = None,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Publish a file of snapshots as one spacecraft's telemetry.

    Each is acknowledged by the stream, or named with the reason why not.

      missionops ingest-telemetry --spacecraft-id SC-001 --file telemetry.ndjson
    """
    raise typer.Exit(0 if loop.run(publish_file.publish(file, spacecraft_id, None, time_column, server_url)) else 1)
