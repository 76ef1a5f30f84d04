"""Alarms: what each message tells where late telemetry changed several things at once."""

from datetime import UTC, datetime

import pytest

from missionops.domain import timestamp
from missionops.domain.alarm import Alarm, AlarmRecord
from missionops.domain.episodes.episode import Episode, Facts, Rise
from missionops.domain.recompute.matching import goes_on
from missionops.domain.severity import AT_LEVEL
from tests import stored_alarms

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def second(number: int) -> datetime:
    return datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC)


def episode(start: int, end: int | None, *levels: int, waits: bool = True) -> Episode:
    at = timestamp.to_microseconds(second(start))
    rises = [Rise(level, (at, at, "a"), "warnHigh", 1, 1, waits) for level in levels]
    one = Episode(at, (at, at, "a"), rises, Facts())
    if end is not None:
        closed = timestamp.to_microseconds(second(end))
        one.close((closed, closed, "b"), closed)
    return one


def told(was: Episode, now: Episode) -> list[tuple[str, AlarmRecord]]:
    alarm: Alarm = stored_alarms.alarm()
    alarm.episode, alarm.waits = was, was.rises[-1].waits
    messages = [one.message for one in alarm.go_on(goes_on(was, now), NOW)]
    assert alarm.episode == now
    return [(one.transition, one.alarm) for one in messages]


@pytest.mark.parametrize("end", [None, 9])
def test_severity_rises_first_and_then_the_beginning_is_revised(end):
    was, now = episode(5, end, 2), episode(3, end, 2, 3)
    (first, risen), (second_, revised) = told(was, now)
    assert (first, risen.severity, risen.start, risen.raised_at) == (
        "SEVERITY_INCREASED", AT_LEVEL[3], second(5), second(5),
    )  # fmt: skip
    assert (second_, revised.severity, revised.start, revised.raised_at) == (
        "REVISED", AT_LEVEL[3], second(3), second(3),
    )  # fmt: skip


def test_it_has_not_returned_before_that_is_told():
    messages = told(episode(5, None, 2), episode(3, 9, 2, 3))
    assert [(name, one.end, one.state) for name, one in messages] == [
        ("SEVERITY_INCREASED", None, "ACTIVE_UNACKNOWLEDGED"),
        ("REVISED", None, "ACTIVE_UNACKNOWLEDGED"),
        ("RETURNED", second(9), "RETURNED_UNACKNOWLEDGED"),
    ]


def test_it_is_not_active_again_before_that_is_told():
    messages = told(episode(5, 9, 2), episode(5, None, 2, 3))
    assert [(name, one.end, one.state) for name, one in messages] == [
        ("SEVERITY_INCREASED", second(9), "RETURNED_UNACKNOWLEDGED"),
        ("REVISED", None, "ACTIVE_UNACKNOWLEDGED"),
    ]


def test_where_another_rule_counts_it_is_told_that_it_closes_or_waits_again():
    waiting, closed = episode(5, 9, 2), episode(5, 9, 2, waits=False)
    assert [(name, one.state) for name, one in told(waiting, closed)] == [("CLOSED", "CLOSED")]
    assert [(name, one.state) for name, one in told(closed, waiting)] == [("REVISED", "RETURNED_UNACKNOWLEDGED")]
    assert told(waiting, waiting) == told(closed, closed) == []
