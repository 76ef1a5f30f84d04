"""Promise 8: the episodes are those of the reference, whatever order, batches, restarts and versions there were."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from missionops.domain import limits
from tests.unit.domain.episodes import engine, reference
from tests.unit.domain.episodes.histories import history


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=600, deadline=None)
def test_any_order_any_batches_and_restarts_at_any_point_give_the_same(seed: int, size: int) -> None:
    random = Random(seed)
    told, documents, sets = history(random, size)
    compiled = {number: limits.compile_rules(document) for number, document in documents.items()}
    found = engine.run(told, documents, sets, compiled, random)
    assert found == reference.episodes(told, documents, sets)
