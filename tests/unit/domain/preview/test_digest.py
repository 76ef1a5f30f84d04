"""Digests say where the ends of a distribution lie, whatever parts its numbers came in."""

from bisect import bisect_left
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from missionops.domain.preview.digest import Digest

SHARES = (0, 0.01, 0.1, 0.5, 0.9, 0.99, 1)


@given(st.integers(0, 2**32), st.integers(1, 20_000))
@settings(max_examples=60)
def test_percentiles_are_nearly_those_of_all_numbers(seed: int, count: int) -> None:
    random = Random(seed)  # noqa: S311 - a seed that is known
    draw = random.choice((random.random, lambda: random.gauss(0, 1), lambda: random.paretovariate(1.5)))
    numbers = [draw() for _ in range(count)]
    digest, left = Digest(), [*numbers]
    while left:
        size = random.choice((1, 40, 5_000))
        part = Digest()
        part.add(left[:size])
        digest.merge(part)
        left = left[size:]
    numbers.sort()
    assert (digest.least, digest.greatest, len(digest.means) <= 110) == (numbers[0], numbers[-1], True)
    assert sum(number for _, number in digest.means) == count
    for share in (0.01, 0.99):
        found = digest.quantile(share)
        assert found is not None
        assert abs(bisect_left(numbers, found) / count - share) <= 0.006 + 2 / count
    assert digest.quantile(0) == numbers[0]
    assert digest.quantile(1) == numbers[-1]


def test_few_numbers_are_kept_as_they_are() -> None:
    digest = Digest()
    assert digest.quantile(0.5) is None
    digest.add([3.0, 1.0, 2.0])
    assert digest.means == [(1.0, 1), (2.0, 1), (3.0, 1)]
    assert digest.quantile(0.5) == 2


def test_the_greatest_doubles_have_a_mean() -> None:
    digest = Digest()
    digest.add([1.7e308] * 200)
    digest.add([-1.7e308] * 200)
    assert digest.quantile(0.01) == -1.7e308
    assert digest.quantile(0.99) == 1.7e308
