"""`missionops up`, `serve` and `migrate`: the service, staying up."""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from missionops import app, errors, logs, settings
from missionops import local as stack
from missionops.cli.client import loop
from missionops.cli.output import terminal
from missionops.store import migrate as migrations

if TYPE_CHECKING:
    from missionops.settings import Settings

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
    nats_port: NatsPort = 4222,
    http_port: HttpPort = 8000,
    ready_file: ReadyFile = None,
) -> None:
    """Start NATS, PostgreSQL and the service on this machine, and stay up until Ctrl-C.

    Nothing else needs to be installed. Everything listens on this machine alone.

    Examples:
      missionops up
      missionops up --data-dir /srv/mission --nats-port 4333
      missionops up --ephemeral --ready-file /tmp/ready.json
    """
    if ephemeral and data_dir is not None:
        raise errors.InvalidRequest(
            "--ephemeral keeps nothing, and --data-dir says where data is kept: give one of them."
        )
    logs.configure(settings.read())
    loop.run_until_stopped(_up(None if ephemeral else data_dir or _DATA, nats_port, http_port, ready_file))


async def _up(directory: Path | None, nats_port: int, http_port: int, ready_file: Path | None) -> None:
    with ExitStack() as start:
        start.enter_context(logs.held())  # the addresses come first
        async with stack.running(directory, nats_port, http_port) as running:
            with stack.ready_file(ready_file, running.addresses):
                _announce(running.addresses, directory)
                start.close()
                raise errors.SetupError(await running.failed())


def _announce(addresses: dict[str, str], directory: Path | None) -> None:
    terminal.note("missionops is up. Ctrl-C stops it.")
    terminal.note(f"  NATS      {addresses['nats']}")
    terminal.note(f"  HTTP      {addresses['http']}")
    terminal.note(f"  Database  {addresses['database']}")
    terminal.note(f"  Data      {directory.absolute() if directory else 'is thrown away at the end'}")


def serve() -> None:
    """Run the service against the NATS and the PostgreSQL that settings name.

    Settings are environment variables (MISSIONOPS_NATS_URL, MISSIONOPS_DATABASE_URL, ...); the README lists them.

    Example:
      MISSIONOPS_NATS_URL=nats://nats:4222 MISSIONOPS_DATABASE_URL=postgresql://app@db/missionops missionops serve
    """
    given = settings.read()
    logs.configure(given)
    loop.run_until_stopped(_serve(given))


async def _serve(given: "Settings") -> None:

    async with app.running(given) as service:
        await service.until_ready()
        nats = re.sub("//[^@/,]*@", "//", given.nats_url)  # without a password
        terminal.note(f"missionops serves {nats}, HTTP on {service.http_url}. Ctrl-C stops it.")
        raise errors.SetupError(await service.failed())


def migrate() -> None:
    """Bring the schema of the database up to date, under a lock; what is applied already stays as it is.

    Example:
      MISSIONOPS_DATABASE_URL=postgresql://owner@db/missionops missionops migrate
    """
    for applied in loop.run(migrations.apply(settings.read().database_url)) or ():
        terminal.note(f"applied {applied.name}")
    terminal.note("the schema is up to date")
