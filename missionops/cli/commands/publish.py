"""`missionops publish`: one snapshot from the command line, or a whole file of them."""

from pathlib import Path
from typing import Annotated

import typer

from missionops.cli.client import loop, publish_file, publish_snapshot
from missionops.cli.commands import options
from missionops.domain import spacecraft

_Spacecraft = Annotated[
    str | None,
    typer.Argument(metavar="SPACECRAFT", help="The spacecraft's id; not needed for a file whose snapshots name it."),
]
_Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="One parameter; repeat it for more. VALUE is as in JSON, NaN included; what is not is a string.",
    ),
]
_Timestamp = Annotated[
    str | None, typer.Option(metavar="TIME", help="RFC 3339 with an offset, as 2025-01-01T00:00:00Z; now if not given.")
]
_Id = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="The snapshot's id; derived from its content if not given.")
]
_File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        metavar="PATH",
        help="Snapshots as JSON (lines or an array) or CSV with a header, plain or gzip; - is standard input.",
    ),
]
_Rate = Annotated[
    float | None, typer.Option(metavar="N", help="At most N snapshots a second; as fast as possible if not given.")
]


def publish(  # noqa: PLR0917 - Typer's options, given by name
    spacecraft_id: _Spacecraft = None,
    parameters: _Parameters = None,
    timestamp: _Timestamp = None,
    snapshot_id: _Id = None,
    file: _File = None,
    time_column: options.TimeColumn = None,
    rate: _Rate = None,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Publish telemetry: one snapshot, or a file of them.

    Each is acknowledged by the stream, or reported with the reason why not. Sending one again stores nothing new.

    A program that publishes with a Nats-Msg-Id of its own begins it with the spacecraft's id: for 100 ms the stream
    drops a message whose id it has seen, whichever spacecraft it belongs to.

      missionops publish SC-001 --param temp=42 --param mode=CRUISE

      missionops publish --file telemetry.ndjson.gz --rate 500

      missionops publish SC-001 --file beacons.csv --time-column utc_time
    """
    for_files = "--rate" if rate is not None else "--time-column" if time_column is not None else None
    _check_usage(spacecraft_id, parameters, file, single=timestamp or snapshot_id, for_files=for_files)
    if rate is not None and not rate > 0:
        raise typer.BadParameter("--rate must be above 0.")
    if file is not None:
        all_taken = loop.run(publish_file.publish(file, spacecraft_id, rate, time_column, service))
        raise typer.Exit(0 if all_taken else 1)

    assert spacecraft_id is not None  # noqa: S101 - _check_usage has checked it
    values: dict[str, str] = {}
    for text in parameters or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--param {text!r} is not NAME=VALUE.")
        values[name] = value
    body = publish_snapshot.encode(spacecraft_id, values, timestamp, snapshot_id)
    loop.run(publish_snapshot.publish(spacecraft_id, body, service))


def _check_usage(
    spacecraft_id: str | None,
    parameters: list[str] | None,
    file: Path | None,
    *,
    single: str | None,
    for_files: str | None,
) -> None:
    if spacecraft_id is not None and not spacecraft.is_id(spacecraft_id):
        raise typer.BadParameter(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}.")
    if file is None and not parameters:
        raise typer.BadParameter("Give either --param NAME=VALUE, once or more often, or --file PATH.")
    if file is not None and (parameters or single):
        raise typer.BadParameter("--param, --timestamp and --id make one snapshot: they do not go with --file.")
    if file is None and for_files:
        raise typer.BadParameter(f"{for_files} goes with --file.")
    if file is None and spacecraft_id is None:
        raise typer.BadParameter("Name the spacecraft: missionops publish SC-001 --param temp=42.")
    names = [text.partition("=")[0] for text in parameters or ()]
    if twice := {name for name in names if names.count(name) > 1}:
        raise typer.BadParameter(f"--param {min(twice)} is there twice.")
