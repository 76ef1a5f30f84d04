"""Quiet hours: what is due in them waits until they end, unless it is too grave."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.domain.notification.quiet_hours import QuietHours

NIGHT = QuietHours(time(22), time(6), below=4)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("moment", "level", "until"),
    [
        ("2026-01-01 21:59:59", 1, None),
        ("2026-01-01 22:00", 1, "2026-01-02 06:00"),
        ("2026-01-02 03:00", 3, "2026-01-02 06:00"),
        ("2026-01-02 03:00", 4, None),
        ("2026-01-02 06:00", 1, None),
    ],
)
def test_over_midnight(moment, level, until):
    assert NIGHT.until(at(moment), level) == (until and at(until))


def test_within_a_day_and_for_all_severities():
    lunch = QuietHours(time(12), time(13), below=5)
    assert lunch.until(at("2026-01-01 12:30"), 4) == at("2026-01-01 13:00")
    assert lunch.until(at("2026-01-01 13:00"), 1) is None


def test_on_the_clocks_of_a_place():
    berlin = NIGHT._replace(zone=ZoneInfo("Europe/Berlin"))
    assert berlin.until(at("2026-01-01 21:00"), 1) == at("2026-01-02 05:00")
    assert berlin.until(at("2026-07-01 21:00"), 1) == at("2026-07-02 04:00")


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - of UTC, below
    st.times(), st.times(), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)  # fmt: skip
def test_they_end_later_and_within_a_day(moment, begin, end, zone):
    begin, end = begin.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    if begin == end:
        return
    moment = moment.replace(tzinfo=UTC)
    quiet = QuietHours(begin, end, 5, ZoneInfo(zone))
    until = quiet.until(moment, 1)
    if until is not None:
        assert timedelta() < until - moment <= timedelta(hours=25)
