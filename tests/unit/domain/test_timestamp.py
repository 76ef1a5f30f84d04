from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.domain import timestamp

KEPT = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis takes naive bounds


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type] # the parts of one date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-02T03:04:05Z", utc(2025, 1, 2, 3, 4, 5)),
        ("2025-01-02t03:04:05z", utc(2025, 1, 2, 3, 4, 5)),
        ("2025-01-02 03:04:05Z", utc(2025, 1, 2, 3, 4, 5)),
        ("2025-01-02T03:04:05+00:00", utc(2025, 1, 2, 3, 4, 5)),
        ("2025-01-02T03:04:05-00:00", utc(2025, 1, 2, 3, 4, 5)),
        ("2025-01-02T03:04:05+02:30", utc(2025, 1, 2, 0, 34, 5)),
        ("2025-01-02T03:04:05-23:59", utc(2025, 1, 3, 3, 3, 5)),
        ("2025-01-02T03:04:05.1Z", utc(2025, 1, 2, 3, 4, 5, 100_000)),
        ("2025-01-02T03:04:05.12+01:00", utc(2025, 1, 2, 2, 4, 5, 120_000)),
        ("2025-01-02T03:04:05.123456Z", utc(2025, 1, 2, 3, 4, 5, 123_456)),
        ("2025-01-02T03:04:05.000000999Z", utc(2025, 1, 2, 3, 4, 5)),
        ("2025-12-31T23:59:59.9999999Z", utc(2025, 12, 31, 23, 59, 59, 999_999)),
        ("2025-01-02T03:04:05." + "9" * 10_000 + "Z", utc(2025, 1, 2, 3, 4, 5, 999_999)),
        ("2024-02-29T00:00:00Z", utc(2024, 2, 29)),
        ("1900-01-01T00:00:00Z", timestamp.EARLIEST),
        ("2199-12-31T23:59:59.9999999Z", timestamp.LATEST),
        ("1899-12-31T23:00:00-01:00", timestamp.EARLIEST),
        ("2200-01-01T00:59:59.999999+01:00", timestamp.LATEST),
    ],
)
def test_rfc_3339_is_read_as_utc_and_cut_to_the_microsecond(text, expected):
    read = timestamp.parse(text)
    assert read == expected
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "1899-12-31T23:59:59.999999Z",
        "2200-01-01T00:00:00Z",
        "1900-01-01T00:59:59+01:00",
        "2199-12-31T23:00:00-01:00",
        "1000-01-01T00:00:00Z",
        "9998-12-31T23:59:59Z",
    ],
)
def test_the_range_is_checked_in_utc(text):
    with pytest.raises(timestamp.InvalidTimestamp, match="must lie between 1900-01-01 and 2199-12-31 UTC"):
        timestamp.parse(text)


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:59:60Z", "2016-12-31t23:59:60z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:59:60+01:00"]
)
def test_a_leap_second_is_refused_by_name(text):
    with pytest.raises(timestamp.InvalidTimestamp, match="is a leap second"):
        timestamp.parse(text)


@pytest.mark.parametrize("text", ["2025-01-01T00:00:00", "2025-01-01 00:00:00.5", "2025-01-01T00:00"])
def test_a_naive_time_is_told_to_end_with_an_offset(text):
    with pytest.raises(timestamp.InvalidTimestamp, match=r"has no offset: end it with Z or \+hh:mm"):
        timestamp.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2025-01-01",
        "1735689600",
        "20250101T000000Z",
        "2025-01-01T24:00:00Z",
        "2025-01-01T25:00:00Z",
        "2025-01-01T00:60:00Z",
        "2025-01-01T00:00:61Z",
        "2025-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2025-01-01T00:00Z",
        "2025-01-01T00:00:00.Z",
        "2025-01-01T00:00:00,5Z",
        "2025-01-01T00:00:00+0100",
        "2025-01-01T00:00:00+01",
        "2025-01-01T00:00:00+24:00",
        "2025-01-01T00:00:00+01:60",
        "2025-01-01T00:00:00+01:00:30",
        "2025-01-01T00:00:00−01:00",  # noqa: RUF001 - a minus sign, which ISO 8601 likes and RFC 3339 does not know
        "2025-01-01T00:00:00 Z",
        " 2025-01-01T00:00:00Z",
        "2025-01-01T00:00:00Z\n",
        "2025-W01-1T00:00:00Z",
        "+2025-01-01T00:00:00Z",
        "٢٠٢٥-01-01T00:00:00Z",
        "2025-01-01T00:00:00.٥Z",  # noqa: RUF001 - a digit to str.isdigit, and none to RFC 3339
        "0001-01-01T00:00:00Z\0",
    ],
)
def test_what_is_no_rfc_3339_is_shown_an_example(text):
    with pytest.raises(timestamp.InvalidTimestamp, match="such as 2025-01-01T00:00:00Z"):
        timestamp.parse(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_no_datetime_can_hold_is_refused_too(text):
    with pytest.raises(timestamp.InvalidTimestamp):
        timestamp.parse(text)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", [":60+", ":60.0", "0", ".", ":60.1Z", "+"])
def test_long_nonsense_is_refused_in_linear_time(piece):
    with pytest.raises(timestamp.InvalidTimestamp):
        timestamp.parse("2025-01-01T00:00:00" + piece * 250_000 + "\n")


@given(st.text())
def test_any_text_is_a_kept_time_or_an_invalid_moment(text):
    with suppress(timestamp.InvalidTimestamp):
        assert timestamp.EARLIEST <= timestamp.parse(text) <= timestamp.LATEST


@given(KEPT, st.integers(-23 * 60 - 59, 23 * 60 + 59), st.text("0123456789", max_size=9))
def test_every_kept_time_is_read_back_from_every_offset(at, minutes, beyond):
    there = at.astimezone(timezone(timedelta(minutes=minutes)))
    text = f"{there:%Y-%m-%dT%H:%M:%S}.{there.microsecond:06}{beyond}{there:%z}"
    assert timestamp.parse(f"{text[:-2]}:{text[-2:]}") == at


def test_within_returns_what_it_was_given():
    assert timestamp.within(timestamp.EARLIEST) is timestamp.EARLIEST
    assert timestamp.within(timestamp.LATEST) is timestamp.LATEST


@pytest.mark.parametrize(
    "at", [timestamp.EARLIEST - timedelta(microseconds=1), timestamp.LATEST + timedelta(microseconds=1)]
)
def test_within_refuses_a_microsecond_outside(at):
    with pytest.raises(timestamp.InvalidTimestamp, match="must lie between"):
        timestamp.within(at)


@pytest.mark.parametrize(
    ("seconds", "nanoseconds", "expected"),
    [
        (0, 0, utc(1970, 1, 1)),
        (0, 999, utc(1970, 1, 1)),
        (1, 1_999, utc(1970, 1, 1, 0, 0, 1, 1)),
        (-1, 999_999_999, utc(1969, 12, 31, 23, 59, 59, 999_999)),
        (-2_208_988_800, 0, timestamp.EARLIEST),
        (7_258_118_399, 999_999_999, timestamp.LATEST),
    ],
)
def test_unix_time_is_cut_to_the_microsecond(seconds, nanoseconds, expected):
    assert timestamp.from_unix(seconds, nanoseconds) == expected


@pytest.mark.parametrize("seconds", [-2_208_988_801, 7_258_118_400, 10**12, 2**63 - 1, -(2**63), 10**30])
def test_unix_time_out_of_range_is_refused(seconds):
    with pytest.raises(timestamp.InvalidTimestamp, match="must lie between 1900-01-01 and 2199-12-31 UTC"):
        timestamp.from_unix(seconds, 0)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-01-01T00:00:00.123456789Z", 1_767_225_600_123_456_789),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000_000_000),
        ("2026-01-01T00:00:00.12Z", 1_767_225_600_120_000_000),
        ("2026-01-01T00:00:00.000000001Z", 1_767_225_600_000_000_001),
        ("2026-01-01T02:00:00.123456789+02:00", 1_767_225_600_123_456_789),
        ("2025-12-31T22:00:00-02:00", 1_767_225_600_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000_000),  # Go's zero time: an empty stream's first message
    ],
)
def test_jetstream_times_are_read_to_the_nanosecond(text, nanoseconds):
    assert timestamp.to_nanoseconds(text) == nanoseconds


@given(KEPT, st.integers(0, 999))
def test_nanoseconds_go_round_but_for_what_is_past_the_microsecond(at, beyond):
    printed = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}{beyond:03}Z"
    assert timestamp.from_nanoseconds(timestamp.to_nanoseconds(printed)) == at


def test_nanoseconds_are_cut_never_rounded():
    assert timestamp.from_nanoseconds(1_767_225_600_123_456_999) == utc(2026, 1, 1, 0, 0, 0, 123_456)
    assert timestamp.from_nanoseconds(0).tzinfo is UTC
