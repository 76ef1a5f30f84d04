"""Which NATS server a command speaks to."""

from typing import Annotated

import typer

DEFAULT = "nats://127.0.0.1:4222"

Server = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        envvar="MISSIONOPS_NATS_URL",
        metavar="URL",
        help="NATS server; several are separated by commas.",
    ),
]
"""The option that all commands share."""
