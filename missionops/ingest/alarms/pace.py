"""How fast the alarms of a spacecraft are found again."""

import asyncio
import time

_TURN = 0.005
"""Seconds of work after which other tasks run."""
_REST = 2.0
"""Seconds of rest for each second of work, where others come first."""
_LONGEST_TURN = 0.01
"""Seconds that count as work: what is beyond was spent waiting for others."""


class Pace:
    """Lets others work: now and then, or most of the time where they come first."""

    def __init__(self) -> None:
        self.is_slow = False
        """Whether the work is to take a third of the time at most."""
        self._resumed = time.monotonic()

    async def rest(self) -> None:
        """Let others work, if it is time to; to be called often."""
        worked = time.monotonic() - self._resumed
        if worked >= _TURN:
            await asyncio.sleep(_REST * min(worked, _LONGEST_TURN) if self.is_slow else 0)
            self._resumed = time.monotonic()
