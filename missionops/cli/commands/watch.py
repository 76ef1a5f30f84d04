"""`missionops watch`: messages as they come, one line each."""

from typing import Annotated

import typer

from missionops.cli.client import loop, subscription
from missionops.cli.commands import options, times
from missionops.cli.output import message_line, terminal

_Subject = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="The subject: alarms.SC-001, anomalies.*, telemetry.*, events.*, deadletters.> …"
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print each message as one line of JSON, and nothing else.")]
_Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="First the messages that the stream keeps since then: 10m, 2h, 2025-01-01T00:00:00Z, today.",
    ),
]
_Count = Annotated[int | None, typer.Option("--count", "-n", min=1, metavar="N", help="Stop after N messages.")]


def watch(
    subject: _Subject = "alarms.*",
    *,
    as_json: _Json = False,
    count: _Count = None,
    since: _Since = None,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Watch alarms, or any other messages, live.

    Shows what is published from now on, until Ctrl-C; with --since first what the stream keeps since then.
    A message that is published again with the same Nats-Msg-Id is shown once.

      missionops watch alarms.SC-001

      missionops watch 'anomalies.*' --since 10m

      missionops watch --json | jq .alarm.description
    """

    def show(received: message_line.Message) -> None:
        if as_json:
            terminal.json(message_line.as_json(received))
        else:
            terminal.result(message_line.as_line(received))

    loop.run(subscription.listen(subject, show, count, times.ago(since) if since else None, service))
