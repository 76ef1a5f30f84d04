"""What a stream dropped for its size, counted from what the server reports of it."""

from typing import Any

import pytest

from missionops.ingest.outgoing_stream import Outgoing

NOW = "2025-01-31T00:00:00.123456789Z"


def info(first: int, last: int, *, size: int = 95, most: int = 100, oldest: str = "2025-01-30", gone: int = 0) -> Any:
    """A stream that holds `first` to `last`, without `gone` of those between."""
    messages = max(0, last - first + 1 - gone)
    state = {
        "messages": messages,
        "bytes": size,
        "first_seq": first,
        "last_seq": last,
        "first_ts": f"{oldest}T00:00:00Z",
    }
    config = {"max_bytes": most, "max_age": 10 * 86_400 * 10**9}
    return {"created": "once", "ts": NOW, "state": state, "config": config}


def test_what_goes_while_it_is_full_is_counted():
    stream = Outgoing()
    looks = info(1, 10), info(4, 12), info(4, 14), info(20, 30)
    assert [stream.look(found) for found in looks] == [0, 3, 0, 16]
    assert (stream.dropped, stream.purged, stream.messages) == (19, 0, 11)


def test_what_was_gone_before_the_first_look_is_not():
    stream = Outgoing()
    stream.look(info(1_000, 2_000, gone=100))
    assert stream.dropped == 0


def test_what_is_purged_from_between_is_counted_once():
    stream = Outgoing()
    stream.look(info(1, 10))
    stream.count_purged(4)
    assert stream.look(info(1, 10, gone=4, size=50)) == 0
    stream.count_purged(1)
    assert stream.look(info(3, 12, gone=4, size=95)) == 1
    assert (stream.dropped, stream.purged) == (6, 5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (info(1, 10, size=10), info(5, 10, size=6)),  # deleted by a person: it was not full
        (info(1, 10, oldest="2025-01-01"), info(5, 10)),  # too old
        (info(1, 10, most=-1), info(5, 10, most=-1)),
        (info(1, 10), info(5, 10) | {"created": "again"}),
    ],
    ids=["not full", "old", "without bound", "made anew"],
)
def test_what_goes_for_another_reason_is_not(before: Any, after: Any):
    stream = Outgoing()
    stream.look(before)
    assert (stream.look(after), stream.dropped) == (0, 0)


def test_it_was_full_between_two_looks_if_so_much_was_published():
    stream = Outgoing()
    stream.look(info(1, 10, size=40))
    stream.bytes += 55
    assert stream.look(info(3, 11, size=60)) == 2


def test_while_another_publishes_nothing_is_counted():
    stream = Outgoing()
    stream.look(info(1, 10))
    stream.forget()
    assert stream.look(info(9, 19)) == 0
    assert stream.look(info(10, 19)) == 1


def test_a_stream_that_expires_nothing_is_young_for_ever():
    stream = Outgoing()
    for found in (info(1, 10, oldest="2020-01-01"), info(5, 10)):
        found["config"]["max_age"] = 0
        stream.look(found)
    assert stream.dropped == 4


def test_the_same_is_said_once():
    stream = Outgoing()
    assert [stream.repeats.is_new(what) for what in ("SC-1", "SC-1", "SC-2", "SC-1")] == [True, False, True, False]
