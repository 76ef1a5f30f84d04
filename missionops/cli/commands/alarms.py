"""`missionops list-alarms`, `show-alarm` and `alarm-statistics`."""

from functools import partial
from typing import Annotated

import msgspec
import typer

from missionops.cli.client import alarms, nothing_found
from missionops.cli.commands import options, times
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import alarm_tables
from missionops.domain.alarm import CHECKS
from missionops.operations.alarms import StateFilter

_State = Annotated[
    StateFilter | None,
    typer.Option(
        "--state", metavar="STATE", case_sensitive=False, help=f"Only those in this state: {', '.join(StateFilter)}."
    ),
]
_Parameter = Annotated[str | None, typer.Option("--parameter", metavar="NAME", help="Only alarms of this parameter.")]
_Check = Annotated[
    str | None, typer.Option("--check", metavar="CHECK", help=f"Only alarms of this check: {', '.join(CHECKS)}.")
]
_Search = Annotated[
    str | None,
    typer.Option(
        "--search", metavar="TEXT",
        help="Only those whose spacecraft, parameter, description or subsystem contains it; not of one spacecraft.",
    ),
]  # fmt: skip
_Standing = Annotated[
    bool,
    typer.Option(
        "--standing", help="Those that are active or wait to be acknowledged: one for each check, the worst first."
    ),
]
_Subsystem = Annotated[
    str | None, typer.Option("--subsystem", metavar="NAME", help="With --standing: only those of this subsystem.")
]
_Alarm = Annotated[str, typer.Argument(metavar="ALARM", help="Its id, or the beginning that `list-alarms` shows.")]


def list_alarms(
    spacecraft_id: options.SomeSpacecraft = None,
    *,
    standing: _Standing = False,
    limit: options.Limit = options.DEFAULT_LIMIT,
    state: _State = None,
    min_severity: options.MinSeverity = None,
    parameter: _Parameter = None,
    check: _Check = None,
    subsystem: _Subsystem = None,
    search: _Search = None,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List alarms, newest first; with --standing those that stand.

    Of those that stand the worst come first, of each check the newest with how many earlier ones wait.

      missionops list-alarms --standing

      missionops list-alarms SC-001 --standing --check STALE

      missionops list-alarms SC-001 --state UNACKNOWLEDGED

      missionops list-alarms --min-severity HIGH --from -7d
    """
    if spacecraft_id and search:
        raise typer.BadParameter("--search is over all spacecraft: leave out SPACECRAFT.")
    check = check.upper() if check else None
    others = {"--parameter": parameter, "--from": start, "--to": end}
    if standing and (given := [name for name, value in others.items() if value]):
        raise typer.BadParameter(f"{given[0]} does not go with --standing.")
    if subsystem and not standing:
        raise typer.BadParameter("--subsystem goes with --standing.")
    if standing:
        request = {
            "limit": limit, "spacecraftId": spacecraft_id, "state": state, "minSeverity": min_severity, "check": check,
            "subsystem": subsystem, "q": search,
        }  # fmt: skip
        are_some = any(value for name, value in request.items() if name != "limit")
        render = partial(alarm_tables.standing, are_some=are_some)
        reply = service.request("missionops.alarms.active", request)
        show(reply, as_json, render)
        if not msgspec.json.decode(reply)["items"]:
            nothing_found.explain(service, spacecraft_id)
        return
    filters = {
        "state": state, "minSeverity": min_severity, "parameter": parameter, "check": check, "q": search, "from": start,
        "to": end,
    }  # fmt: skip
    subject = f"missionops.alarms.list.{spacecraft_id}" if spacecraft_id else "missionops.alarms.search"
    whose = f"of {spacecraft_id} " if spacecraft_id else ""
    render = partial(alarm_tables.alarms, with_spacecraft=spacecraft_id is None)
    found = service.list(subject, filters, at_most=limit)
    show_list(found, as_json, render, f"No alarms {whose}are stored for that.")
    if not found.items:
        nothing_found.explain(service, spacecraft_id)


def show_alarm(
    spacecraft_id: options.Spacecraft,
    alarm: _Alarm,
    *,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show an alarm with all that happened to it.

    missionops show-alarm SC-001 al_0123abcd
    """
    [identifier] = alarms.named(service, spacecraft_id, [alarm])
    show(service.request(f"missionops.alarms.get.{spacecraft_id}", {"id": identifier}), as_json, alarm_tables.alarm)


def alarm_statistics(
    spacecraft_id: options.SomeSpacecraft = None,
    *,
    start: options.From = None,
    end: options.To = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show how many alarms there were, and which too often.

    Of those that were found in the last seven days, unless --from and --to say otherwise.

      missionops alarm-statistics --from -30d
    """
    request = {"from": start or times.start("-7d"), "to": end or times.end("now")}
    of_one = f".{spacecraft_id}" if spacecraft_id else ""
    show(service.request(f"missionops.alarms.statistics{of_one}", request), as_json, alarm_tables.statistics)
    nothing_found.explain(service, spacecraft_id)
