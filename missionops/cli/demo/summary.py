"""What the demo says at its beginning and at its end."""

import os
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from missionops.cli.demo import opssat
from missionops.cli.demo.screen import STYLES, State
from missionops.cli.output import terminal

NEXT = (
    ("missionops up", "the same, staying up"),
    ("missionops watch", "anomalies as they come"),
    ("missionops set-config SC-001 --file limits.json", "limits of your own"),
    ("missionops publish SC-001 --param temp=42", "telemetry of your own"),
    ("missionops publish --file telemetry.ndjson", "a recording of it"),
)
SOURCE = """Telemetry and fault log: OPS-SAT-1, European Space Agency, from
github.com/georgeslabreche/opssat-orbitai (MIT licence, © 2021 Georges Labrèche and others)."""


class Result(NamedTuple):
    """How it ended."""

    state: State
    heard: opssat.ReceivedAnomalies
    replay_seconds: float
    total_seconds: float = 0.0


def introduce() -> None:
    """What is about to be seen."""
    terminal.result(
        terminal.paint("Half a year of ESA's satellite OPS-SAT-1, replayed through missionops", None, bold=True)
    )


def step(line: str) -> None:
    """Something that is done."""
    terminal.result(line)


def conclude(result: Result) -> bool:
    """The tables; whether everything is as it should be."""
    comparisons = opssat.compare(opssat.read_log(), result.heard)
    console = Console(highlight=False)
    console.print(_counts(result), _comparisons(comparisons))
    faults = _faults(result, comparisons)
    for fault in faults:
        terminal.note(terminal.paint(fault, "red"))
    if not faults:
        terminal.result("The service found exactly what the mission's own fault detection found.")
    _look_ahead(console)
    return not faults


def _counts(result: Result) -> Table:
    state, heard = result.state, result.heard
    table = Table(box=box.SIMPLE, show_header=False, title="What happened", title_justify="left", title_style="bold")
    table.add_column()
    table.add_column(justify="right")
    table.add_row("snapshots sent", f"{state.sent:,}")
    table.add_row("snapshots stored", f"{state.stored:,}")
    for severity, count in sorted(heard.severities.items()):
        table.add_row(f"anomalies {severity}", f"{count:,}", style=STYLES.get(severity))
    table.add_row("time for all of it", f"{result.total_seconds:.1f} s")
    table.add_row("of that, the replay", f"{result.replay_seconds:.1f} s")
    table.add_row("snapshots a second", f"{state.stored / max(result.replay_seconds, 0.001):,.0f}")
    return table


def _comparisons(comparisons: list[opssat.Comparison]) -> Table:
    title = "Moments when a device had to be off (November 2020)"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", title_style="bold")
    table.add_column("device")
    for name in ("mission's log", "found", "missed", "extra"):
        table.add_column(name, justify="right")
    for device, logged, found, missed, extra in comparisons:
        style = "red" if missed or extra else "green"
        table.add_row(device.name, *(f"{count:,}" for count in (logged, found, missed, extra)), style=style)
    return table


def _faults(result: Result, comparisons: list[opssat.Comparison]) -> list[str]:
    state, heard = result.state, result.heard
    faults = [
        f"{comparison.device.name}: {comparison.missed} missed, {comparison.extra} extra"
        for comparison in comparisons
        if not comparison.is_exact
    ]
    if state.stored != state.sent:
        faults.append(f"{state.sent:,} snapshots were sent and {state.stored:,} are stored")
    if heard.count != state.stored_anomalies or heard.repeated:
        faults.append(
            f"{state.stored_anomalies:,} anomalies are stored, {heard.count:,} came, {heard.repeated:,} of them again"
        )
    return faults


def _look_ahead(console: Console) -> None:
    terminal.result(terminal.paint("\nTry next", None, bold=True))
    table = Table.grid(padding=(0, 2))
    # Whoever came by `uv run` has no `missionops` of their own on the path.
    prefix = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""
    for command, purpose in NEXT:
        table.add_row(f"  {prefix}{command}", purpose)
    console.print(table, markup=False)
    terminal.result(f"\n{SOURCE}")
