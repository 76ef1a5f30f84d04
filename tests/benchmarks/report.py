"""The figures as tables."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.benchmarks.results import Results, Spread


def show(machine: Mapping[str, str], results: Results) -> None:
    """All of them, and the machine."""
    console = Console(width=None if Console().is_terminal else 200, highlight=False)
    for name, value in machine.items():
        console.print(f"{name}: {value}", soft_wrap=True)
    for section, cases in results.sections().items():
        console.print(_table(section, cases))
    console.print("Each figure: the median of the runs (the least to the most).")


def _table(section: str, cases: Mapping[str, Mapping[str, Spread]]) -> Table:
    names = list(dict.fromkeys(name for figures in cases.values() for name in figures))
    table = Table(title=section, title_justify="left")
    table.add_column("case", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    for case, figures in cases.items():
        table.add_row(case, *(_cell(figures[name]) if name in figures else "" for name in names))
    return table


def _cell(spread: Spread) -> str:
    median = _number(spread.median)
    return median if len(spread.runs) == 1 else f"{median}\n({_number(spread.least)} to {_number(spread.most)})"


def _number(value: float) -> str:
    if value >= 1_000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
