"""The command line: its commands, and the program. A command's module is imported when the command is run."""

import gc
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import missionops
from missionops import errors
from missionops.cli.commands import parsing
from missionops.cli.output import terminal

_COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Start here": {
        "demo": ("demo:demo", "See it all work on ESA's own telemetry, in a minute."),
        "up": ("up:up", "Start NATS, PostgreSQL and the service on this machine, and stay up until Ctrl-C."),
    },
    "Telemetry": {
        "publish": ("publish:publish", "Publish telemetry: one snapshot, or a file of them."),
        "ingest-telemetry": (
            "telemetry:ingest_telemetry", "Publish a file of snapshots as one spacecraft's telemetry.",
        ),
        "list-telemetry": ("telemetry:list_telemetry", "List the snapshots of a spacecraft, newest first."),
        "analyze-telemetry": ("telemetry:analyze_telemetry", "Check stored telemetry against the limits in force now."),
        "latest": ("latest:show_latest", "Show the latest value of each parameter, and whether it is too old."),
        "series": ("series:show_series", "Show numbers over time: the samples, or where they are many their extremes."),
        "states": ("states:show_states", "Show when which text or boolean was reported."),
        "list-anomalies": (
            "anomalies:list_anomalies",
            "List anomalies, newest first; with both --from and --to oldest first.",
        ),
    },
    "Alarms": {
        "watch": ("watch:watch", "Watch alarms, or any other messages, live."),
        "list-alarms": ("alarms:list_alarms", "List alarms, newest first; with --standing those that stand."),
        "show-alarm": ("alarms:show_alarm", "Show an alarm with all that happened to it."),
        "acknowledge": ("alarm_actions:acknowledge", "Acknowledge alarms: you have taken note of them."),
        "comment": ("alarm_actions:comment", "Write a comment to an alarm."),
        "shelve": ("alarm_shelves:shelve", "Put alarms aside for a while: nobody is notified."),
        "unshelve": ("alarm_shelves:unshelve", "Put alarms aside no longer."),
        "list-shelves": ("alarm_shelves:list_shelves", "List what is put aside, until when and why."),
        "alarm-statistics": ("alarms:alarm_statistics", "Show how many alarms there were, and which too often."),
        "notify-test": ("notify_test:notify_test", "Send a test message to one target of the notify file."),
    },
    "Spacecraft": {
        "fleet": ("fleet:fleet", "Show how all spacecraft do, the worst first."),
        "list-spacecraft": ("spacecraft:list_spacecraft", "List the registered spacecraft."),
        "get-spacecraft": (
            "spacecraft:get_spacecraft", "Show one spacecraft: its registration, and its config in force.",
        ),
        "status": ("spacecraft:status", "Show the status of a spacecraft, and whether it is monitored at all."),
        "register": ("spacecraft:register", "Register a spacecraft, or change its name and its mission type."),
        "get-config": ("config:get_config", "Show the limits in force for a spacecraft, or an earlier version."),
        "set-config": ("config:set_config", "Put limits in force for a spacecraft, in place of all that it had."),
        "check-config": ("config:check_config", "Show which limits judge telemetry, and why the others do not."),
        "preview-config": (
            "preview:preview_config", "Show what limits would have found in stored telemetry, beside what was found.",
        ),
        "test-limits": (
            "limit_tests:test_limits", "Test limits against series of values and expected alarms, without a server.",
        ),
        "list-configs": (
            "config:list_configs", "List the versions of a spacecraft's limits: who set them, when and why.",
        ),
    },
    "Events and documents": {
        "list-events": ("events:list_events", "List mission events, newest first."),
        "record-event": ("events:record_event", "Record that something happened."),
        "search-docs": (
            "documents:search_docs", "Search the documents, best match first; without words show the newest.",
        ),
        "get-doc": ("documents:get_doc", "Show a document."),
        "create-doc": ("documents:create_doc", "Publish a document."),
    },
    "Simulated missions": {
        "seed-demo-data": (
            "simulate:seed_demo_data", "Publish the past of four simulated missions: spacecraft, limits and telemetry.",
        ),
        "seed-demo-docs": ("simulate:seed_demo_docs", "Publish the documents of the four simulated missions."),
        "simulate": ("simulate:simulate", "Simulate missions live, until Ctrl-C."),
    },
    "Operate": {
        "serve": ("serve:serve", "Run the service against the NATS and the PostgreSQL that settings name."),
        "migrate": ("migrate:migrate", "Bring the schema of the database up to date."),
        "health": ("health:health", "Show whether the service handles telemetry, and if not, why."),
        "dead-letters": ("dead_letters:app", "List, show and replay telemetry that could not be stored."),
        "tokens": (
            "tokens:app",
            "Create, list and revoke tokens for HTTP, in the database that MISSIONOPS_DATABASE_URL names.",
        ),
    },
}  # fmt: skip
"""By panel of the help and by name: the function or the group, as `module:name`, and its summary."""


class _Program(parsing.Group):
    """Lists its commands by their summaries, and imports only the module of the one that is run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places: dict[str, str] = {}
        for panel, commands in _COMMANDS.items():
            for name, (place, summary) in commands.items():
                self._places[name] = place
                self.add_command(TyperCommand(name, help=summary, rich_help_panel=panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None or listed.name is None:
            return name, listed, rest
        module, _, attribute = self._places[listed.name].partition(":")
        found = getattr(import_module(f"missionops.cli.commands.{module}"), attribute)
        if not gc.isenabled():  # the installed program, which begins without the collector
            gc.freeze()
            gc.enable()
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(listed.name, cls=parsing.Command)(function)
        return name, typer.main.get_command(found), rest


app = typer.Typer(
    name="missionops",
    cls=_Program,
    help="Receives spacecraft telemetry over NATS, checks it against limits and publishes anomalies at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def main() -> None:
    """The `missionops` program: every expected error is one sentence and exit code 1."""
    terminal.prepare()
    # We have no plugin of pydantic, and to look for some it reads what every installed distribution says of itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
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
    """Options of the program itself."""
