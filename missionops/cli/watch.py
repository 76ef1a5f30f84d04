"""`missionops watch`: messages as they come, one line each."""

from typing import Annotated

import typer

from missionops.cli import listening, loop, message, server

_Subject = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="What to listen to: anomalies.SC-001, telemetry.*, events.*, deadletters.> …"
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print each message as one line of JSON, and nothing else.")]
_Count = Annotated[int | None, typer.Option("--count", "-n", min=1, metavar="N", help="Stop after N messages.")]


def watch(
    subject: _Subject = "anomalies.*",
    as_json: _Json = False,  # noqa: FBT002 - Typer's flag
    count: _Count = None,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Watch anomalies, or anything else, live.

    Shows what is published from now on, until Ctrl-C.

      missionops watch anomalies.SC-001

      missionops watch --json | jq .description
    """
    render = message.as_json if as_json else message.as_line
    loop.run(listening.listen(subject, render, count, server_url))
