"""What is wrong with a telemetry message or a part of it, so that it can never be stored."""

from typing import Literal, NamedTuple

Code = Literal["malformed", "invalid", "subject_mismatch", "too_large", "refused"]


class Fault(NamedTuple):
    """One dead letter: why, and the bytes it is about."""

    code: Code
    reason: str
    item: int | None
    """Where in an array it stood, from 0; None if the fault is the whole body's."""
    body: bytes


class Faulty(Exception):  # noqa: N818 - control flow inside this room: a fault on its way to becoming a value
    """The part at hand can never be stored."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
