"""`missionops up`: NATS, PostgreSQL and the service on this machine."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from missionops import errors, local, logs, settings
from missionops.cli.client import loop
from missionops.cli.demo import run
from missionops.cli.output import progress_bar, terminal

_DATA = Path(".missionops")

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="PATH", help="Where data is kept between runs.", show_default=str(_DATA)),
]
Ephemeral = Annotated[bool, typer.Option("--ephemeral", help="Keep nothing: the data goes when the command ends.")]
NatsPort = Annotated[
    int, typer.Option("--nats-port", min=0, max=65535, metavar="PORT", help="The port for NATS; 0 picks a free one.")
]
HttpPort = Annotated[
    int, typer.Option("--http-port", min=0, max=65535, metavar="PORT", help="The port for HTTP; 0 picks a free one.")
]
PostgresPort = Annotated[
    int | None,
    typer.Option(
        "--postgres-port",
        min=0,
        max=65535,
        metavar="PORT",
        help="Also offer PostgreSQL on this port, read only and with a password, as for Grafana; 0 picks a free one.",
    ),
]
Demo = Annotated[bool, typer.Option("--demo", help="Replay the demo's telemetry, unless it is stored already.")]
ReadyFile = Annotated[
    Path | None,
    typer.Option(
        "--ready-file", metavar="PATH", help="Write the addresses here, as JSON, once everything is ready to be used."
    ),
]


def up(
    data_dir: DataDir = None,
    *,
    ephemeral: Ephemeral = False,
    demo: Demo = False,
    nats_port: NatsPort = 4222,
    http_port: HttpPort = 8000,
    postgres_port: PostgresPort = None,
    ready_file: ReadyFile = None,
) -> None:
    """Start NATS, PostgreSQL and the service on this machine, and stay up until Ctrl-C.

    Nothing else needs to be installed. Everything listens on this machine only.

    Examples:
      missionops up
      missionops up --demo --postgres-port 5432
      missionops up --data-dir /srv/mission --nats-port 4333
      missionops up --ephemeral --ready-file /tmp/ready.json
    """
    if ephemeral and data_dir is not None:
        raise errors.InvalidRequest(
            "--ephemeral keeps nothing, and --data-dir says where data is kept: give one of them."
        )
    logs.configure(settings.read())
    directory = None if ephemeral else data_dir or _DATA

    async def stay_up() -> None:
        with ExitStack() as start:
            start.enter_context(logs.held())  # the addresses come first
            report = start.enter_context(progress_bar.of_migrations())
            async with local.running(directory, nats_port, http_port, postgres_port, report) as running:
                addresses = running.addresses
                terminal.note("missionops is up. Ctrl-C stops it.")
                terminal.note(f"  Open      {addresses['http']}")
                terminal.note(f"  NATS      {addresses['nats']}")
                terminal.note(f"  Database  {addresses['database']}")
                if "reader" in addresses:
                    terminal.note(f"  Read only {addresses['reader']}")
                terminal.note(f"  Data      {directory.absolute() if directory else 'is deleted at the end'}")
                if demo:
                    await run.run_in(running)
                    terminal.note(f"missionops stays up: open {addresses['http']}. Ctrl-C stops it.")
                with local.ready_file(ready_file, addresses):
                    start.close()
                    raise errors.SetupError(await running.failed())

    loop.run_until_stopped(stay_up())
