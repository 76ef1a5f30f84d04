"""Promise 8: the episodes are those of the reference, whatever order, batches, restarts and versions there were."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.episodes import engine, reference
from tests.unit.domain.episodes.histories import history


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=1_000)
def test_any_order_any_batches_and_restarts_at_any_point_give_the_same(seed: int, size: int) -> None:
    random = Random(seed)
    given_history = history(random, size)
    assert engine.run(given_history, random) == reference.episodes(given_history)
