"""Options that several commands share."""

from collections.abc import Callable
from typing import Annotated

import typer

from missionops.cli.client.service import LOCAL, Service
from missionops.cli.commands import times
from missionops.cli.commands.parsing import SPACECRAFT_OPTION
from missionops.domain import dead_letter, spacecraft
from missionops.domain.severity import Severity

DEFAULT_LIMIT = 20


def checked_id(spacecraft_id: str | None) -> str | None:
    """The id itself; text that cannot be an id is refused before the service is asked."""
    if spacecraft_id is not None and not spacecraft.is_id(spacecraft_id):
        raise typer.BadParameter(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}.")
    return spacecraft_id


def checked_id_or(other: str) -> Callable[[str | None], str | None]:
    """The same where `other` may stand in place of an id."""
    return lambda text: text if text == other else checked_id(text)


Server = Annotated[
    Service,
    typer.Option(
        "--server",
        "-s",
        envvar="MISSIONOPS_NATS_URL",
        metavar="URL",
        parser=lambda given: given if isinstance(given, Service) else Service(given),
        help="The NATS server of the service; several addresses are separated by commas.",
    ),
]
"""The service that a command asks."""

DEFAULT_SERVER = LOCAL

Spacecraft = Annotated[str, typer.Argument(metavar="SPACECRAFT", callback=checked_id, help="The spacecraft's id.")]
SomeSpacecraft = Annotated[
    str | None, typer.Argument(metavar="SPACECRAFT", callback=checked_id, help="Only this spacecraft; else all.")
]
SomeSpacecraftOrFleet = Annotated[
    str | None,
    typer.Argument(
        metavar="SPACECRAFT",
        callback=checked_id_or(spacecraft.FLEET),
        help=f"Only this spacecraft, else all; {spacecraft.FLEET}: events that belong to no single spacecraft.",
    ),
]
SomeSpacecraftOrUnknown = Annotated[
    str | None,
    typer.Argument(
        metavar="SPACECRAFT",
        callback=checked_id_or(dead_letter.UNKNOWN),
        help=f"Only this spacecraft, else all; {dead_letter.UNKNOWN}: telemetry whose subject named no spacecraft.",
    ),
]
SomeSpacecraftId = Annotated[
    str | None,
    typer.Option(SPACECRAFT_OPTION, metavar="SPACECRAFT", callback=checked_id, help="Only this spacecraft."),
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time-column",
        metavar="NAME",
        help="The column of CSV that holds the time; if not given the first named timestamp, time, utc or datetime.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in UTF-8, for programs.")]
Limit = Annotated[int, typer.Option("--limit", "-l", min=1, metavar="N", help="At most N, newest first.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        callback=lambda text: None if text is None else times.start(text),
        help="Not before: 2025-01-01T00:00:00Z, 2025-01-01, -1h, -7d, now, today, yesterday; days are UTC.",
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="TIME",
        callback=lambda text: None if text is None else times.end(text),
        help="Not after; of a day, its end.",
    ),
]
MinSeverity = Annotated[
    Severity | None,
    typer.Option(
        "--min-severity", metavar="SEVERITY", case_sensitive=False, help=f"At least this: {', '.join(Severity)}."
    ),
]
