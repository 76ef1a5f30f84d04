"""The demo's tables of alarms: what an operator sees of the half year, and what a late dump makes of it."""

from datetime import datetime

from rich import box
from rich.table import Table

from missionops.cli.demo.alarms import DUMP, FoundAlarm, ReplayedAlarms
from missionops.cli.output.tables import severity


def found(alarms: ReplayedAlarms, anomalies: int) -> Table:
    """The alarms, beside how many anomalies they stand for."""
    table = _table(f"{anomalies:,} anomalies are {len(alarms.found)} alarms for an operator")
    for name in ("severity", "parameter", "from (UTC)", "to (UTC)"):
        table.add_column(name)
    table.add_column("anomalies", justify="right")
    for one in alarms.found:
        start, end = (f"{moment:%Y-%m-%d %H:%M}" if moment else "is active" for moment in (one.start, one.end))
        table.add_row(severity(one.severity), one.parameter, start, end, f"{one.samples:,}")
    return table


def revisions(alarms: ReplayedAlarms) -> Table:
    """What the dump has made of the alarms that were found without it."""
    table = _table(f"What changed when an on-board log of {len(DUMP)} snapshots came weeks late")
    for name in ("alarm", "severity", "parameter", "change (UTC)"):
        table.add_column(name)
    for before, now in alarms.revisions:
        if now.is_retracted:
            what, change = (
                "retracted",
                f"of {_moment(now.start)}: {'part of another' if now.merged_into else 'was none'}",
            )
        elif before is None:
            what, change = "raised late", _span(now)
        else:
            what, change = "revised", _change(before, now)
        table.add_row(what, severity(now.severity), now.parameter, change)
    return table


def _table(title: str) -> Table:
    return Table(box=box.SIMPLE, title=title, title_justify="left", title_style="bold")


def _change(before: FoundAlarm, now: FoundAlarm) -> str:
    """How an alarm differs from what it was told to be."""
    pairs = (("began", before.start, now.start), ("ended", before.end, now.end))
    moments = [f"{what} {_moment(is_now)}, not {_moment(was)}" for what, was, is_now in pairs if was != is_now]
    return "; ".join(moments) or f"is {now.severity}, not {before.severity}"


def _span(alarm: FoundAlarm) -> str:
    """From when to when, as 04-17 21:23 to 21:31."""
    if alarm.end and alarm.end.date() == alarm.start.date():
        return f"{_moment(alarm.start)} to {alarm.end:%H:%M}"
    return f"{_moment(alarm.start)} to {_moment(alarm.end)}"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%m-%d %H:%M}" if moment else "now"
