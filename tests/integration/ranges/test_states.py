"""States: against a plain reading over random data, in pages, and where values are long."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from missionops.operations import states as operation
from tests.integration.ranges.conftest import NUMBERS, Hurried, Snapshot, compare_examples, is_number

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


def expected(name: str, history: Sequence[Snapshot], start: datetime, end: datetime) -> tuple[list[Any], int]:
    """From, to, value and count of each span, and how many numbers there are."""
    order = sorted(range(len(history)), key=lambda index: (history[index][0], index))
    samples = [(history[index][0], history[index][1].get(name)) for index in order]
    within = [(when, value) for when, value in samples if start <= when <= end]
    spans = []
    states = [(when, value) for when, value in within if isinstance(value, str | bool)]
    for value, run in itertools.groupby(states, key=lambda sample: (type(sample[1]), sample[1])):
        times = [when for when, _ in run]
        spans.append((times[0], times[-1], value[1], len(times)))
    return spans, sum(is_number(value) for _, value in within)


def joined(pages: Sequence[Any], index: int) -> tuple[list[Any], int]:
    spans: list[Any] = []
    for page in pages:
        for span in page["states"][index]["spans"]:
            first, last = datetime.fromisoformat(span["from"]), datetime.fromisoformat(span["to"])
            value = span["value"]
            if spans and (type(spans[-1][2]), spans[-1][2]) == (type(value), value):
                spans[-1] = (spans[-1][0], last, value, spans[-1][3] + span["count"])
            else:
                spans.append((first, last, value, span["count"]))
    return spans, sum(page["states"][index]["others"] for page in pages)


VALUES = st.sampled_from(["SAFE", "CRUISE", "true", 'a "quoted" ü', True, False, None, 1, 2.5, 2**64 - 1])


@st.composite
def histories(draw: Any) -> Any:
    offsets = st.one_of(st.integers(0, 40), st.integers(0, 10**15))
    history = [
        (START + draw(offsets) * US, values)
        for values in draw(st.lists(st.dictionaries(st.sampled_from(NUMBERS), VALUES), min_size=1, max_size=60))
    ]
    times = sorted(when for when, _ in history)
    start, end = sorted((draw(st.sampled_from(times)), draw(st.sampled_from(times))))
    return history, draw(st.lists(st.sampled_from(NUMBERS), unique=True)), start, end


@pytest.mark.parametrize("is_hurried", [False, True], ids=["whole", "in pages"])
async def test_it_is_what_a_plain_reading_finds(ask, store, monkeypatch, is_hurried):
    if is_hurried:
        monkeypatch.setattr(operation, "ReadingPace", Hurried)

    async def compared(history: Any, known: Any, start: datetime, end: datetime) -> None:
        spacecraft_id = await store(history, names=known)
        pages = await ask.pages("states", spacecraft_id, parameters=list(NUMBERS), start=start, end=end)
        assert len(pages) == 1 or is_hurried
        for index, name in enumerate(NUMBERS):
            assert joined(pages, index) == expected(name, history, start, end)

    await compare_examples(histories(), compared)


async def test_a_page_has_at_most_5000_spans(ask, store):
    history = [(START + number * US, {"a": f"S{number}", "b": number % 2 == 0}) for number in range(6_000)]
    spacecraft_id = await store(history)
    request = {"parameters": ["a", "b"], "start": START, "end": START + timedelta(1)}
    pages = await ask.pages("states", spacecraft_id, **request)
    assert len(pages) >= 3
    assert all(sum(len(one["spans"]) for one in page["states"]) <= 5_000 for page in pages)
    for index, name in enumerate(("a", "b")):
        assert joined(pages, index) == expected(name, history, START, START + timedelta(1))


async def test_long_texts_are_spread_over_pages(ask, store):
    history = [(START + number * US, {"a": f"{number}" * 100_000}) for number in range(30)]
    spacecraft_id = await store(history)
    pages = await ask.pages("states", spacecraft_id, parameters=["a"], start=START, end=START + timedelta(1))
    assert len(pages) > 3
    assert joined(pages, 0) == expected("a", history, START, START + timedelta(1))


async def test_the_unknown_is_empty_and_nonsense_is_refused(ask, store):
    spacecraft_id = await store([(START, {"a": "on"})])
    for known, name in ((spacecraft_id, "b"), ("nobody", "a")):
        [page] = await ask.pages("states", known, parameters=[name], start=START, end=START)
        assert page["states"] == [{"parameter": name, "spans": [], "others": 0}]
    found, _ = await ask.page("states", spacecraft_id, parameters=["a"], start=START, end=START - US)
    assert found["error"]["details"][0]["path"] == "to"
    found, _ = await ask.page("states", spacecraft_id, parameters=["a"], start=START, end=START, points=5)
    assert found["error"]["details"][0]["path"] == "points"
