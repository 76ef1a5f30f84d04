"""When something was so: the time that a snapshot's spacecraft gave, unless its clock cannot have been right."""

from typing import NamedTuple

from missionops.domain.timestamp import SECOND

AHEAD = 600.0
"""By how many seconds a timestamp may be after its reception, unless a config says otherwise."""


class Clock(NamedTuple):
    """What a config says of its spacecraft's clock; times in microseconds since 1970."""

    ahead: int = int(AHEAD * SECOND)
    """By how much a timestamp may be after its reception."""
    since: int | None = None
    """Before this no timestamp is right; None: each may be."""

    def time(self, timestamp: int, received: int) -> int:
        """The timestamp, or the reception where the clock cannot have been right."""
        is_wrong = timestamp > received + self.ahead or (self.since is not None and timestamp < self.since)
        return received if is_wrong else timestamp
