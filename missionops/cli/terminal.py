"""What a command and the terminal say to each other: results on standard output, all else on standard error."""

import io
import os
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TextIO, TypeVar

import typer

from missionops import errors

INTERRUPTED = 130
T = TypeVar("T")


def prepare() -> None:
    """A terminal that lacks a character shows another in its place; that is no reason to fail."""
    sys.stdout, sys.stderr = _buffered(sys.stdout), _buffered(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _buffered(stream: TextIO) -> TextIO:
    """Without a buffer (PYTHONUNBUFFERED) Python drops what a pipe does not take at the first try."""
    if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        return open(stream.fileno(), "w", buffering=1, encoding=stream.encoding, errors=stream.errors, closefd=False)
    return stream


def run(command: Coroutine[Any, Any, T]) -> T:
    """Runs a command's asynchronous part, on the faster loop where there is one."""
    import asyncio  # noqa: PLC0415 - the command's cost, not the help's

    try:
        import uvloop  # noqa: PLC0415 - likewise
    except ImportError:
        return asyncio.run(command)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(command)


def result(line: str) -> None:
    """One line of what was asked for; quietly the end if nobody reads it any more."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _stop_writing()


def note(line: str) -> None:
    """One line about how it goes."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def complain(error: errors.MissionopsError) -> None:
    """What went wrong in one sentence, and each place where a request breaks a rule."""
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


def printable(text: str) -> str:
    """`text` from somewhere else, unable to steer the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _stop_writing() -> NoReturn:
    # What is still buffered would be written, and complained about, when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit
