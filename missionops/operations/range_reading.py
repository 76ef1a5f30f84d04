"""Long ranges of telemetry, read in portions of a fraction of a second each, for as long as a request has time."""

import asyncio

AT_ONCE = 4
"""Long readings that go on at a time: each holds a connection for most of its time, and its answer in memory."""

_TIME = 2.0
"""Seconds that one reading takes at most; the cursor continues it."""
_RESERVED = 1.2
"""Seconds before the response is due that are kept for writing and sending it."""
_FEWEST, _MOST = 16, 65_536
_FAST, _GOOD, _SLOW = 0.04, 0.15, 0.4


class ReadingPace:
    """How many snapshots the next portion has: few at first, as each may have a megabyte, then as many as are fast."""

    def __init__(self, deadline: float) -> None:
        self._began = _now()
        self._until = min(self._began + _TIME, deadline - _RESERVED)
        self.count = _FEWEST

    @property
    def is_over(self) -> bool:
        """Whether the time for this reading is over."""
        return self._began >= self._until

    def note(self) -> None:
        """A portion was read."""
        now = _now()
        took, self._began = now - self._began, now
        if took < _GOOD:
            self.count = min(self.count * (4 if took < _FAST else 2), _MOST)
        elif took > _SLOW:
            self.count = max(self.count // 4, _FEWEST)

    def note_roll_ups(self) -> None:
        """Roll-ups were read, which says nothing of how long snapshots take."""
        self._began = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()
