"""How commands take their arguments. Imported for every command and each help, so it imports little."""

import inspect
import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

_SPACECRAFT = "spacecraft_id"
SPACECRAFT_OPTION = "--spacecraft-id"

_WORDS = (
    ("^Value error, ", ""),
    ("^Input should be greater than or equal to (.*)$", r"Give \1 or more."),
    ("^Input should be less than or equal to (.*)$", r"Give \1 or less."),
    ("^Input should be a valid integer.*$", "Give a whole number."),
    ("^Input should be a valid number.*$", "Give a number."),
)
"""What pydantic, with which Typer checks arguments, says of a wrong one; and what a person is told."""

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
        if self.help:  # Typer keeps the line breaks of the source; examples are indented, and keep their lines
            self.help = re.sub(r"(?<=\S)\n(?=\S)", " ", inspect.cleandoc(self.help))
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        self._takes_spacecraft = bool(arguments) and arguments[0].name == _SPACECRAFT
        if self._takes_spacecraft:
            # Shown and completed; its value becomes the argument before the two are parsed.
            [option] = typer.main.get_command(_same_option).params
            option.expose_value = False
            self.params.append(option)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().make_context(*args, **kwargs)
        except typer.BadParameter as error:
            for theirs, ours in _WORDS:
                error.message = re.sub(theirs, ours, error.message)
            raise

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
