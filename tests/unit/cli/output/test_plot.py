"""Plots in the terminal: extremes are in them, gaps are not bridged, and no number is too large."""

import pytest

from missionops.cli.output import plot

FOUND = {"origin": "2025-01-01T00:00:00Z", "step": 60}
BRAILLE = range(0x2801, 0x2900)


def drawn(times: list[float], values: list[float], gap: float | None = None) -> str | None:
    one = {"parameter": "temp", "kind": "samples", "gap": gap, "t": times, "value": values}
    return plot.drawn(FOUND, one, 80)


def dots(text: str | None) -> int:
    return sum((ord(sign) - 0x2800).bit_count() for sign in text or "" if ord(sign) in BRAILLE)


def test_a_line_is_drawn_and_breaks_at_a_gap():
    text = drawn([0, 100, 1_000], [1, 5, 2])
    assert text is not None
    assert "temp" in text
    assert max(map(len, text.splitlines())) <= 80
    broken = drawn([0, 100, 1_000], [1, 5, 2], gap=300)
    assert 0 < dots(broken) < dots(text)


def test_both_extremes_of_a_bucket_are_drawn():
    one = {"parameter": "temp", "kind": "buckets", "gap": None, "minAt": [5.0, 65.0], "min": [0, 1],
           "maxAt": [10.0, 70.0], "max": [9, 2]}  # fmt: skip
    assert plot.drawn(FOUND, one, 80) == drawn([5, 10, 65, 70], [0, 9, 1, 2])


@pytest.mark.parametrize(
    "values", [[0, 0, 0], [5e-324, 0, 1e-320], [1e300, 1e300, 1e299], [-0.0, 2**64 - 1, 3], [-1e307, 1e307, 0]]
)
def test_no_number_is_too_large_or_too_small(values):
    assert dots(drawn([0, 1e-6, 9_460_800_000.0], values))


def test_what_cannot_be_drawn_is_left_out():
    assert drawn([1], [1]) is None
    assert drawn([1, 1], [1, 2]) is None
    assert drawn([1, 2], [1.7e308, -1.7e308]) is None
