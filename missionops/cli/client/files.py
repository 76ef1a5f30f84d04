"""A file that a command is given, read as a whole; `-` is standard input."""

import errno
from pathlib import Path

from missionops import errors

STANDARD_INPUT = Path("-")


def read(path: Path) -> bytes:
    """The content of the file; InvalidRequest in one sentence if it cannot be read."""
    try:
        # By its descriptor: Python has no sys.stdin where standard input is closed.
        with open(0 if path == STANDARD_INPUT else path, "rb", closefd=path != STANDARD_INPUT) as file:
            return file.read()
    except OSError as error:
        why = "it is closed" if error.errno == errno.EBADF else error.strerror
        raise errors.InvalidRequest(f"{name(path)} cannot be read: {why}.") from None


def name(path: Path) -> str:
    """The file's name in messages."""
    return "Standard input" if path == STANDARD_INPUT else str(path)
