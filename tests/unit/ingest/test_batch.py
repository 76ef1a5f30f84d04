"""What a batch takes from a message, what the subject says, and at how many steps other work can go on.

Snapshots decided lately: a repeat of one is left out of a later batch, and what is long past is forgotten.
"""

import json
import time

import pytest

from missionops.ingest import batch as module
from missionops.ingest.batch import Batch, Delivery, RecentSnapshots
from missionops.wire.decoder import MAX_ITEMS, Decoder

GOOD = b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":%d}}'
LONGEST = b"a" * 64


def _delivery(body: bytes, subject: bytes = b"telemetry.7.SC-1") -> Delivery:
    return Delivery(subject, 1, 0, body, None, b"")


def test_an_array_is_decoded_item_by_item() -> None:
    batch = Batch(0, Decoder())
    body = b"[" + b",".join([b'{"a":"\\ud800"}'] * (MAX_ITEMS - 1) + [GOOD % 1]) + b"]"
    steps = iter(batch.add(_delivery(body)))
    next(steps)
    assert (len(batch.letters), len(batch.entries)) == (1, 0)
    assert sum(1 for _ in steps) == MAX_ITEMS - 1
    assert (len(batch.letters), len(batch.entries)) == (MAX_ITEMS - 1, 1)


def test_too_many_items_are_one_dead_letter_however_they_are_written() -> None:
    for item in (b"1", b"NaN", b'"\\ud800"'):
        batch = Batch(0, Decoder())
        assert len([*batch.add(_delivery(b"[" + b",".join([item] * (MAX_ITEMS + 1)) + b"]"))]) == 1
        [letter] = batch.letters
        assert letter.fault.code == "too_large"
        assert f"at most {MAX_ITEMS} may come in one message" in letter.fault.reason


def test_a_subject_without_a_spacecraft_is_a_dead_letter_that_names_it() -> None:
    batch = Batch(0, Decoder())
    list(batch.add(_delivery(GOOD % 1, b"telemetry.7.SAT.1")))
    [letter] = batch.letters
    assert letter.fault.reason == "subject: telemetry.SAT.1 has 3 tokens; it must be telemetry.<spacecraftId>"


@pytest.mark.parametrize("partition", [b"0", b"7", b"15", b"1023"])
@pytest.mark.parametrize("name", [b"SC-1", b"0", LONGEST])
def test_the_token_after_the_partition_is_the_spacecraft(partition, name):
    stored = b"telemetry." + partition + b"." + name
    delivery = _delivery(b"", stored)
    assert delivery.spacecraft_id == name.decode()
    assert delivery.subject == f"telemetry.{name.decode()}"


@pytest.mark.parametrize(
    ("stored", "published"),
    [
        (b"telemetry.3.0.SC-2", "telemetry.0.SC-2"),
        (b"telemetry.3.SC-2.x", "telemetry.SC-2.x"),
        (b"telemetry.3._x", "telemetry._x"),
        (b"telemetry.3." + LONGEST + b"a", f"telemetry.{LONGEST.decode()}a"),
        (b"telemetry.3.a\xffb", "telemetry.a\\xffb"),
        (b"telemetry.*", "telemetry.*"),
        (b"telemetry.>", "telemetry.>"),
        (b"telemetry.*.SC-2", "telemetry.*.SC-2"),
        (b"telemetry.>.SC-2", "telemetry.>.SC-2"),
        (b"telemetry.0.*", "telemetry.0.*"),
        (b"telemetry.0.>", "telemetry.0.>"),
        (b"telemetry.0.*.SC-2", "telemetry.0.*.SC-2"),
        (b"telemetry.3.a*b", "telemetry.a*b"),
    ],
)
def test_all_else_is_no_spacecrafts(stored, published):
    delivery = _delivery(b"", stored)
    assert delivery.spacecraft_id is None
    assert delivery.subject == published
    assert delivery.subject_fault.startswith(f"subject: {published}")


def test_a_long_subject_is_cut_where_it_is_shown():
    assert len(_delivery(b"", b"telemetry.3." + b"x" * 4_000).subject_fault) < 512
    assert len(_delivery(b"", b"telemetry.3" + b".x" * 2_000).subject_fault) < 512


def batch_of(first: int, *names: object) -> Batch:
    found = Batch(first - 1, Decoder())
    for sequence, name in enumerate(names, start=first):
        body = json.dumps({"timestamp": "2025-01-01T00:00:00Z", "parameters": {}, "id": str(name)}).encode()
        list(found.add(Delivery(b"telemetry.0.SC-1", sequence, sequence, body, None, b"")))
    return found


def ids(found: Batch) -> list[str]:
    return [name for _, _, name in found.entries]


def test_a_repeat_from_an_earlier_batch_is_left_out_and_counted():
    known = RecentSnapshots()
    known.remove_known(batch_of(1, "a", "b"))
    later = batch_of(3, "b", "c", "c", "a")
    known.remove_known(later)
    assert (ids(later), later.duplicates, later.sequence) == (["c"], 3, 6)


def test_one_spacecraft_s_snapshot_is_no_repeat_of_another_s():
    known = RecentSnapshots()
    known.remove_known(batch_of(1, "a"))
    other = Batch(1, Decoder())
    body = b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{},"id":"a"}'
    list(other.add(Delivery(b"telemetry.0.SC-2", 2, 2, body, None, b"")))
    known.remove_known(other)
    assert (ids(other), other.duplicates) == (["a"], 0)


def test_what_is_long_past_is_left_to_the_database(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 3)
    known = RecentSnapshots()
    for sequence in range(1, 20):
        known.remove_known(batch_of(sequence, f"{sequence}"))
    first, last = batch_of(20, 1), batch_of(21, 19)
    known.remove_known(first)
    known.remove_known(last)
    assert (ids(first), ids(last)) == (["1"], [])


@pytest.mark.parametrize(("seconds", "left"), [(29, []), (31, []), (61, ["a"])])
def test_what_was_decided_a_minute_ago_is_left_to_the_database(monkeypatch, seconds, left):
    """Somebody may have deleted it there meanwhile; it does not matter whether anything else came."""
    known = RecentSnapshots()
    known.remove_known(batch_of(1, "a"))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds)
    later = batch_of(2, "a")
    known.remove_known(later)
    assert ids(later) == left


def test_a_stream_of_repeats_does_not_keep_what_it_repeats(monkeypatch):
    known = RecentSnapshots()
    began = time.monotonic()
    stored = []
    for second in range(0, 120, 10):
        monkeypatch.setattr(time, "monotonic", lambda: began + second)  # noqa: B023 - called in this round
        again = batch_of(second + 1, "a")
        known.remove_known(again)
        stored += [second for _ in ids(again)]
    assert stored[0] == 0
    assert 30 <= stored[1] <= 70
