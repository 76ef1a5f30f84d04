"""Quiet hours: a time of each day in which what is not grave enough waits."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple


class QuietHours(NamedTuple):
    """From `begin` to `end` on the clocks of `zone`, over midnight where the end is the smaller of the two."""

    begin: time
    end: time
    below: int
    """The level (1 for LOW to 4 for CRITICAL) from which on alarms do not wait; 5: all of them wait."""
    zone: tzinfo = UTC

    def until(self, moment: datetime, level: int) -> datetime | None:
        """When an alarm of this level may be told that is due at `moment`; None if at that moment."""
        if level >= self.below:
            return None
        local = moment.astimezone(self.zone)
        clock, day = local.time(), local.date()
        if self.begin < self.end:
            is_quiet = self.begin <= clock < self.end
        else:
            is_quiet = clock >= self.begin or clock < self.end
            if clock >= self.begin:
                day += timedelta(days=1)
        if not is_quiet:
            return None
        # With `fold`: in the hour that a clock shows twice, the end lies in the same of the two.
        return datetime.combine(day, self.end.replace(fold=local.fold), self.zone).astimezone(UTC)
