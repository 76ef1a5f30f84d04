"""The latest values of a spacecraft: a table, once or again and again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from missionops.cli.output import tables, terminal

Item = Mapping[str, Any]

_COLUMNS = ("parameter", "value", "before", "time (UTC)", "age", "every", "state")
_RIGHT = {"value", "before", "age", "every"}


def table(found: Item, console: Console) -> Table:
    """The latest values, one line for each parameter."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in _COLUMNS:
        is_long = column == "parameter"
        justify: Literal["left", "right"] = "right" if column in _RIGHT else "left"
        shown.add_column(column, justify=justify, overflow="fold", no_wrap=not is_long)
    at = datetime.fromisoformat(found["at"])
    for one in found["parameters"]:
        name = Text(terminal.printable(one["name"]))
        if one["timestamp"] is None:
            shown.add_row(name, "", "", "", "", "", Text("not found among the newest snapshots", "dim"))
            continue
        time = datetime.fromisoformat(one["timestamp"])
        unit = f" {one['unit']}" if one["unit"] else ""
        every = "" if one["every"] is None else tables.duration(one["every"])
        state = Text("")  # what is wrong with the value, if anything is
        if one["severity"] is not None:
            limit = f" {one['limit']['name']} {tables.value_text(one['limit']['value'])}" if one["limit"] else ""
            state = Text(terminal.printable(f"{one['severity']}{limit}"), tables.SEVERITIES.get(one["severity"], ""))
        if one["isStale"]:
            state.append(" stale" if state else "stale", "yellow")
        shown.add_row(
            name,
            Text(terminal.printable(f"{tables.value_text(one['value'])}{unit}")),
            Text("" if one["previous"] is None else terminal.printable(tables.value_text(one["previous"])), "dim"),
            f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            tables.duration((at - time).total_seconds()),
            every,
            state,
        )
    tables.fit(shown, console)
    return shown


def show(found: Item) -> None:
    """Print the latest values once."""
    console = Console(highlight=False)
    console.print(table(found, console), markup=False)


class LatestScreen(Protocol):
    """Shows the latest values whenever they are read."""

    def show(self, found: Item) -> None:
        """Show them."""


@contextmanager
def screen(spacecraft_id: str) -> Iterator[LatestScreen]:
    """A terminal's screen that is drawn anew each time; elsewhere a table whenever a value is new."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield _Tables()
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield _Redrawn(live, spacecraft_id)


class _Redrawn:
    def __init__(self, live: Live, spacecraft_id: str) -> None:
        self._live = live
        self._spacecraft_id = spacecraft_id

    def show(self, found: Item) -> None:
        shown = table(found, self._live.console)
        at = datetime.fromisoformat(found["at"])
        shown.title = f"{terminal.printable(self._spacecraft_id)} at {at:%Y-%m-%d %H:%M:%S} UTC; Ctrl-C ends"
        shown.title_justify = "left"
        self._live.update(shown, refresh=True)


class _Tables:
    def __init__(self) -> None:
        self._shown: list[tuple[Any, Any]] | None = None

    def show(self, found: Item) -> None:
        values = [(one["timestamp"], one["value"]) for one in found["parameters"]]
        if values != self._shown:
            self._shown = values
            show(found)
