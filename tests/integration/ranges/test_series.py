"""Series: against a plain reference over random data, at their edges, in pages, and over millions of snapshots."""

import itertools
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st

from missionops.domain import series
from missionops.operations import series as operation
from tests.integration.ranges.conftest import (
    LIMITS,
    NUMBERS,
    Hurried,
    Snapshot,
    at,
    compare_examples,
    is_number,
    severity_of,
)

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def times(span: Any) -> tuple[datetime, datetime]:
    return time(span["from"]), time(span["to"])


def expected(name: str, snapshots: Sequence[Snapshot], step: int, origin: datetime, versions: Sequence[int]) -> Any:
    """What is true of one parameter: its samples, its buckets, its violations, texts and booleans."""
    order = sorted(range(len(snapshots)), key=lambda index: (snapshots[index][0], index))
    samples, others, violations = [], 0, []
    for index in order:
        when, parameters = snapshots[index]
        value = parameters.get(name)
        if is_number(value):
            version = versions[index % len(versions)] if versions else 0
            samples.append(((when - origin) // US, value, version))
            violations.append(severity_of(value, version))
        elif value is not None:
            others += 1
    buckets: dict[int, list[tuple[int, Any]]] = {}
    for offset, value, _ in samples:
        buckets.setdefault(offset // step, []).append((offset, value))
    return samples, buckets, violations, others


def joined(pages: Sequence[Any], index: int) -> dict[str, Any]:
    """The buckets of all pages; samples of a page before its parameter had many are buckets of one."""
    rows: dict[int, Any] = {}
    severities: dict[tuple[str, int], int] = {}
    for page in pages:
        one = page["series"][index]
        step = page["step"]
        for column in range(len(one.get("bucket", ()))):
            number = one["bucket"][column]
            row = [one[key][column] for key in ("count", "min", "minAt", "max", "maxAt", "last")]
            assert number not in rows or len(pages) > 1
            rows[number] = merged(rows.get(number), row)
        for t, value in zip(one.get("t", ()), one.get("value", ()), strict=True):
            number = round(t * 1e6) // round(step * 1e6)
            rows[number] = merged(rows.get(number), [1, value, t, value, t, value])
        for severity, found in one["violations"].items():
            for place, count in found:
                number = place if one["kind"] == "buckets" else round(one["t"][place] * 1e6) // round(step * 1e6)
                severities[severity, number] = severities.get((severity, number), 0) + count
    return {"rows": rows, "violations": severities, "others": sum(page["series"][index]["others"] for page in pages)}


def merged(row: Any, later: Any) -> Any:
    if row is None:
        return later
    low = row[1:3] if row[1] <= later[1] else later[1:3]
    high = row[3:5] if row[3] >= later[3] else later[3:5]
    return [row[0] + later[0], *low, *high, later[5]]


def check(
    pages: Sequence[Any], snapshots: Sequence[Snapshot], names: Sequence[str], points: int, versions: Any
) -> None:
    start, end = time(pages[0]["from"]), time(pages[0]["to"])
    step, origin = round(pages[0]["step"] * 1e6), time(pages[0]["origin"])
    assert step in itertools.takewhile(lambda one: one <= step, series.steps())
    assert step * points >= (end - start) // US
    assert (origin - EPOCH) % (step * US) == timedelta(0)
    assert origin <= start < origin + step * US
    within = [one for one in snapshots if start <= one[0] <= end]
    kept = [index for index, one in enumerate(snapshots) if start <= one[0] <= end]
    versions = [versions[index % len(versions)] for index in kept] if versions else ()
    for index, name in enumerate(names):
        samples, buckets, violations, others = expected(name, within, step, origin, versions)
        found = [page["series"][index] for page in pages]
        assert {one["parameter"] for one in found} == {name}
        if len(pages) == 1:
            assert found[0]["kind"] == ("samples" if len(samples) <= points else "buckets")
        if len(pages) == 1 and len(samples) <= points:
            assert [round(t * 1e6) for t in found[0]["t"]] == [offset for offset, *_ in samples]
            assert found[0]["value"] == [value for _, value, _ in samples]
            places = {severity: [[place, 1] for place, one in enumerate(violations) if one == severity]
                      for severity in violations if severity}  # fmt: skip
            assert found[0]["violations"] == places
            check_limits(found[0]["limits"], samples, origin)
        spans = [
            (span["version"], *times(span))
            for one in found for limits in one["limits"] for span in limits["spans"]
        ]  # fmt: skip
        for offset, _, version in samples:
            is_judged = any(one == version and first <= origin + offset * US <= last for one, first, last in spans)
            assert is_judged == bool(version and LIMITS[version - 1])
        all_pages = joined(pages, index)
        assert all_pages["others"] == others
        assert sorted(all_pages["rows"]) == sorted(buckets)
        for number, (count, low, low_at, high, high_at, last) in all_pages["rows"].items():
            values = [value for _, value in buckets[number]]
            assert (count, low, high, last) == (len(values), min(values), max(values), values[-1])
            assert round(low_at * 1e6) == next(offset for offset, value in buckets[number] if value == low)
            assert round(high_at * 1e6) == next(offset for offset, value in buckets[number] if value == high)
        counted: dict[tuple[str, int], int] = {}
        for (offset, *_), severity in zip(samples, violations, strict=True):
            if severity:
                counted[severity, offset // step] = counted.get((severity, offset // step), 0) + 1
        assert all_pages["violations"] == counted


def check_limits(found: Any, samples: Sequence[Any], origin: datetime) -> None:
    """The spans are the runs of samples that one version judged."""
    runs = []
    for version, run in itertools.groupby(samples, key=lambda sample: sample[2]):
        run_times = [origin + offset * US for offset, *_ in run]
        if version and LIMITS[version - 1]:
            runs.append((LIMITS[version - 1], version, run_times[0], run_times[-1]))
    shown = [
        ({limit: one[limit] for limit in one if limit != "spans"}, span["version"], *times(span))
        for one in found
        for span in one["spans"]
    ]  # fmt: skip
    assert sorted(shown, key=str) == sorted(runs, key=str)


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-3, 12),
    st.sampled_from(
        [-0.0, 0.0, 5e-324, -1.7976931348623157e308, 2**53, 2**53 + 1, 2.0**53, 2**64 - 1, 2**64 - 2, 2.0**64, -(2**63)]
    ),
    st.sampled_from(["SAFE", "", True, False, None]),
)
OFFSETS = st.one_of(st.integers(0, 40), st.integers(0, 10**12))


@st.composite
def histories(draw: Any) -> Any:
    scale = draw(st.sampled_from([1, 1_000, 1_000_000, 3_600_000_000]))
    snapshots = draw(
        st.lists(st.tuples(OFFSETS, st.dictionaries(st.sampled_from(NUMBERS), VALUES)), min_size=1, max_size=60)
    )
    history = [(START + min(offset * scale, 5 * 10**15) * US, values) for offset, values in snapshots]
    times = sorted(when for when, _ in history)
    start, end = draw(st.sampled_from(times)), draw(st.sampled_from(times))
    known = draw(st.lists(st.sampled_from(NUMBERS), unique=True))
    versions = draw(st.lists(st.integers(0, 3), max_size=4))
    return history, known, min(start, end), max(start, end), draw(st.sampled_from([1, 2, 5, 20, 5000])), versions


@pytest.mark.parametrize("is_hurried", [False, True], ids=["whole", "in pages"])
async def test_it_is_what_a_plain_reading_finds(ask, store, monkeypatch, is_hurried):
    if is_hurried:
        monkeypatch.setattr(operation, "ReadingPace", Hurried)

    async def compared(*example: Any) -> None:
        history, known, start, end, points, versions = example
        spacecraft_id = await store(history, names=known, versions=versions)
        pages = await ask.pages("series", spacecraft_id, parameters=list(NUMBERS), start=start, end=end, points=points)
        check(pages, history, NUMBERS, points, versions)

    await compare_examples(histories(), compared)


async def test_one_spike_among_many_is_there_at_every_number_of_points(ask, store):
    values = [(START + number * timedelta(seconds=1), {"a": float(number % 7)}) for number in range(20_000)]
    values[12_345] = (values[12_345][0], {"a": 1e9})
    values[777] = (values[777][0], {"a": -1e9})
    spacecraft_id = await store(values)
    for points in (1, 2, 3, 10, 100, 999, 5_000):
        pages = await ask.pages(
            "series", spacecraft_id, parameters=["a"], start=START, end=START + timedelta(hours=6), points=points
        )
        rows = joined(pages, 0)["rows"]
        assert [row[4] for row in rows.values() if row[3] == 1e9] == [12_345]
        assert [row[2] for row in rows.values() if row[1] == -1e9] == [777]
        assert sum(row[0] for row in rows.values()) == 20_000
        assert len(rows) <= points + 1


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({}, "parameters"),
        ({"parameters": []}, "parameters"),
        ({"parameters": [""]}, "parameters.0"),
        ({"parameters": ["p"] * 21}, "parameters"),
        ({"points": 0}, "points"),
        ({"points": 5_001}, "points"),
        ({"points": 5_000, "parameters": [f"p{number}" for number in range(9)]}, "points"),
        ({"start": "2025-03-02T00:00:00Z"}, "to"),
        ({"start": "1899-12-31T23:59:59Z"}, "from"),
        ({"end": "2200-01-01T00:00:00Z"}, "to"),
        ({"cursor": "none"}, "cursor"),
        ({"cursor": "WyIyMDI1LTAzLTAxVDAwOjAwOjAwWiIsICIiLCBbXSwgW11d"}, "cursor"),
        ({"step": 1}, "step"),
    ],
)
async def test_what_makes_no_sense_is_refused(ask, request_, path):
    given = {"parameters": ["a"], "start": START, "end": START, **request_}
    if not request_:
        del given["parameters"]
    found, _ = await ask.page("series", "SC-001", **given)
    assert found["error"]["code"] == "invalid_request"
    assert [detail["path"] for detail in found["error"]["details"]] == [path]


async def test_the_unknown_is_empty(ask, store):
    spacecraft_id = await store([(START, {"a": 1})])
    for known, name in ((spacecraft_id, "b"), ("nobody", "a")):
        [page] = await ask.pages("series", known, parameters=[name], start=START, end=START)
        assert page["series"] == [
            {"kind": "samples", "parameter": name, "gap": None, "t": [], "value": [], "violations": {}, "others": 0,
             "limits": []}
        ]  # fmt: skip


async def test_all_of_time_is_one_range(ask, store):
    three = [datetime(1900, 1, 1, tzinfo=UTC), START, datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
    spacecraft_id = await store([(when, {"a": number}) for number, when in enumerate(three)])
    for points, kind in ((1, "buckets"), (2, "buckets"), (3, "samples"), (5_000, "samples")):
        [page] = await ask.pages("series", spacecraft_id, parameters=["a"], start=three[0], end=three[2], points=points)
        [found] = page["series"]
        assert found["kind"] == kind
        if kind == "samples":
            origin = (time(page["origin"]) - EPOCH) // US
            exact = [Decimal((when - EPOCH) // US - origin) / 10**6 for when in three]
            reply = await ask.raw(
                "series", spacecraft_id, parameters=["a"], start=three[0], end=three[2], points=points
            )
            assert json.loads(reply, parse_float=Decimal)["series"][0]["t"] == exact


async def test_an_answer_that_does_not_fit_is_continued_after_its_last_whole_bucket(ask, store, service):
    names = [f"p{number:02}" for number in range(20)]
    history = [
        (START + number * timedelta(seconds=1), {name: math.sin(number + place) for place, name in enumerate(names)})
        for number in range(4_000)
    ]
    spacecraft_id = await store(history)
    for points in (1_000, 2_000):
        request = {"parameters": names, "start": START, "end": history[-1][0], "points": points}
        pages = await ask.pages("series", spacecraft_id, **request)
        assert len(pages) > 1
        buckets = [number for page in pages for number in page["series"][7]["bucket"]]
        assert buckets == sorted(set(buckets))
        query = {"spacecraftId": spacecraft_id, "parameters": ",".join(names), "from": at(START),
                 "to": at(history[-1][0]), "points": points}  # fmt: skip
        over_http = await pages_over_http(service.http_url, query)
        for index in range(len(names)):
            assert joined(over_http, index) == joined(pages, index)


async def test_a_cursor_that_holds_twenty_open_buckets_fits_into_a_url(ask, store, service, monkeypatch):
    names = [f"parameter_{number:02}" for number in range(20)]
    history = [
        (START + number * timedelta(seconds=1), {name: math.sin(number + place) for place, name in enumerate(names)})
        for number in range(40)
    ]
    spacecraft_id = await store(history)
    monkeypatch.setattr(operation, "ReadingPace", Hurried)
    query = {"spacecraftId": spacecraft_id, "parameters": ",".join(names), "from": at(START),
             "to": at(START + timedelta(1)), "points": 1}  # fmt: skip
    pages = await pages_over_http(service.http_url, query)
    assert len(pages) > 3
    assert [one["count"] for one in pages[-1]["series"]] == [[40]] * 20


async def test_a_cursor_continues_its_own_series_alone(ask, store, monkeypatch):
    spacecraft_id = await store([(START + number * timedelta(seconds=1), {"a": number}) for number in range(40)])
    monkeypatch.setattr(operation, "ReadingPace", Hurried)
    request = {"parameters": ["a"], "start": START, "end": START + timedelta(1), "points": 1}
    _, cursor = await ask.page("series", spacecraft_id, **request)
    others = {"parameters": ["b"], "start": START - timedelta(1), "end": START + timedelta(2), "points": 2}
    for field, value in others.items():
        found, _ = await ask.page("series", spacecraft_id, **request | {field: value}, cursor=cursor)
        assert found["error"]["message"] == "cursor is of another request"
    found, _ = await ask.page("series", spacecraft_id, **request, cursor=cursor)
    assert "series" in found


async def pages_over_http(url: str, query: dict[str, Any]) -> list[Any]:
    found, cursor = [], None
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:
        while True:
            response = await http.get("/telemetry/series", params=query | ({"cursor": cursor} if cursor else {}))
            found.append(response.json())
            cursor = response.headers.get("missionops-next-cursor")
            if cursor is None:
                return found


async def test_a_parameter_that_changes_its_type_is_in_both(ask, store):
    values = [1, "on", True, None, 2.5, "off", 2**64 - 1]
    spacecraft_id = await store([(START + number * US, {"a": value}) for number, value in enumerate(values)])
    [page] = await ask.pages("series", spacecraft_id, parameters=["a"], start=START, end=START + timedelta(1))
    [found] = page["series"]
    assert (found["value"], found["others"]) == ([1, 2.5, 2**64 - 1], 3)
    [page] = await ask.pages("series", spacecraft_id, parameters=["a"], start=START, end=START + timedelta(1), points=2)
    [found] = page["series"]
    assert (found["count"], found["others"], found["max"]) == ([3], 3, [2**64 - 1])


async def test_integers_that_no_double_holds_are_exact_in_buckets(ask, store):
    """A counter of nanoseconds, of which a double would show the quarter of a microsecond."""
    values = [
        1_767_225_600_000_000_003,
        1_767_225_600_000_000_001,
        1_767_225_600_000_000_005,
        1_767_225_600_000_000_002,
    ]
    spacecraft_id = await store([(START + number * US, {"a": value}) for number, value in enumerate(values)])
    [page] = await ask.pages("series", spacecraft_id, parameters=["a"], start=START, end=START + timedelta(1), points=1)
    [found] = page["series"]
    assert [found[key] for key in ("min", "minAt", "max", "maxAt", "last")] == [
        [values[1]], [1e-6], [values[2]], [2e-6], [values[3]]
    ]  # fmt: skip


async def test_ten_thousand_parameters_are_no_hindrance(ask, store):
    names = [f"p{number:04}" for number in range(10_000)]
    history = [(START + number * timedelta(seconds=1), dict.fromkeys(names, number)) for number in range(100)]
    spacecraft_id = await store(history)
    [page] = await ask.pages(
        "series", spacecraft_id, parameters=names[::500], start=START, end=START + timedelta(1), points=10
    )
    assert [(one["parameter"], one["max"], one["count"]) for one in page["series"]] == [
        (name, [99], [100]) for name in names[::500]
    ]


async def test_gap_is_three_times_the_usual_interval(ask, store):
    seconds = [*range(0, 100, 10), *range(5_000, 5_100, 10)]
    spacecraft_id = await store([(START + timedelta(seconds=one), {"a": one}) for one in seconds])
    request = {"parameters": ["a"], "start": START, "end": START + timedelta(seconds=5_100)}
    [page] = await ask.pages("series", spacecraft_id, **request)
    assert page["series"][0]["gap"] == 30
    [page] = await ask.pages("series", spacecraft_id, **request, points=10)
    assert (page["series"][0]["gap"], page["step"]) == (2 * 900, 900)
