"""Previews of configs for people: what would change, in a table that one can decide from."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from missionops.cli.output import tables, terminal
from missionops.domain.preview.findings import MOST_SHOWN

Item = Mapping[str, Any]

_WIDE = 120
"""The width of a terminal in which the whole table is readable."""
_ONLY_WIDE = ("p01", "p99", "alarms that differ")
_MOST_ALARMS = 10
"""Alarms that are shown one by one."""


def show(found: Item, spacecraft_id: str) -> None:
    """A table of the parameters, and the worst alarms that are gained, lost or changed."""
    between = f"{_time(found['from'])} to {_time(found['to'])} UTC"
    count = found["snapshots"]
    terminal.result(f"{spacecraft_id}: {count:,} snapshot{'' if count == 1 else 's'}, {between}")
    rows = [
        (
            one["parameter"],
            f"{one['count']:,}",
            *([_number(one["observed"][name]) if one["observed"] else "" for name in ("min", "p01", "p99", "max")]),
            _change(one, "anomalies", "{:,}"),
            _change(one, "alarms", "{:,}"),
            _change(one, "seconds", None),
            _counts(one["counts"]),
        )
        for one in found["parameters"]
        if one["count"] or any(one[side][name] for side in ("now", "then") for name in ("alarms", "anomalies"))
    ]
    columns = (
        "parameter",
        "values",
        "min",
        "p01",
        "p99",
        "max",
        "anomalies",
        "alarms",
        "in alarm",
        "alarms that differ",
    )
    if rows:
        is_wide = Console().width >= _WIDE
        kept = [place for place, name in enumerate(columns) if is_wide or name not in _ONLY_WIDE]
        shown = ([row[place] for place in kept] for row in rows)
        tables.plain([columns[place] for place in kept], shown, right=columns[1:6])
        if not is_wide:
            terminal.note(f"A terminal of {_WIDE} columns also shows {', '.join(_ONLY_WIDE)}.")
    silent = len(found["parameters"]) - len(rows)
    if silent:
        terminal.result(
            f"Not in the table: {silent:,} parameter{'' if silent == 1 else 's'} without a value in this range."
        )
    totals = {name: sum(one["counts"][name] for one in found["parameters"]) for name in ("gained", "lost", "changed")}
    no_difference = "the same alarms" if count else "nothing was tried, as no telemetry is stored for that"
    terminal.result(f"In all: {_counts(totals) or no_difference}.")
    alarms = sorted(_differences(found), key=lambda row: row[0])
    for _, line in alarms[:_MOST_ALARMS]:
        terminal.result(terminal.printable(line))
    if left := sum(totals.values()) - len(alarms[:_MOST_ALARMS]):
        terminal.result(f"  … and {left:,} more; --json shows {MOST_SHOWN} of each kind and parameter.")


def _differences(found: Item) -> Iterator[tuple[tuple[Any, ...], str]]:
    """A line for each alarm that differs, with its place among them."""
    for one in found["parameters"]:
        for name in ("gained", "lost", "changed"):
            for alarm in one[name]:
                now, then = alarm.get("now", alarm), alarm.get("then", alarm)
                worst = max(tables.SEVERITY_ORDER.index(side["severity"]) for side in (now, then))
                shown = _alarm(now) if name != "changed" else f"{_alarm(now)} becomes {_alarm(then)}"
                yield (-worst, now["start"]), f"  {name:<8} {one['parameter']} {alarm['check']} {shown}"


def _alarm(alarm: Item) -> str:
    peak = alarm["peak"]
    at = f", peak {tables.value_text(peak['value'])}" if peak else ""
    end = "active" if alarm["end"] is None else f"to {_time(alarm['end'])}"
    return f"{alarm['severity']} {_time(alarm['start'])} {end}{at}"


def _change(one: Item, name: str, form: str | None) -> str:
    """What is now, and what it would be where that is something else."""
    now, then = (
        tables.duration(one[side][name]) if form is None else form.format(one[side][name]) for side in ("now", "then")
    )
    return now if now == then else f"{now} → {then}"


def _counts(counts: Item) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _time(text: str) -> str:
    return terminal.printable(text[:19].replace("T", " "))
