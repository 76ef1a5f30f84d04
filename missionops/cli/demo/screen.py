"""The demo while it runs: a bar and the latest anomalies on a terminal, a line now and then elsewhere."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from missionops.cli.demo import opssat
from missionops.cli.output import terminal

LATEST = 8
FIRST = 5
STEP = 10
REFRESH_PER_SECOND = 8
STYLES = {"HIGH": "red", "MEDIUM": "yellow"}


@dataclass
class State:
    """How far the replay is."""

    sent: int = 0
    stored: int = 0
    stored_anomalies: int = 0
    heard: int = 0
    latest: deque[opssat.FoundAnomaly] = field(default_factory=lambda: deque(maxlen=LATEST))
    first: list[opssat.FoundAnomaly] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all that was sent is stored, and all anomalies that were stored came."""
        return bool(self.sent) and self.stored >= self.sent and self.heard >= self.stored_anomalies

    def hear(self, anomaly: opssat.FoundAnomaly) -> None:
        """Counts one, and keeps it for a moment."""
        self.heard += 1
        self.latest.append(anomaly)
        if len(self.first) < FIRST:
            self.first.append(anomaly)


class Screen(Protocol):
    """Where the state is shown."""

    def show(self, state: State) -> None:
        """Shows it, if it is time."""


@contextmanager
def screen(total: int) -> Iterator[Screen]:
    """What fits standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield _Lines(total)
        return
    with Live(console=console, refresh_per_second=REFRESH_PER_SECOND, transient=True) as live:
        yield _Picture(live, total)


class _Picture:
    def __init__(self, live: Live, total: int) -> None:
        self._live = live
        self._progress = Progress(
            TextColumn("{task.description:<7}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._sent = self._progress.add_task("sent", total=total)
        self._stored = self._progress.add_task("stored", total=total)

    def show(self, state: State) -> None:
        self._progress.update(self._sent, completed=state.sent)
        self._progress.update(self._stored, completed=state.stored)
        self._live.update(self._picture(state))

    def _picture(self, state: State) -> RenderableType:
        title = Text(f"\n{state.heard:,} anomalies so far; the latest:", style="bold")
        return Group(self._progress, title, _latest(state))


def _latest(state: State) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for anomaly in state.latest:
        style = STYLES.get(anomaly.severity, "")
        table.add_row(
            Text(_time(anomaly)), Text(anomaly.severity, style=style), Text(anomaly.description), f"{anomaly.value:g}"
        )
    for _ in range(LATEST - len(state.latest)):
        table.add_row("")
    return table


class _Lines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = 0
        self._percent = 0

    def show(self, state: State) -> None:
        for anomaly in state.first[self._shown :]:
            terminal.result(f"  {_time(anomaly)}  {anomaly.severity:<6}  {anomaly.description}, is {anomaly.value:g}")
            self._shown += 1
            if self._shown == FIRST:
                terminal.result("  … and so on")
        percent = state.stored * 100 // self._total
        if percent >= self._percent + STEP:
            self._percent = percent - percent % STEP
            terminal.result(
                f"{self._percent} %: {state.sent:,} sent, {state.stored:,} stored, {state.heard:,} anomalies"
            )


def _time(anomaly: opssat.FoundAnomaly) -> str:
    return anomaly.timestamp.replace("T", " ").replace("Z", "")[:23].ljust(23)
