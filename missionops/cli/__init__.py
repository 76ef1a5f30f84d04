"""The command line: what commands there are, and the program. A command's module is imported when it is asked for."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import missionops
from missionops import errors
from missionops.cli.commands import options
from missionops.cli.output import terminal

_COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Start here": {
        "demo": ("demo:demo", "See it all work on ESA's own telemetry, in a minute."),
        "up": ("service:up", "Start NATS, PostgreSQL and the service on this machine, and stay up until Ctrl-C."),
    },
    "Telemetry": {
        "publish": ("publish:publish", "Publish telemetry: one snapshot, or a file of them."),
        "ingest-telemetry": (
            "telemetry:ingest_telemetry", "Publish a file of snapshots as one spacecraft's telemetry.",
        ),
        "list-telemetry": ("telemetry:list_telemetry", "List what a spacecraft reported, newest first."),
        "analyze-telemetry": ("telemetry:analyze_telemetry", "Check stored telemetry against the limits of today."),
        "list-anomalies": (
            "anomalies:list_anomalies",
            "List anomalies as they were found, newest first; with --from and --to oldest first.",
        ),
        "watch": ("watch:watch", "Watch anomalies, or anything else, live."),
    },
    "Spacecraft": {
        "list-spacecraft": ("spacecraft:list_spacecraft", "List the spacecraft there are."),
        "get-spacecraft": (
            "spacecraft:get_spacecraft", "Show one spacecraft: its registration, and which config is in force.",
        ),
        "status": ("spacecraft:status", "Show how a spacecraft does, and whether it is watched at all."),
        "register": ("spacecraft:register", "Register a spacecraft, or change what it is called."),
        "get-config": ("config:get_config", "Show the limits in force for a spacecraft, or an earlier version."),
        "set-config": ("config:set_config", "Put limits in force for a spacecraft."),
        "check-config": ("config:check_config", "Show which limits check something, and why the others do not."),
        "list-configs": ("config:list_configs", "List the versions of a spacecraft's limits, newest first."),
    },
    "Events and documents": {
        "list-events": ("events:list_events", "List mission events, newest first."),
        "record-event": ("events:record_event", "Record that something happened."),
        "search-docs": ("documents:search_docs", "Search the documents, the best match first."),
        "get-doc": ("documents:get_doc", "Show a document."),
        "create-doc": ("documents:create_doc", "Publish a document."),
    },
    "Made-up missions": {
        "seed-demo-data": (
            "simulate:seed_demo_data", "Fill in the past of four made-up missions: spacecraft, limits and telemetry.",
        ),
        "seed-demo-docs": ("simulate:seed_demo_docs", "Publish the documents of the four made-up missions."),
        "simulate": ("simulate:simulate", "Fly made-up missions live, until Ctrl-C."),
    },
    "Operate": {
        "serve": ("service:serve", "Run the service against the NATS and the PostgreSQL that settings name."),
        "migrate": (
            "service:migrate",
            "Bring the schema of the database up to date, under a lock; what is applied already stays as it is.",
        ),
        "health": ("health:health", "Show whether the service does its work, and what keeps it from it."),
        "dead-letters": ("dead_letters:app", "List, show and replay telemetry that could not be stored."),
        "tokens": (
            "tokens:app",
            "Create, list and revoke tokens for HTTP, in the database that MISSIONOPS_DATABASE_URL names.",
        ),
    },
}  # fmt: skip
"""By panel of the help and by name: the function or the group, as `module:name`, and its summary."""


class _Program(options.Group):
    """Lists its commands by their summaries, and loads the one that is asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places: dict[str, str] = {}
        for panel, commands in _COMMANDS.items():
            for name, (place, summary) in commands.items():
                self._places[name] = place
                self.add_command(TyperCommand(name, help=summary, rich_help_panel=panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and self._loaded(command.name), rest

    def _loaded(self, name: Any) -> Any:
        module, _, attribute = self._places[name].partition(":")
        found = getattr(import_module(f"missionops.cli.commands.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(name, cls=options.Command)(function)
        return typer.main.get_command(found)


app = typer.Typer(
    name="missionops",
    cls=_Program,
    help="Takes in spacecraft telemetry over NATS, checks it against limits and tells the right people at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def main() -> None:
    """The `missionops` program: a fault of ours or of the caller's is one sentence and exit code 1."""
    terminal.prepare()
    try:
        app()
    except errors.MissionopsError as error:
        terminal.complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(terminal.INTERRUPTED)


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback
    if wanted:
        terminal.result(f"missionops {missionops.__version__}")
        raise typer.Exit


@app.callback()
def _missionops(
    _version: Annotated[  # noqa: FBT002 - Typer's flag
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What every command has in common: nothing, so far."""
