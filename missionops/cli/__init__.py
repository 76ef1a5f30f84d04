"""The command line: each command parses and prints, and imports what it needs when it is run."""

import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

import missionops
from missionops import errors
from missionops.cli import (
    anomalies,
    config,
    dead_letters,
    demo,
    documents,
    events,
    fleet,
    health,
    publish,
    service,
    simulator,
    telemetry,
    terminal,
    tokens,
    watch,
)

app = typer.Typer(
    name="missionops",
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


_PANELS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "Start here": {"demo": demo.demo, "up": service.up},
    "Telemetry": {
        "publish": publish.publish,
        "ingest-telemetry": telemetry.ingest_telemetry,
        "list-telemetry": telemetry.list_telemetry,
        "analyze-telemetry": telemetry.analyze_telemetry,
        "list-anomalies": anomalies.list_anomalies,
        "watch": watch.watch,
    },
    "Spacecraft": {
        "list-spacecraft": fleet.list_spacecraft,
        "get-spacecraft": fleet.get_spacecraft,
        "status": fleet.status,
        "register": fleet.register,
        "get-config": config.get_config,
        "set-config": config.set_config,
    },
    "Events and documents": {
        "list-events": events.list_events,
        "record-event": events.record_event,
        "search-docs": documents.search_docs,
        "get-doc": documents.get_doc,
        "create-doc": documents.create_doc,
    },
    "Made-up missions": {
        "seed-demo-data": simulator.seed_demo_data,
        "seed-demo-docs": simulator.seed_demo_docs,
        "simulate": simulator.simulate,
    },
    "Operate": {"serve": service.serve, "migrate": service.migrate, "health": health.health},
}

for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(_command)

app.add_typer(dead_letters.app, rich_help_panel="Operate")
app.add_typer(tokens.app, rich_help_panel="Operate")
