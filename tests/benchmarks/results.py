"""Figures by name, one for each run, and what they say together: the middle one and the spread."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """The median of some runs, the least and the most."""

    median: float
    least: float
    most: float
    runs: tuple[float, ...]


class Results:
    """What was measured: section, case, figure, runs."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, section: str, case: str, figures: Mapping[str, float]) -> None:
        """One run of a case."""
        for name, value in figures.items():
            self._runs[section, case][name].append(value)

    def sections(self) -> dict[str, dict[str, dict[str, Spread]]]:
        """All of it."""
        told: dict[str, dict[str, dict[str, Spread]]] = {}
        for (section, case), figures in self._runs.items():
            told.setdefault(section, {})[case] = {name: _spread(runs) for name, runs in figures.items()}
        return told

    def median(self, section: str, case: str, name: str) -> float | None:
        """The median of one figure, if it was measured."""
        runs = self._runs.get((section, case), {}).get(name)
        return statistics.median(runs) if runs else None

    def last(self, section: str, case: str, name: str) -> float | None:
        """The latest run of one figure, if it was measured: what took turns with the one that asks."""
        runs = self._runs.get((section, case), {}).get(name)
        return runs[-1] if runs else None

    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        return {
            section: {case: _plain(figures) for case, figures in cases.items()}
            for section, cases in self.sections().items()
        }


def _spread(runs: list[float]) -> Spread:
    return Spread(statistics.median(runs), min(runs), max(runs), tuple(runs))


def _plain(figures: Mapping[str, Spread]) -> dict[str, Any]:
    return {name: spread._asdict() for name, spread in figures.items()}
