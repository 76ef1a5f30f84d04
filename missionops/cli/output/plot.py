"""A series as a plot for a terminal."""

import math
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import plotille

from missionops.cli.output import terminal
from missionops.domain import number

Item = dict[str, Any]
Point = tuple[datetime, float]

HEIGHT = 12
_LABELS = 22
"""Columns beside the plot."""
_NARROWEST = 30
_FEWEST = 2


def drawn(found: Item, one: Item, width: int) -> str | None:
    """The plot of one parameter; None where it has too few points, or reaches over more than doubles can subtract.

    Of a bucket both extremes are drawn, at their times; a line ends where nothing came for longer than the gap.
    """
    origin = datetime.fromisoformat(found["origin"]).astimezone(UTC)
    if one["kind"] == "samples":
        pairs = zip(one["t"], one["value"], strict=True)
    else:
        pairs = zip(one["minAt"] + one["maxAt"], one["min"] + one["max"], strict=True)
    points = sorted((origin + timedelta(seconds=seconds), float(value)) for seconds, value in pairs)
    values = [value for _, value in points]
    if len({time for time, _ in points}) < _FEWEST or not math.isfinite(max(values) - min(values)):
        return None
    figure = plotille.Figure()
    figure.width, figure.height, figure.with_colors = max(width - _LABELS, _NARROWEST), HEIGHT, False
    figure.x_label, figure.y_label = "UTC", terminal.printable(one["parameter"])[:10]
    figure.register_label_formatter(datetime, _time_label)
    figure.register_label_formatter(float, _value_label)
    room = (max(values) - min(values)) / 20 or abs(values[0]) / 20 or 1.0
    figure.set_y_limits(min(values) - room, max(values) + room)
    for line in _lines(points, one["gap"]):
        times, heights = [time for time, _ in line], [value for _, value in line]
        draw = figure.plot if len(line) > 1 else figure.scatter
        draw(times, heights)
    return str(figure.show())


def _lines(points: list[Point], gap: float | None) -> list[list[Point]]:
    """The points in pieces, between which there is a gap."""
    longest = timedelta.max if gap is None else timedelta(seconds=min(gap, timedelta.max.total_seconds() / 2))
    piece, before, numbered = 0, points[0][0], []
    for time, value in points:
        piece += time - before > longest
        before = time
        numbered.append((piece, (time, value)))
    return [[point for _, point in group] for _, group in groupby(numbered, key=lambda each: each[0])]


def _time_label(time: datetime, chars: int, delta: timedelta, left: bool = False) -> str:  # noqa: FBT001, FBT002 - plotille's
    text = f"{time:%H:%M:%S}" if delta < timedelta(hours=3) else f"{time:%m-%d %H}h"
    text = f"{time:%Y-%m-%d}" if delta > timedelta(days=60) else text
    return text.ljust(chars) if left else text.rjust(chars)


def _value_label(value: float, chars: int, delta: float, left: bool = False) -> str:  # noqa: FBT001, FBT002 - plotille's
    digits = max(0, 1 - math.floor(math.log10(delta))) if delta > 0 else 0
    text = number.text(round(value, min(digits, 300)))
    text = text if len(text) <= chars else f"{value:.{max(chars - 7, 0)}g}"
    return text.ljust(chars) if left else text.rjust(chars)
