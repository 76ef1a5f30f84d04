"""Identities decided lately: a repeat of one is left out of a later batch, and what is long past is forgotten."""

import json
import time

import pytest

from missionops.ingest import deduplication
from missionops.ingest.batch import Batch, Delivery
from missionops.ingest.deduplication import RecentSnapshots
from missionops.wire.decoder import Decoder


def batch(first: int, *names: object) -> Batch:
    found = Batch(first - 1, Decoder())
    for sequence, name in enumerate(names, start=first):
        body = json.dumps({"timestamp": "2025-01-01T00:00:00Z", "parameters": {}, "id": str(name)}).encode()
        list(found.add(Delivery(b"telemetry.0.SC-1", sequence, sequence, body, None, b"")))
    return found


def ids(found: Batch) -> list[str]:
    return [name for _, _, name in found.entries]


def test_a_repeat_from_an_earlier_batch_is_left_out_and_counted():
    known = RecentSnapshots()
    known.remove_known(batch(1, "a", "b"))
    later = batch(3, "b", "c", "c", "a")
    known.remove_known(later)
    assert (ids(later), later.duplicates, later.sequence) == (["c"], 3, 6)


def test_one_spacecraft_s_snapshot_is_no_repeat_of_another_s():
    known = RecentSnapshots()
    known.remove_known(batch(1, "a"))
    other = Batch(1, Decoder())
    body = b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{},"id":"a"}'
    list(other.add(Delivery(b"telemetry.0.SC-2", 2, 2, body, None, b"")))
    known.remove_known(other)
    assert (ids(other), other.duplicates) == (["a"], 0)


def test_what_is_long_past_is_left_to_the_database(monkeypatch):
    monkeypatch.setattr(deduplication, "_KEPT", 3)
    known = RecentSnapshots()
    for sequence in range(1, 20):
        known.remove_known(batch(sequence, f"{sequence}"))
    first, last = batch(20, 1), batch(21, 19)
    known.remove_known(first)
    known.remove_known(last)
    assert (ids(first), ids(last)) == (["1"], [])


@pytest.mark.parametrize(("seconds", "left"), [(29, []), (31, []), (61, ["a"])])
def test_what_was_decided_a_minute_ago_is_left_to_the_database(monkeypatch, seconds, left):
    """Somebody may have deleted it there meanwhile; it does not matter whether anything else came."""
    known = RecentSnapshots()
    known.remove_known(batch(1, "a"))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds)
    later = batch(2, "a")
    known.remove_known(later)
    assert ids(later) == left


def test_a_stream_of_repeats_does_not_keep_what_it_repeats(monkeypatch):
    known = RecentSnapshots()
    began = time.monotonic()
    stored = []
    for second in range(0, 120, 10):
        monkeypatch.setattr(time, "monotonic", lambda: began + second)  # noqa: B023 - called in this round
        again = batch(second + 1, "a")
        known.remove_known(again)
        stored += [second for _ in ids(again)]
    assert stored[0] == 0
    assert 30 <= stored[1] <= 70
