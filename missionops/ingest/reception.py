"""When telemetry was received, and how far its timestamps are from that."""

from collections.abc import Mapping, Sequence

from missionops.ingest.batch import Batch, BatchEntry
from missionops.store.reception import Reception


def newest_timestamp(entries: Sequence[BatchEntry], ahead: float) -> int | None:
    """The newest timestamp (microseconds since 1970) of one spacecraft's snapshots, which are in stream order.

    What is stamped more than `ahead` seconds after its reception is passed over; None where that is all.
    """
    allowed = int(ahead * 1_000_000)
    newest = max(entry.snapshot.identity[1] for entry in entries)
    if newest <= entries[0].received + allowed:  # the first was received first
        return newest
    times = ((entry.snapshot.identity[1], entry.received) for entry in entries)
    return max((time for time, received in times if time <= received + allowed), default=None)


def receptions(batch: Batch, newest: Mapping[str, int | None]) -> list[Reception]:
    """What `batch` received last of each of its spacecraft, by `newest_timestamp` of what was stored."""
    return [
        Reception(spacecraft_id, entry.received, entry.snapshot.identity[1], newest.get(spacecraft_id))
        for spacecraft_id, entry in batch.last_received.items()
    ]
