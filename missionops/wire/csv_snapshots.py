"""CSV with a header as snapshots: one column holds the time, each other one a parameter."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from missionops.wire.text import NOT_UTF8

_TIME_COLUMNS = ("timestamp", "time", "utc", "datetime")
_DELIMITERS = (",", ";", "\t")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# As programs write numbers: more loosely than JSON, but 007 is no number.
_NUMBER = re.compile(r"([+-]?)(0|[1-9][0-9]*|(?=\.[0-9]))(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_NO_VALUE = frozenset({"", "nan", "null", "none", "inf", "-inf", "+inf", "infinity", "-infinity", "n/a"})
_WORDS = {"true": True, "false": False}


class Row(NamedTuple):
    """A row as the JSON of its snapshot, or why it is none."""

    line: int
    text: bytes
    fault: str | None = None


def is_header(line: bytes) -> bool:
    """Whether a file's first line is the header of CSV: several columns, one of which may hold the time."""
    text = line.decode("utf-8", "replace").partition("\r")[0]
    try:
        names = _names(next(csv.reader([text], delimiter=_delimiter(text), skipinitialspace=True), []))
    except csv.Error:
        return False
    return len(names) > 1 and _time_column(names) is not None


class Table:
    """Rows under a header; the time stands in `time_column`, else in the first column that is named like one."""

    def __init__(self, time_column: str | None) -> None:
        self._wanted = time_column
        self._texts: dict[str, None] = {}
        self._has_nameless = False
        self._number = 0
        self._left = 0
        """Lines of the chunk that were not read yet."""
        self._bad: dict[int, str] = {}

    def rows(self, chunks: Iterable[list[tuple[bytes, str | None]]]) -> Iterator[list[Row]]:
        """The rows of each chunk of lines, each with the reason why it cannot be read, if there is one."""
        lines = self._lines(chunks)
        first = next((line for line in lines if line.strip()), "")
        above = self._number - 1
        reader = csv.reader(chain([first], lines), delimiter=_delimiter(first), skipinitialspace=True)
        found = list[Row]()
        try:
            names = _names(next(reader, []))
            time = self._unreadable(0, self._number) or self._time(names)
            if isinstance(time, str):
                yield [Row(above + 1, b"", time)]
                return
            last = self._number
            for cells in reader:
                line = above + reader.line_num
                if reason := self._unreadable(last, line):
                    found.append(Row(line, b"", reason))
                elif any(cells):
                    found.append(self._row(line, names, time, cells))
                last = line
                if not self._left:
                    yield found
                    found = []
        except csv.Error as error:
            found.append(Row(above + reader.line_num, b"", f"the CSV cannot be read from here on ({_in_words(error)})"))
        yield found

    def _lines(self, chunks: Iterable[list[tuple[bytes, str | None]]]) -> Iterator[str]:
        for chunk in chunks:
            self._left = len(chunk)
            for line, fault in chunk:
                self._left -= 1
                self._number += 1
                if fault:
                    self._bad[self._number] = fault
                try:
                    yield line.decode() + "\n"
                except UnicodeDecodeError:
                    self._bad[self._number] = NOT_UTF8
                    yield line.decode("utf-8", "replace") + "\n"

    def _unreadable(self, last: int, line: int) -> str | None:
        """Why a row cannot be read whose lines are those after `last` up to `line`."""
        reasons = [self._bad.pop(number) for number in range(last + 1, line + 1) if number in self._bad]
        return reasons[0] if reasons else None

    def notes(self) -> list[str]:
        """What the sender should know of what was read, a sentence each."""
        found = []
        if self._texts:
            found.append(f"Sent as text, which no limit judges: {', '.join(self._texts)}.")
        if self._has_nameless:
            found.append("A column without a name was left out.")
        return found

    def _time(self, names: list[str]) -> int | str:
        """Which column holds the time, or why the table cannot be read."""
        self._has_nameless = "" in names
        if twice := {name for name in names if name and names.count(name) > 1}:
            return f"the file is CSV with two columns named {min(twice)}"
        if self._wanted in names:
            return names.index(self._wanted)
        if self._wanted is None and (found := _time_column(names)) is not None:
            return found
        shown = ", ".join(name for name in names if name)
        if self._wanted is not None:
            return f"the file is CSV without a column {self._wanted}; it has {shown}"
        return f"the file is CSV, and none of its columns is named timestamp, time, utc or datetime: say with --time-column which holds the time ({shown})"  # noqa: E501 - one sentence

    def _row(self, line: int, names: list[str], time: int, cells: list[str]) -> Row:
        if len(cells) != len(names):
            return Row(line, b"", f"the row has {len(cells)} cells and the header {len(names)}")
        parameters = {}
        for name, cell in zip(names, cells, strict=True):
            if name and name != names[time] and (value := _value(cell.strip())) is not None:
                parameters[name] = value
                if isinstance(value, str):
                    self._texts[name] = None
        timestamp = cells[time].strip()
        if names[time].lower() == "utc" and re.fullmatch(r"[0-9-]{10}[Tt ][0-9:.]+", timestamp):
            timestamp += "Z"  # as its column says
        return Row(line, msgspec.json.encode({"timestamp": timestamp, "parameters": parameters}))


def _value(cell: str) -> object:
    """A number, true or false, a text; None where there is no value."""
    if _JSON_NUMBER.fullmatch(cell):
        return msgspec.Raw(cell.encode())
    if found := _NUMBER.fullmatch(cell):
        sign, whole, fraction, exponent = found.groups("")
        fraction = fraction if len(fraction) > 1 else ""
        return msgspec.Raw(f"{sign.replace('+', '')}{whole or '0'}{fraction}{exponent}".encode())
    word = cell.lower()
    return None if word in _NO_VALUE else _WORDS.get(word, cell)


def _time_column(names: list[str]) -> int | None:
    return next((index for index, name in enumerate(names) if name.lower() in _TIME_COLUMNS), None)


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _names(header: Iterable[str]) -> list[str]:
    return [name.strip() for name in header]


def _in_words(error: csv.Error) -> str:
    return "its lines end in CR alone: write LF or CRLF" if "new-line" in str(error) else str(error)
