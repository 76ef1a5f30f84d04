"""Runs the asynchronous part of a command, on the faster event loop where the platform has it."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from missionops import signals

try:
    import uvloop
except ImportError:
    _new_event_loop = None
else:
    _new_event_loop = uvloop.new_event_loop

T = TypeVar("T")


def run(command: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part to its end."""
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        return runner.run(command)


def run_until_stopped(command: Coroutine[Any, Any, None]) -> None:
    """The same for a command that stays up: SIGTERM ends it regularly, and Ctrl-C as it ends every command."""
    if run(signals.until_stopped(command)) == signal.SIGINT:
        raise KeyboardInterrupt
