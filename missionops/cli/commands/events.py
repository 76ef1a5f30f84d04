"""`missionops list-events` and `record-event`."""

from typing import Annotated

import msgspec
import typer

from missionops.cli.client import loop, pagination, server
from missionops.cli.commands import options
from missionops.cli.output import tables, terminal
from missionops.domain import spacecraft
from missionops.domain.anomaly import Severity
from missionops.domain.event import EventType

_Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="What happened, in a sentence.")]
_Type = Annotated[
    EventType, typer.Option("--type", metavar="TYPE", case_sensitive=False, help=f"One of {', '.join(EventType)}.")
]
_Severity = Annotated[
    Severity,
    typer.Option("--severity", metavar="SEVERITY", case_sensitive=False, help=f"One of {', '.join(Severity)}."),
]
_Timestamp = Annotated[
    str | None, typer.Option("--timestamp", metavar="TIME", help="When it happened, RFC 3339; now if not given.")
]
_Metadata = Annotated[
    str | None, typer.Option("--metadata", metavar="JSON", help="""More about it, as '{"station":"Kiruna"}'.""")
]
_Id = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Recording it again with the same id changes nothing.")
]


def list_events(
    spacecraft_id: options.SpacecraftOrFleet,
    *,
    limit: options.Limit = options.DEFAULT_LIMIT,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """List mission events, newest first.

    missionops list-events --spacecraft-id SC-001

    missionops list-events --spacecraft-id _fleet --limit 100 --json
    """
    found = loop.run(pagination.collect(f"missionops.events.list.{spacecraft_id}", {}, server_url, at_most=limit))
    if as_json:
        pagination.print_json(found)
    elif found.items:
        tables.events(found.decoded())
    nothing = "about no one spacecraft" if spacecraft_id == spacecraft.FLEET else f"of {spacecraft_id}"
    pagination.say_rest(found, f"No events {nothing} are recorded.")


def record_event(
    spacecraft_id: options.Spacecraft,
    message: _Message,
    *,
    kind: _Type = EventType.INFO,
    severity: _Severity = Severity.LOW,
    timestamp: _Timestamp = None,
    metadata: _Metadata = None,
    event_id: _Id = None,
    as_json: options.Json = False,
    server_url: server.Server = server.DEFAULT,
) -> None:
    """Record that something happened.

    missionops record-event SC-001 "Contact lost over Kiruna" --type CONTACT_LOST --severity HIGH
    """
    request = {
        "type": kind.value,
        "severity": severity.value,
        "message": message,
        "timestamp": timestamp,
        "metadata": _object(metadata),
        "id": event_id,
    }

    reply = loop.run(pagination.answer(f"missionops.events.record.{spacecraft_id}", request, server_url))
    if as_json:
        terminal.json(reply)
    else:
        terminal.result(f"{spacecraft_id}: event {msgspec.json.decode(reply)['id']} recorded")


def _object(metadata: str | None) -> msgspec.Raw | None:
    """As it was written; the service reads it."""
    if metadata is None:
        return None
    try:
        if isinstance(msgspec.json.decode(metadata), dict):
            return msgspec.Raw(metadata.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    raise typer.BadParameter(f"--metadata {metadata!r} is no JSON object.")
