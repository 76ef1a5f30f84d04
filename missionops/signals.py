"""Orderly shutdown: SIGINT and SIGTERM cancel the work, which then closes what it has opened."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_stopped(work: Coroutine[Any, Any, None]) -> int | None:
    """Run `work` until it ends or a signal arrives; returns the signal. A second signal ends the process at once."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    received: int | None = None

    def stop(signal_number: int) -> None:
        nonlocal received
        received = signal_number
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if received is None:
            raise
    return received
