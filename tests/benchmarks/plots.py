"""Pictures of what a table says less well; needs matplotlib: `uv run --with matplotlib python -m tests.benchmarks`."""

import importlib
from pathlib import Path

from tests.benchmarks.results import Results, Spread


def draw(directory: Path, results: Results) -> None:
    """Each section that has a throughput, as bars with their spread."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    directory.mkdir(parents=True, exist_ok=True)
    for section, cases in results.sections().items():
        bars = {case: figures["snapshots/s"] for case, figures in cases.items() if "snapshots/s" in figures}
        if bars:
            figure, axes = pyplot.subplots(figsize=(8, 1 + 0.4 * len(bars)))
            axes.barh(list(bars), [bar.median for bar in bars.values()], xerr=_errors(list(bars.values())))
            axes.invert_yaxis()
            axes.set_xlabel("snapshots/s")
            figure.savefig(directory / f"{section.replace(' ', '-').lower()}.svg", bbox_inches="tight")
            pyplot.close(figure)


def _errors(bars: list[Spread]) -> list[list[float]]:
    return [[bar.median - bar.least for bar in bars], [bar.most - bar.median for bar in bars]]
