"""The standard streams of a command: results on standard output, all else on standard error."""

import errno
import io
import os
import sys
from typing import Any, TextIO

import typer

from missionops import errors
from missionops.domain import number
from missionops.wire.text import printable as printable  # noqa: PLC0414 - what a terminal shows is made printable by it

INTERRUPTED = 130
_STREAMS = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
"""How /dev/null is opened in place of a closed stream: so that reading or writing it fails."""
_NARROWEST = 20
"""Columns into which a table fits at all: in none, as some containers say, nothing of it would be printed."""


class _Output(io.FileIO):
    """Standard output: a reader that is gone ends the command quietly, any other failure to write is an error."""

    def write(self, data: Any) -> int:
        """Write; after a failure everything that is still buffered is discarded."""
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise typer.Exit from None
            why = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise errors.SetupError(f"Standard output cannot be written: {why}.") from None


class _Complaints(io.FileIO):
    """Standard error: where it cannot be written, the work goes on."""

    def write(self, data: Any) -> int:
        """Write if that is possible."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Replace the standard streams, each of which may be closed, full, or without a reader.

    A character that the terminal lacks is replaced by another. A width in `COLUMNS` that holds nothing counts as none.
    """
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns) < _NARROWEST:
        del os.environ["COLUMNS"]
    for descriptor, mode in _STREAMS.items():
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest that is free, which is this one
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Complaints(2, "w", closefd=False), sys.stderr)


def _text(raw: io.FileIO, before: TextIO | None) -> TextIO:
    encoding = before.encoding if before else "utf-8"
    # Always with a buffer: without (PYTHONUNBUFFERED) Python drops what a pipe does not take at the first try.
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="replace", line_buffering=True)


def result(line: str) -> None:
    """Print one line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def json(document: bytes | str) -> None:
    """Print one line of JSON, in UTF-8 whatever the locale says."""
    text = document if isinstance(document, str) else document.decode()
    if not hasattr(sys.stdout, "buffer"):  # no stream of bytes, as where a program runs a command in itself
        result(text)
        return
    sys.stdout.buffer.write(f"{text}\n".encode())
    sys.stdout.buffer.flush()


def note(line: str) -> None:
    """Print one line about the work on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def complain(error: errors.MissionopsError) -> None:
    """Print an error in one sentence, and each place where a request breaks a rule."""
    note(f"{paint('Error:', 'red', stream=sys.stderr)} {printable(str(error))}")
    details = error.details if isinstance(error, errors.Refused) else ()
    for detail in details:
        if len(details) > 1 or detail.message not in str(error):
            note(printable(f"  {detail.path}: {detail.message}"))


def paint(text: str, colour: str | None, *, stream: Any = None, bold: bool = False) -> str:
    """`text` in a colour where the stream (standard output) is a terminal that wants colours."""
    stream = stream or sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return typer.style(text, fg=colour, bold=bold or None)


def plain_value(value: object) -> str:
    """A value of a parameter as JSON writes it; a text as it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return number.text(value) if isinstance(value, float) else str(value)
