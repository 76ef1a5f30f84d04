"""`missionops shelve`, `unshelve` and `list-shelves`."""

from typing import Annotated, Any

import typer

from missionops.cli.client import nothing_found
from missionops.cli.commands import options, times
from missionops.cli.commands.alarm_actions import By, user
from missionops.cli.commands.show import show, show_list
from missionops.cli.output import alarm_tables, tables, terminal
from missionops.domain.alarm import CHECKS

_Parameter = Annotated[
    str | None,
    typer.Option("--parameter", metavar="NAME", help="Only alarms of this parameter; else the whole spacecraft."),
]
_Check = Annotated[
    str | None, typer.Option("--check", metavar="CHECK", help=f"Only alarms of this check: {', '.join(CHECKS)}.")
]
_For = Annotated[str, typer.Option("--for", metavar="TIME", help="For how long: 30m, 8h, 2d; at most 30d.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; others will ask.")]
_WhyNoLonger = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why no longer.")]


def shelve(
    spacecraft_id: options.Spacecraft,
    *,
    duration: _For,
    reason: _Reason,
    parameter: _Parameter = None,
    check: _Check = None,
    by: By = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Put alarms aside for a while: nobody is notified.

    They are still found, and are listed apart. A shelf ends by itself, after the time that --for gives.

      missionops shelve SC-001 --parameter temp --for 8h --reason "Heater test"

      missionops shelve SC-001 --for 2h --reason "Software update"
    """
    time = times.span(duration)
    if time is None:
        raise typer.BadParameter(f"{duration!r} is no length of time such as 30m, 8h or 2d.")
    request = {
        "seconds": int(time.total_seconds()),
        "reason": reason,
        "parameter": parameter,
        "check": check.upper() if check else None,
        "by": by or user(),
    }

    def render(shelf: Any) -> None:
        until = tables.moment(shelf["until"])
        terminal.result(f"{alarm_tables.covered(shelf)}: shelved until {until} UTC; alarms hidden: {shelf['hiding']:,}")

    show(service.request(f"missionops.alarms.shelve.{spacecraft_id}", request), as_json, render)
    nothing_found.explain(service, spacecraft_id)


def unshelve(
    spacecraft_id: options.Spacecraft,
    *,
    parameter: _Parameter = None,
    check: _Check = None,
    reason: _WhyNoLonger = None,
    by: By = None,
    as_json: options.Json = False,
    service: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Put alarms aside no longer.

    Name what was shelved as it was: `list-shelves` shows it.

      missionops unshelve SC-001 --parameter temp
    """
    request = {
        "parameter": parameter, "check": check.upper() if check else None, "reason": reason, "by": by or user(),
    }  # fmt: skip

    def render(shelf: Any) -> None:
        terminal.result(
            f"{alarm_tables.covered(shelf)}: no longer shelved; alarms that were hidden: {shelf['hiding']:,}"
        )

    show(service.request(f"missionops.alarms.unshelve.{spacecraft_id}", request), as_json, render)
    nothing_found.explain(service, spacecraft_id)


def list_shelves(*, as_json: options.Json = False, service: options.Server = options.DEFAULT_SERVER) -> None:
    """List what is put aside, until when and why.

    missionops list-shelves
    """
    found = service.list("missionops.alarms.shelves", {}, by_limit=False)
    show_list(found, as_json, alarm_tables.shelves, "Nothing is shelved.")
