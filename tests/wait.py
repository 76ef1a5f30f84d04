"""Waiting for a condition that nothing announces: the one loop that asks again. Imports nothing of ours."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

PATIENCE = 60.0
"""Seconds after which a test gives up: many, since the machine may be busy, and what is waited for ends the wait."""

_PAUSE = 0.02

Found = TypeVar("Found")


def until(
    condition: Callable[[], Found | None],
    what: str,
    seconds: float = PATIENCE,
    ignore: tuple[type[Exception], ...] = (),
) -> Found:
    """Wait until a condition is true, and return its value; the test fails after `seconds`.

    Args:
        condition: Asked again and again; what it returns is true or false.
        what: Completes "waited 60 s for …".
        seconds: How long to wait at most.
        ignore: Exceptions that mean "not yet", as when a server is away.
    """
    waiting = _Waiting(what, seconds)
    while True:
        try:
            if found := condition():
                return found
            waiting.check(found)
        except ignore as error:
            waiting.check(error)
        time.sleep(_PAUSE)


@overload
async def until_async(
    condition: Callable[[], Awaitable[Found | None]],
    what: str,
    seconds: float = PATIENCE,
    ignore: tuple[type[Exception], ...] = (),
) -> Found: ...


@overload
async def until_async(
    condition: Callable[[], Found | None],
    what: str,
    seconds: float = PATIENCE,
    ignore: tuple[type[Exception], ...] = (),
) -> Found: ...


async def until_async(
    condition: Callable[[], Any], what: str, seconds: float = PATIENCE, ignore: tuple[type[Exception], ...] = ()
) -> Any:
    """As `until`, while the event loop goes on; the condition may be a coroutine function or a plain one."""
    waiting = _Waiting(what, seconds)
    while True:
        try:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            waiting.check(found)
        except ignore as error:
            waiting.check(error)
        await asyncio.sleep(_PAUSE)


class _Waiting:
    """How long a test has waited, and for what."""

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def check(self, last: object) -> None:
        """Fail if the time is over."""
        if time.monotonic() > self._deadline:
            raise AssertionError(f"waited {self._seconds:g} s for {self._what}; last: {last!r}")
