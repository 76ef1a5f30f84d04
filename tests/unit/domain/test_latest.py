"""Which values are the newest, how often they come, whether they are stale, and clocks that cannot be right."""

import pytest

from missionops.domain import latest
from missionops.domain.clock import Clock
from missionops.domain.latest import ReportedValue
from missionops.domain.timestamp import SECOND


def reported(*times: int) -> list[ReportedValue]:
    return latest.newest_first(ReportedValue(at * SECOND, at * SECOND, "", (at + 5) * SECOND, 0, at) for at in times)


def test_of_one_time_the_greater_timestamp_then_the_greater_id_is_newer():
    values = [ReportedValue(9, 1, "b", 9, 0, 1), ReportedValue(9, 1, "a", 9, 0, 2), ReportedValue(9, 0, "z", 9, 0, 3)]
    assert [one.value for one in latest.newest_first(reversed(values))] == [1, 2, 3]


def test_the_usual_interval_is_the_median_of_the_last_twenty():
    assert latest.usual_interval(reported(0, 10, 20, 25)) == 10
    assert latest.usual_interval(reported(3)) is None
    assert latest.usual_interval(reported(*range(0, 30_000, 1_000), *range(30_000, 30_021))) == 1


@pytest.mark.parametrize(
    ("times", "stale_after", "now", "expected"),
    [
        ((0, 10, 20), None, 55, False),
        ((0, 10, 20), None, 56, True),
        ((0, 10), None, 10_000, None),
        ((0, 10), 60, 75, False),
        ((0, 10), 60, 76, True),
        ((0, 0, 0), None, 10_000, None),
    ],
)
def test_stale_is_what_is_older_than_its_limit_or_three_intervals(times, stale_after, now, expected):
    assert latest.is_stale(reported(*times), stale_after, now * SECOND, as_of_then=False) is expected


def test_at_an_earlier_time_its_age_counts_from_its_own_time():
    assert latest.is_stale(reported(0, 10, 20), None, 51 * SECOND, as_of_then=True)
    assert not latest.is_stale(reported(0, 10, 20), None, 50 * SECOND, as_of_then=True)


def test_a_time_that_cannot_be_right_is_that_of_the_reception():
    clock = Clock(ahead=600, since=1_000)
    assert [clock.time(stamped, 2_000) for stamped in (999, 1_000, 2_600, 2_601)] == [2_000, 1_000, 2_600, 2_000]
    assert Clock().time(-5, 2_000) == -5
