"""How commands take their arguments. Imported for every command and each help, so it imports little."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

_SPACECRAFT = "spacecraft_id"
SPACECRAFT_OPTION = "--spacecraft-id"

_same_option = typer.Typer(add_completion=False)


@_same_option.command()
def _(
    same: Annotated[
        str | None, typer.Option(SPACECRAFT_OPTION, metavar="SPACECRAFT", help="The same as the argument SPACECRAFT.")
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
            if name == SPACECRAFT_OPTION and equals:
                return super().parse_args(ctx, [value, *args[:index], *args[index + 1 :]])
            if word == SPACECRAFT_OPTION and index + 1 < end:
                return super().parse_args(ctx, [args[index + 1], *args[:index], *args[index + 2 :]])
        return super().parse_args(ctx, args)
