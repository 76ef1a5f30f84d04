"""The progress of long work: a bar on a terminal, else a line now and then; always on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from missionops.cli.output import terminal

if TYPE_CHECKING:
    from missionops.store.migrate import Progress as MigrationProgress  # which would import asyncpg

PERCENT = 100
STEP = 10
"""Per cent from one line to the next where the output is no terminal."""
PAUSE_SECONDS = 1.0
"""The least time from one such line to the next."""
PLAIN_SECONDS = 10.0
"""The time from one line to the next where the total is unknown."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['done'] / max(task.elapsed or 0, 0.001):,.0f}/s", style="dim")


class Bar:
    """Shows how many snapshots, or other units, are done and their share of all, as often as is good to read."""

    def __init__(self, title: str, *, share_is_known: bool, unit: str = "snapshots") -> None:
        self._console = Console(stderr=True)
        self._title = title
        self._unit = unit
        self._began = self._last = time.monotonic()
        self._next_step = STEP
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %") if share_is_known else TextColumn(""),
            TextColumn("{task.fields[done]:,}"),
            _Rate(),
            TimeRemainingColumn() if share_is_known else TextColumn(""),
            TextColumn("[yellow]{task.fields[trouble]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=1.0 if share_is_known else None, done=0, trouble="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, error_class: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, done: int, share: float | None, trouble: str = "") -> None:
        """Show the progress; `share` is None where the total is unknown, `trouble` is what it waits for."""
        if self._console.is_terminal:
            self._progress.update(self._task, completed=share or 0, done=done, trouble=trouble)
        elif share is not None:
            percent = int(share * PERCENT)
            if percent >= self._next_step and (percent >= PERCENT or time.monotonic() - self._last > PAUSE_SECONDS):
                self._last = time.monotonic()
                self._next_step = percent - percent % STEP + STEP
                terminal.note(f"{self._title}: {percent} %, {done:,} {self._unit}")
        elif time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            terminal.note(f"{self._title}: {done:,} {self._unit}")


@contextmanager
def of_migrations() -> Iterator[Callable[["MigrationProgress"], None]]:
    """What shows the progress of migrations that rewrite rows, for the time of a block; each has its own bar."""
    bar: Bar | None = None
    with ExitStack() as shown:

        def show(progress: "MigrationProgress") -> None:
            nonlocal bar
            bar = bar or shown.enter_context(Bar(progress.name, share_is_known=True, unit="rows"))
            share = progress.rows / max(1, progress.total)
            bar.show(progress.rows, 1.0 if progress.is_finished else min(share, 0.99))  # the total is an estimate
            if progress.is_finished:
                bar = None
                shown.close()

        yield show
