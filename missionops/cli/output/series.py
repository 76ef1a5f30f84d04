"""Series for people: a table of each parameter, and a plot where there is a terminal."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console

from missionops.cli.output import plot, tables, terminal

Item = dict[str, Any]

_HEADER = ("parameter", "time", "count", "min", "max", "last", "worst")


def rows(found: Item) -> Iterator[tuple[object, ...]]:
    """The header and the rows of a table for programs: a sample, or a bucket by the time at which it begins."""
    yield _HEADER
    for one in found["series"]:
        for time, count, least, greatest, last, worst in _points(found, one):
            yield one["parameter"], time.isoformat().replace("+00:00", "Z"), count, least, greatest, last, worst


def show(found: Item) -> None:
    """A table of each parameter, and below it on a terminal its plot."""
    console = Console(highlight=False)
    for one in found["series"]:
        if not size(one):
            continue
        name, points = terminal.printable(one["parameter"]), _points(found, one)
        kinds = "text or boolean" if one["others"] == 1 else "texts or booleans"
        others = f", {one['others']:,} {kinds}" if one["others"] else ""
        count = size(one) if one["kind"] == "samples" else sum(one["count"])
        head = f"{name}: {count:,} sample{'' if count == 1 else 's'}"
        if one["kind"] == "samples":
            terminal.result(f"{head}{others}")
            shown = [(_time(time), tables.value_text(last), worst) for time, _, _, _, last, worst in points]
            tables.plain(("time (UTC)", "value", "anomaly"), shown, right=("value",))
        else:
            terminal.result(f"{head} in buckets of {_length(found['step'])}{others}")
            texts = [
                (_time(time), f"{count:,}", *map(tables.value_text, (least, greatest, last)), worst)
                for time, count, least, greatest, last, worst in points
            ]
            columns = ("from (UTC)", "samples", "min", "max", "last", "anomaly")
            tables.plain(columns, texts, right=columns[1:5])
        if console.is_terminal and (drawn := plot.drawn(found, one, console.width)):
            terminal.result(drawn)


def size(one: Item) -> int:
    """How many points a parameter has."""
    return len(one["t"] if one["kind"] == "samples" else one["bucket"])


def _points(found: Item, one: Item) -> Iterator[tuple[datetime, int, float, float, float, str]]:
    """Time, count, minimum, maximum, last and the worst severity of each point."""
    origin, step = datetime.fromisoformat(found["origin"]), found["step"]
    worst: dict[int, str] = {}
    for severity in tables.SEVERITIES:  # the worst comes last
        worst |= dict.fromkeys((place for place, _ in one["violations"].get(severity, ())), severity)
    if one["kind"] == "samples":
        for place, (t, value) in enumerate(zip(one["t"], one["value"], strict=True)):
            yield origin + timedelta(seconds=t), 1, value, value, value, worst.get(place, "")
    else:
        columns = (one[name] for name in ("bucket", "count", "min", "max", "last"))
        for number, count, least, greatest, last in zip(*columns, strict=True):
            yield origin + number * timedelta(seconds=step), count, least, greatest, last, worst.get(number, "")


def _time(time: datetime) -> str:
    text = time.isoformat(sep=" ").removesuffix("+00:00")
    return text.rstrip("0") if "." in text else text


def _length(seconds: float) -> str:
    for unit, size_ in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size_:
            return f"{seconds // size_:.0f} {unit}"
    return f"{seconds:g} s"
