"""`missionops acknowledge` and `comment`."""

import getpass
from typing import Annotated, Any

import msgspec
import typer

from missionops.cli.client import alarms, nothing_found
from missionops.cli.commands import options
from missionops.cli.commands.show import show
from missionops.cli.output import alarm_tables, terminal

_Alarm = Annotated[str, typer.Argument(metavar="ALARM", help="Its id, or the beginning that `list-alarms` shows.")]
_Alarms = Annotated[
    list[str] | None, typer.Argument(metavar="ALARM", help="Their ids, or the beginnings that `list-alarms` shows.")
]
_All = Annotated[
    bool, typer.Option("--all", help="All alarms of the spacecraft that wait; with --parameter only those of it.")
]
_Parameter = Annotated[
    str | None, typer.Option("--parameter", metavar="NAME", help="With --all: only alarms of this parameter.")
]
_Comment = Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="What you know about it.")]
_Text = Annotated[str, typer.Argument(metavar="TEXT", help="What to write.")]


def user() -> str | None:
    """The login name of the person who runs the command, if there is one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it, if it is not the user who runs the command.")
]


def acknowledge(
    spacecraft_id: options.Spacecraft,
    names: _Alarms = None,
    *,
    everything: _All = False,
    parameter: _Parameter = None,
    comment: _Comment = None,
    by: By = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Acknowledge alarms: you have taken note of them.

    Older ones of the same check that have returned are acknowledged with them. Exit code 1 if any is refused.

      missionops acknowledge SC-001 al_0123abcd --comment "Heater is on"

      missionops acknowledge SC-001 --all --parameter temp
    """
    if bool(names) == everything:
        raise typer.BadParameter("Give either the ids of alarms or --all.")
    if parameter and not everything:
        raise typer.BadParameter("--parameter goes with --all.")
    revisions: dict[str, int] = {}
    if names:
        identifiers = alarms.named(service, spacecraft_id, names)
    else:
        waiting = alarms.every(service, spacecraft_id, {"state": "UNACKNOWLEDGED", "parameter": parameter})
        revisions = {one["id"]: one["revision"] for one in waiting}
        identifiers = list(revisions)
        if not identifiers:
            terminal.note(f"No alarm of {spacecraft_id} waits for that.")
            nothing_found.explain(service, spacecraft_id)
            return
    found = alarms.acknowledge(service, spacecraft_id, identifiers, revisions, {"comment": comment, "by": by or user()})
    show(msgspec.json.encode(found), as_json, alarm_tables.acknowledged)
    if len(revisions) == alarms.MOST:
        terminal.note("There may be more that wait: do it again.")
    raise typer.Exit(1 if found["refused"] else 0)


def comment(
    spacecraft_id: options.Spacecraft,
    alarm: _Alarm,
    text: _Text,
    *,
    by: By = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Write a comment to an alarm.

    missionops comment SC-001 al_0123abcd "The same as last week; see the handbook"
    """

    def render(found: Any) -> None:
        terminal.result(terminal.printable(f"{found['id']}: comment {len(found['comments'])} added"))

    [identifier] = alarms.named(service, spacecraft_id, [alarm])
    request = {"id": identifier, "comment": text, "by": by or user()}
    show(service.request(f"missionops.alarms.comment.{spacecraft_id}", request), as_json, render)
