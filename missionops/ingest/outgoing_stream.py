"""What is known of an outgoing stream: how full it is, and what it dropped for its size."""

import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from prometheus_client import Counter

from missionops.logs import RepeatFilter

FULL = 0.9
"""The share of max_bytes from which on room is made in a stream, and what is gone counts as dropped for its size."""

_REPEAT_SECONDS = 600.0
"""How long trouble is shown, and the same thing is not logged again."""


class _Look(NamedTuple):
    """A stream at one moment."""

    created: str
    gone: int
    """Messages that it had and has no more."""
    oldest: datetime | None


class Outgoing:
    """One stream since the start of this process, by what the server reported of it and what the service published."""

    def __init__(self, dropped: Counter | None = None, purged: Counter | None = None) -> None:
        self.messages = 0
        self.bytes = 0
        """What the server reported last, and what was published since."""
        self.max_bytes: int | None = None
        """What it may hold; 0 without a bound, None until the server was asked."""
        self._dropped = dropped or Counter("dropped", "Messages dropped.", registry=None)
        self._purged = purged or Counter("purged", "Messages purged.", registry=None)
        self._before: _Look | None = None
        self._purged_since = 0
        self._trouble = ""
        self._troubled_at = 0.0
        self.repeats = RepeatFilter(_REPEAT_SECONDS)
        """What was logged about it lately."""

    @property
    def dropped(self) -> int:
        """Messages that went to make room, younger than the stream's max_age."""
        return total(self._dropped)

    @property
    def purged(self) -> int:
        """Those of them that the service purged, of the spacecraft that held the most."""
        return total(self._purged)

    def look(self, info: dict[str, Any]) -> int:
        """Take in what the server says of the stream; returns how many messages it dropped since the last one.

        What went while it was full, and was too young to go by age, went for its size.
        """
        state, config = info["state"], info["config"]
        peak = max(self.bytes, int(state["bytes"]))  # between two looks it only grows
        self.messages, self.bytes = int(state["messages"]), int(state["bytes"])
        self.max_bytes = max(0, int(config.get("max_bytes") or 0))
        oldest = _time(state["first_ts"]) if self.messages else None
        before, now = self._before, _Look(str(info["created"]), int(state["last_seq"]) - self.messages, oldest)
        dropped = 0
        if before and before.created == now.created and self.max_bytes and peak >= FULL * self.max_bytes:
            expired = _time(info["ts"]) - timedelta(microseconds=int(config.get("max_age") or 0) // 1000)
            is_young = not config.get("max_age") or before.oldest is None or before.oldest > expired
            dropped = max(0, now.gone - before.gone - self._purged_since) if is_young else 0
        self._dropped.inc(dropped)
        self._before, self._purged_since = now, 0
        return dropped

    def forget(self) -> None:
        """Do not count what goes until the next look: another instance publishes, and counts it."""
        self._before = None

    def count_purged(self, count: int) -> None:
        """Count messages that the service purged to make room."""
        self._dropped.inc(count)
        self._purged.inc(count)
        self._purged_since += count

    def note(self, trouble: str) -> None:
        """Show this trouble for some minutes."""
        self._trouble, self._troubled_at = trouble, time.monotonic()

    @property
    def trouble(self) -> str | None:
        """What was noted last, if it was lately."""
        return self._trouble if self._trouble and time.monotonic() - self._troubled_at < _REPEAT_SECONDS else None


def total(counter: Counter) -> int:
    """What a counter without labels, or with its labels given, has counted."""
    (value,) = [
        sample.value for family in counter.collect() for sample in family.samples if sample.name.endswith("_total")
    ]
    return int(value)


def unbounded(stream: str) -> str:
    """What is wrong with a stream that has no bound."""
    return (
        f"The stream {stream} has no max_bytes, so it may take all the room that JetStream has. A stream that is there "
        f"is not changed: set it by `nats stream edit {stream} --max-bytes=…`."
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text[:19] + "+00:00")
