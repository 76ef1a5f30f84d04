"""`missionops list-telemetry`, `analyze-telemetry` and `ingest-telemetry`."""

from pathlib import Path
from typing import Annotated

import typer

from missionops.cli.client import configs, loop, nothing_found, publish_file
from missionops.cli.commands import options, times
from missionops.cli.commands.show import show, show_list
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
_Snapshots = Annotated[int, typer.Option("--limit", "-l", min=1, max=1000, metavar="N", help="The newest N snapshots.")]


def list_telemetry(
    spacecraft_id: options.Spacecraft,
    *,
    limit: options.Limit = options.DEFAULT_LIMIT,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List the snapshots of a spacecraft, newest first.

    missionops list-telemetry --spacecraft-id SC-001

    missionops list-telemetry --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z --limit 5000 --json
    """
    request = {"from": start, "to": end}
    found = service.list(f"missionops.telemetry.list.{spacecraft_id}", request, at_most=limit)
    show_list(found, as_json, tables.telemetry, f"No telemetry of {spacecraft_id} is stored for that.")
    if not found.items:
        nothing_found.explain(service, spacecraft_id)


def analyze_telemetry(
    spacecraft_id: options.Spacecraft,
    *,
    limit: _Snapshots = options.DEFAULT_LIMIT,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Check stored telemetry against the limits in force now.

    The newest --limit snapshots; or with --from or --to all of that time, oldest first.

      missionops analyze-telemetry --spacecraft-id SC-001 --limit 100

      missionops analyze-telemetry --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z --to 2025-01-02T00:00:00Z
    """
    if start or end:
        start, end = start or times.start("1900-01-01"), end or times.end("2199-12-31")
    request = {"limit": limit, "from": start, "to": end}
    found = service.list(f"missionops.telemetry.analyze.{spacecraft_id}", request, by_limit=False)
    if as_json or found.items:
        show(found.body, as_json, tables.anomalies)
    if not as_json and not found.items:
        terminal.note(nothing_found.by_analysis(service, spacecraft_id, start, end))
    if not as_json and (unchecked := configs.unchecked(service, spacecraft_id)):
        terminal.note(terminal.printable(unchecked))


def ingest_telemetry(
    spacecraft_id: options.Spacecraft,
    file: _File,
    *,
    time_column: options.TimeColumn = None,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Publish a file of snapshots as one spacecraft's telemetry.

    Each snapshot is acknowledged by the stream, or reported with the reason why not.

      missionops ingest-telemetry --spacecraft-id SC-001 --file telemetry.ndjson
    """
    raise typer.Exit(0 if loop.run(publish_file.publish(file, spacecraft_id, None, time_column, service)) else 1)
