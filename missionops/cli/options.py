"""Options that several commands share."""

from typing import Annotated

import typer

from missionops.domain import spacecraft

DEFAULT_LIMIT = 20


def checked_id(spacecraft_id: str | None) -> str | None:
    """The id itself; what cannot be one is refused before anything is asked."""
    if spacecraft_id is not None and not spacecraft.is_id(spacecraft_id):
        raise typer.BadParameter(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}.")
    return spacecraft_id


def checked_id_or_fleet(text: str | None) -> str | None:
    """The same where `_fleet` may stand for what is about no one spacecraft."""
    return text if text == spacecraft.FLEET else checked_id(text)


SpacecraftId = Annotated[
    str, typer.Option("--spacecraft-id", metavar="SPACECRAFT", callback=checked_id, help="Which spacecraft.")
]
SpacecraftIdOrFleet = Annotated[
    str,
    typer.Option(
        "--spacecraft-id",
        metavar="SPACECRAFT",
        callback=checked_id_or_fleet,
        help=f"Which spacecraft; {spacecraft.FLEET} is what is about no one of them.",
    ),
]
SomeSpacecraftId = Annotated[
    str | None,
    typer.Option("--spacecraft-id", metavar="SPACECRAFT", callback=checked_id, help="Only what is about this one."),
]
Spacecraft = Annotated[str, typer.Argument(metavar="SPACECRAFT", callback=checked_id, help="Which spacecraft.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Limit = Annotated[int, typer.Option("--limit", "-l", min=1, metavar="N", help="At most so many, newest first.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Not before; RFC 3339, as 2025-01-01T00:00:00Z.")
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Not after.")]
