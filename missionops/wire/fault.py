"""What is wrong with a telemetry message or a part of it, so that it can never be stored."""

from typing import Literal, NamedTuple

from missionops.wire.text import printable

MAX_SHOWN = 256

Code = Literal["malformed", "invalid", "subject_mismatch", "too_large", "refused"]


class Fault(NamedTuple):
    """One dead letter: why, and the bytes it is about."""

    code: Code
    reason: str
    item: int | None
    """Where in an array it stood, from 0; None if the fault is the whole body's."""
    body: bytes


def shown(text: str) -> str:
    """`text` from outside as it may stand in a reason: cut, and on one line."""
    return printable(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


class Faulty(Exception):
    """The part at hand can never be stored: a fault on its way to becoming a value."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
