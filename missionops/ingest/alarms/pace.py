"""How fast the alarms of a spacecraft are found again."""

import asyncio
import time

_TURN = 0.005
"""Seconds of work after which other tasks run."""
_REST = 3.0
"""Seconds of rest for each second of work, where others come first."""
_LONGEST_REST = 0.5


class Pace:
    """Lets others work: now and then, or most of the time where they come first."""

    def __init__(self) -> None:
        self.is_slow = False
        """Whether the work is to take a quarter of the time."""
        self._resumed = time.monotonic()

    async def rest(self) -> None:
        """Let others work, if it is time to; to be called often."""
        worked = time.monotonic() - self._resumed
        if worked >= _TURN:
            await asyncio.sleep(min(_REST * worked, _LONGEST_REST) if self.is_slow else 0)
            self._resumed = time.monotonic()
