"""`missionops series`."""

import csv
import sys
from typing import Annotated

import msgspec
import typer

from missionops.cli.client import nothing_found, range_pages
from missionops.cli.commands import options, times
from missionops.cli.output import series, terminal

_Parameters = Annotated[list[str], typer.Argument(metavar="PARAMETER", help="The names of the parameters, at most 20.")]
_Points = Annotated[
    int,
    typer.Option(
        "--points", "-n", min=1, max=5_000, metavar="N",
        help="At most about N points of each parameter; of more samples their minimum, maximum and last.",
    ),
]  # fmt: skip
_Csv = Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")]
_DEFAULT_POINTS = 100


def show_series(
    spacecraft_id: options.Spacecraft,
    parameters: _Parameters,
    *,
    start: options.From = None,
    end: options.To = None,
    points: _Points = _DEFAULT_POINTS,
    as_csv: _Csv = False,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show numbers over time: the samples, or where they are many their extremes.

    Of the last day, unless --from and --to say otherwise. No extreme is lost, however few the points.

      missionops series SC-001 temp volt --from -7d

      missionops series SC-001 temp --from 2025-01-01 --to 2025-12-31 --points 1000 --csv > temp.csv
    """
    request = {
        "parameters": list(parameters),
        "from": start or times.start("-1d"),
        "to": end or times.end("now"),
        "points": points,
    }
    subject = f"missionops.telemetry.series.{spacecraft_id}"
    found = range_pages.whole(service, subject, request, range_pages.add_series)
    if as_json:
        terminal.json(msgspec.json.encode(found))
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows(series.rows(found))
    else:
        series.show(found)
        if not any(map(series.size, found["series"])):
            terminal.note(f"No numbers of {spacecraft_id} are stored for that.")
            nothing_found.explain(service, spacecraft_id)
