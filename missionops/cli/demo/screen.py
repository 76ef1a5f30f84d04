"""The demo while it runs: a bar and the latest anomalies on a terminal, a line now and then elsewhere."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from missionops.cli.demo import alarms, opssat
from missionops.cli.output import terminal
from missionops.cli.output.tables import SEVERITIES

LATEST = 8
FIRST = 5
STEP = 10
REFRESH_PER_SECOND = 8


@dataclass
class ScreenState:
    """How far the replay is."""

    sent: int = 0
    stored: int = 0
    stored_anomalies: int = 0
    stored_transitions: int = 0
    marks: int = 0
    """Spans of telemetry in which alarms are still to be found."""
    received: int = 0
    transitions: int = 0
    alarm_ids: set[str] = field(default_factory=set)
    """Of all alarms that were not retracted."""
    latest: deque[opssat.FoundAnomaly] = field(default_factory=lambda: deque(maxlen=LATEST))
    first: list[opssat.FoundAnomaly] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all that was sent is stored, and all anomalies and alarms that were found were received."""
        is_found = bool(self.sent) and self.stored >= self.sent and not self.marks
        return is_found and self.received >= self.stored_anomalies and self.transitions >= self.stored_transitions

    @property
    def progress(self) -> Sequence[int]:
        """Figures that change as long as it goes on."""
        return self.stored, self.received, self.transitions, self.marks

    def receive(self, anomaly: opssat.FoundAnomaly) -> None:
        """Count one anomaly, and keep it for a moment."""
        self.received += 1
        self.latest.append(anomaly)
        if len(self.first) < FIRST:
            self.first.append(anomaly)

    def receive_alarm(self, transition: alarms.FoundTransition) -> None:
        """Count what happened to an alarm."""
        self.transitions += 1
        if transition.alarm.is_retracted:
            self.alarm_ids.discard(transition.alarm.id)
        else:
            self.alarm_ids.add(transition.alarm.id)


class Screen(Protocol):
    """Shows the state."""

    def show(self, state: ScreenState) -> None:
        """Show the state, if it is time."""


@contextmanager
def screen(total: int) -> Iterator[Screen]:
    """The screen that fits standard output: bars on a terminal, else a line now and then."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield _Lines(total)
        return
    with Live(console=console, refresh_per_second=REFRESH_PER_SECOND, transient=True) as live:
        yield _Bars(live, total)


class _Bars:
    def __init__(self, live: Live, total: int) -> None:
        self._live = live
        self._progress = Progress(
            TextColumn("{task.description:<7}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._sent = self._progress.add_task("sent", total=total)
        self._stored = self._progress.add_task("stored", total=total)

    def show(self, state: ScreenState) -> None:
        self._progress.update(self._sent, completed=state.sent)
        self._progress.update(self._stored, completed=state.stored)
        title = Text(
            f"\n{state.received:,} anomalies so far, {len(state.alarm_ids)} alarms; the latest anomalies:", style="bold"
        )
        table = Table.grid(padding=(0, 2))
        for anomaly in state.latest:
            severity = Text(anomaly.severity, style=SEVERITIES.get(anomaly.severity, ""))
            table.add_row(Text(_time(anomaly)), severity, Text(anomaly.description), f"{anomaly.value:g}")
        for _ in range(LATEST - len(state.latest)):
            table.add_row("")
        self._live.update(Group(self._progress, title, table))


class _Lines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = 0
        self._percent = 0

    def show(self, state: ScreenState) -> None:
        for anomaly in state.first[self._shown :]:
            terminal.result(f"  {_time(anomaly)}  {anomaly.severity:<6}  {anomaly.description}, is {anomaly.value:g}")
            self._shown += 1
            if self._shown == FIRST:
                terminal.result("  … and so on")
        percent = state.stored * 100 // self._total
        if percent >= self._percent + STEP:
            self._percent = percent - percent % STEP
            terminal.result(
                f"{self._percent} %: {state.sent:,} sent, {state.stored:,} stored, {state.received:,} anomalies, "
                f"{len(state.alarm_ids)} alarms"
            )


def _time(anomaly: opssat.FoundAnomaly) -> str:
    return anomaly.timestamp.replace("T", " ").replace("Z", "")[:23].ljust(23)
