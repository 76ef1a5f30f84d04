"""What a batch takes from a message, and at how many steps other work can go on."""

from missionops.ingest.batch import Batch, Delivery
from missionops.wire.decoder import MAX_ITEMS, Decoder

GOOD = b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":%d}}'


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
