"""Options that several commands share, and how a command takes them."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from missionops.cli.commands import times
from missionops.domain import spacecraft

DEFAULT_LIMIT = 20
_SPACECRAFT = "spacecraft_id"
_SPACECRAFT_OPTION = "--spacecraft-id"


_same_option = typer.Typer(add_completion=False)


@_same_option.command()
def _(
    same: Annotated[
        str | None, typer.Option(_SPACECRAFT_OPTION, metavar="SPACECRAFT", help="The same as the argument SPACECRAFT.")
    ] = None,
) -> None: ...


class _PlainFlags:
    """Shows a flag by its name alone, without the type that Typer calls `<bool>`."""

    def get_params(self, ctx: Any) -> Any:
        parameters = super().get_params(ctx)  # type: ignore[misc] # mixed into Typer's commands and groups
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return parameters


class Group(_PlainFlags, TyperGroup):
    """A group of commands."""


class Command(_PlainFlags, TyperCommand):
    """A command; one about a spacecraft takes it as its first argument or as --spacecraft-id."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        self._takes_spacecraft = bool(arguments) and arguments[0].name == _SPACECRAFT
        if self._takes_spacecraft:
            # Shown and completed; its value becomes the argument before the two are parsed.
            [option] = typer.main.get_command(_same_option).params
            option.expose_value = False
            self.params.append(option)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not self._takes_spacecraft:
            return super().parse_args(ctx, args)
        end = args.index("--") if "--" in args else len(args)
        for index, word in enumerate(args[:end]):
            name, equals, value = word.partition("=")
            if name == _SPACECRAFT_OPTION and equals:
                return super().parse_args(ctx, [value, *args[:index], *args[index + 1 :]])
            if word == _SPACECRAFT_OPTION and index + 1 < end:
                return super().parse_args(ctx, [args[index + 1], *args[:index], *args[index + 2 :]])
        return super().parse_args(ctx, args)


def checked_id(spacecraft_id: str | None) -> str | None:
    """The id itself; what cannot be one is refused before anything is asked."""
    if spacecraft_id is not None and not spacecraft.is_id(spacecraft_id):
        raise typer.BadParameter(f"{spacecraft_id!r} is no spacecraft id: {spacecraft.ID_RULE}.")
    return spacecraft_id


def checked_id_or_fleet(text: str | None) -> str | None:
    """The same where `_fleet` may stand for what is about no one spacecraft."""
    return text if text == spacecraft.FLEET else checked_id(text)


def _start(text: str | None) -> str | None:
    return times.start(text) if text is not None else None


def _end(text: str | None) -> str | None:
    return times.end(text) if text is not None else None


Spacecraft = Annotated[str, typer.Argument(metavar="SPACECRAFT", callback=checked_id, help="Which spacecraft.")]
SpacecraftOrFleet = Annotated[
    str,
    typer.Argument(
        metavar="SPACECRAFT",
        callback=checked_id_or_fleet,
        help=f"Which spacecraft; {spacecraft.FLEET} is what is about no one of them.",
    ),
]
SomeSpacecraft = Annotated[
    str | None, typer.Argument(metavar="SPACECRAFT", callback=checked_id, help="Only what is about this one.")
]
SomeSpacecraftId = Annotated[
    str | None,
    typer.Option(_SPACECRAFT_OPTION, metavar="SPACECRAFT", callback=checked_id, help="Only what is about this one."),
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
Limit = Annotated[int, typer.Option("--limit", "-l", min=1, metavar="N", help="At most so many, newest first.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        callback=_start,
        help="Not before: 2025-01-01T00:00:00Z, 2025-01-01, -1h, -7d, now, today, yesterday; days are UTC.",
    ),
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", callback=_end, help="Not after; of a day, its end.")]
