"""`missionops list-events` and `record-event`."""

from functools import partial
from typing import Annotated

import msgspec
import typer

from missionops.cli.client import nothing_found
from missionops.cli.commands import options
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import tables, terminal
from missionops.domain import spacecraft
from missionops.domain.event import EventType
from missionops.domain.severity import Severity

_Types = Annotated[
    list[EventType] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        case_sensitive=False,
        help=f"Only events of this type; repeat it for more: {', '.join(EventType)}.",
    ),
]
_Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Only events whose message contains it.")]
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
    spacecraft_id: options.SomeSpacecraftOrFleet = None,
    *,
    limit: options.Limit = options.DEFAULT_LIMIT,
    types: _Types = None,
    min_severity: options.MinSeverity = None,
    search: _Search = None,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List mission events, newest first.

    missionops list-events --type CONTACT_LOST --type MODE_CHANGE --from -7d

    missionops list-events --spacecraft-id SC-001 --limit 100 --json
    """
    subject = f"missionops.events.list.{spacecraft_id}" if spacecraft_id else "missionops.events.search"
    request = {"types": types, "minSeverity": min_severity, "q": search, "from": start, "to": end}
    found = service.list(subject, request, at_most=limit)
    nothing = "of no single spacecraft " if spacecraft_id == spacecraft.FLEET else f"of {spacecraft_id} "
    render = partial(tables.events, with_spacecraft=spacecraft_id is None)
    show_list(found, as_json, render, f"No events {nothing if spacecraft_id else ''}are recorded for that.")
    if not found.items and spacecraft_id != spacecraft.FLEET:
        nothing_found.explain(service, spacecraft_id)


def record_event(
    spacecraft_id: options.Spacecraft,
    message: _Message,
    *,
    event_type: _Type = EventType.INFO,
    severity: _Severity = Severity.LOW,
    timestamp: _Timestamp = None,
    metadata: _Metadata = None,
    event_id: _Id = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Record that something happened.

    missionops record-event SC-001 "Contact lost over Kiruna" --type CONTACT_LOST --severity HIGH
    """
    given: msgspec.Raw | None = None
    if metadata is not None:
        try:
            given = msgspec.Raw(metadata.encode()) if isinstance(msgspec.json.decode(metadata), dict) else None
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            given = None
        if given is None:
            raise typer.BadParameter(f"--metadata {metadata!r} is no JSON object.")
    request = {
        "type": event_type.value,
        "severity": severity.value,
        "message": message,
        "timestamp": timestamp,
        "metadata": given,
        "id": event_id,
    }
    reply = service.request(f"missionops.events.record.{spacecraft_id}", request)
    show(reply, as_json, lambda event: terminal.result(f"{spacecraft_id}: event {event['id']} recorded"))
