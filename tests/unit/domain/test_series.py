"""Steps of buckets, parts of a bucket put together, gaps, seconds, and the spans of limits."""

import itertools
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from missionops.domain import series
from missionops.domain.series import Bucket, VersionSpan
from missionops.domain.timestamp import DAY, SECOND

MICROSECONDS = st.integers(0, 300 * 366 * DAY)


def test_steps_are_round_and_rise():
    found = list(itertools.takewhile(lambda step: step <= 112 * DAY, series.steps()))
    assert found[:4] == [1, 2, 5, 10]
    in_seconds = [step // SECOND for step in found if step >= SECOND]
    assert in_seconds[:5] == [1, 2, 5, 10, 30]
    assert [step // 60 for step in in_seconds[5:10]] == [1, 2, 5, 15, 30]
    assert [step // 3600 for step in in_seconds[10:14]] == [1, 2, 4, 12]
    assert [step // 86_400 for step in in_seconds[14:]] == [1, 2, 7, 14, 28, 56, 112]
    assert found == sorted(set(found))


@given(MICROSECONDS, MICROSECONDS, st.integers(1, series.MAX_POINTS))
def test_the_step_is_the_smallest_that_needs_few_buckets(start, length, points):
    step = series.step_for(start, start + length, points)
    assert step * points >= length
    assert all(smaller * points < length for smaller in itertools.takewhile(lambda one: one < step, series.steps()))
    assert (start + length) // step - start // step + 1 <= points + 1


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(-5, 5)), max_size=30), st.integers(0, 30))
def test_parts_of_a_bucket_are_the_bucket(samples, cut):
    samples.sort(key=lambda sample: sample[0])
    whole, part, rest = bucket(samples), bucket(samples[:cut]), bucket(samples[cut:])
    part.add_later(rest)
    assert part == whole


def bucket(samples: list[tuple[int, int]]) -> Bucket:
    if not samples:
        return Bucket(violations={})
    times, values = [at for at, _ in samples], [value for _, value in samples]
    low, high = values.index(min(values)), values.index(max(values))
    return Bucket(
        len(samples), times[0], values[low], times[low], values[high], times[high], values[-1], times[-1], 0,
        {"LOW": len(samples)},
    )  # fmt: skip


def test_each_version_has_one_span_in_a_bucket_however_many_parts_it_has():
    known = Bucket(versions=[VersionSpan(1, 0, 4)])
    known.add_later(Bucket(versions=[VersionSpan(1, 5, 9), VersionSpan(2, 6, 7)]))
    known.add_later(Bucket(versions=[VersionSpan(2, 8, 12)]))
    assert known.versions == [VersionSpan(1, 0, 9), VersionSpan(2, 6, 12)]


def test_a_bucket_goes_through_a_cursor():
    known = Bucket(2, -5, 1.5, -5, 2.5, 7, 2.5, 7, 1, {"HIGH": 1}, [VersionSpan(3, -5, 7)])
    assert msgspec.json.decode(msgspec.json.encode(known), type=Bucket) == known


@given(st.integers(-600 * 366 * DAY, 600 * 366 * DAY))
def test_seconds_are_exact_once_written(microseconds):
    text = msgspec.json.Encoder(decimal_format="number").encode(series.seconds(microseconds))
    written = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert round(written * SECOND) == microseconds


def test_a_gap_is_three_intervals_and_two_buckets():
    assert series.gap_of_samples([0, 10 * SECOND, 20 * SECOND, 500 * SECOND]) == 30
    assert series.gap_of_samples([5]) is None
    within = [Bucket(3, 0, last_at=20 * SECOND), Bucket(1)]
    assert series.gap_of_buckets(within, 1 * SECOND) == 30
    assert series.gap_of_buckets(within, 60 * SECOND) == 120


def test_limits_are_listed_once_with_all_their_spans():
    judged = [
        VersionSpan(1, 0, 1),
        VersionSpan(1, 2, 5),
        VersionSpan(2, 6, 6),
        VersionSpan(0, 7, 7),
        VersionSpan(1, 8, 9),
    ]
    found = series.limits_spans(judged, {1: {"warnHigh": 5}, 2: {}})
    assert [(one.limits, one.spans) for one in found] == [
        ({"warnHigh": 5}, [VersionSpan(1, 0, 5), VersionSpan(1, 8, 9)])
    ]


@pytest.mark.parametrize(("value", "text"), [(42.0, "42"), (-0.0, "-0.0"), (0.0, "0"), (2.5, "2.5"), (1e300, "1e300")])
def test_whole_numbers_are_written_plainly(value, text):
    from missionops.domain import number  # noqa: PLC0415

    assert msgspec.json.encode(number.plain(value)).decode() == text
