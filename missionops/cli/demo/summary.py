"""What the demo prints at its beginning and at its end."""

import os
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from missionops.cli.demo import alarm_tables, alarms, opssat
from missionops.cli.demo.screen import ScreenState
from missionops.cli.output import terminal
from missionops.cli.output.tables import SEVERITIES

NEXT = (
    ("missionops up --demo", "the same, staying up"),
    ("missionops watch", "alarms as they come"),
    ("missionops set-config SC-001 --file limits.json", "limits of your own"),
    ("missionops publish SC-001 --param temp=42", "telemetry of your own"),
    ("missionops publish --file telemetry.ndjson", "a file of it"),
)
SOURCE = """Telemetry and fault log: OPS-SAT-1, European Space Agency, from
github.com/georgeslabreche/opssat-orbitai (MIT licence, © 2021 Georges Labrèche and others)."""


class Result(NamedTuple):
    """How the replay ended."""

    state: ScreenState
    received: opssat.ReceivedAnomalies
    alarms: alarms.ReplayedAlarms
    replay_seconds: float
    """Without the late dump."""
    total_seconds: float = 0.0


def introduce() -> None:
    """Print what is about to be replayed."""
    terminal.result(
        terminal.paint("Half a year of ESA's satellite OPS-SAT-1, replayed through missionops", None, bold=True)
    )


def conclude(result: Result) -> bool:
    """Print the tables; whether the service found exactly what the mission did, and nothing is missing."""
    comparisons = opssat.compare(opssat.read_log(), result.received)
    state = result.state
    happened = Table(box=box.SIMPLE, show_header=False, title="What happened", title_justify="left", title_style="bold")
    happened.add_column()
    happened.add_column(justify="right")
    happened.add_row("snapshots sent", f"{state.sent:,}")
    happened.add_row("snapshots stored", f"{state.stored:,}")
    for severity, count in sorted(result.received.severities.items()):
        happened.add_row(f"anomalies {severity}", f"{count:,}", style=SEVERITIES.get(severity))
    happened.add_row("time for all of it", f"{result.total_seconds:.1f} s")
    happened.add_row("of that, the replay", f"{result.replay_seconds:.1f} s")
    happened.add_row(
        "snapshots a second", f"{(state.stored - len(alarms.DUMP)) / max(result.replay_seconds, 0.001):,.0f}"
    )
    title = "Moments when a device had to be off (November 2020)"
    compared = Table(box=box.SIMPLE, title=title, title_justify="left", title_style="bold")
    compared.add_column("device")
    for name in ("mission's log", "found", "missed", "extra"):
        compared.add_column(name, justify="right")
    for device, logged, found, missed, extra in comparisons:
        style = "red" if missed or extra else "green"
        compared.add_row(device.name, *(f"{count:,}" for count in (logged, found, missed, extra)), style=style)
    Console(highlight=False).print(
        happened,
        compared,
        alarm_tables.found(result.alarms, result.received.count),
        alarm_tables.revisions(result.alarms),
    )
    faults = [
        f"{comparison.device.name}: {comparison.missed} missed, {comparison.extra} extra"
        for comparison in comparisons
        if not comparison.is_exact
    ]
    received = result.received
    if state.stored != state.sent:
        faults.append(f"{state.sent:,} snapshots were sent and {state.stored:,} are stored")
    if received.count != state.stored_anomalies or received.repeated:
        faults.append(
            f"{state.stored_anomalies:,} anomalies are stored, {received.count:,} were received, "
            f"{received.repeated:,} of them again"
        )
    if state.transitions != state.stored_transitions:
        faults.append(f"{state.stored_transitions:,} changes of alarms are stored, {state.transitions:,} were received")
    if not result.alarms.is_exact:
        faults.append("The alarms are not those of the half year in its own order")
    for fault in faults:
        terminal.note(terminal.paint(fault, "red"))
    if not faults:
        terminal.result("The alarms are those of the half year in order, though a part of it came late.")
        terminal.result("The service found exactly what the mission's own fault detection found.")
    return not faults


def show_next_steps() -> None:
    """Print what to try next."""
    terminal.result(terminal.paint("\nTry next", None, bold=True))
    table = Table.grid(padding=(0, 2))
    # With `uv run` there is no `missionops` on the path.
    prefix = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""
    for command, purpose in NEXT:
        table.add_row(f"  {prefix}{command}", purpose)
    Console(highlight=False).print(table, markup=False)
    terminal.result(f"\n{SOURCE}")
