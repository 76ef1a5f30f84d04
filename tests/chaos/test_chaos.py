"""Nothing lost, nothing twice: a short storm from a fixed seed, and one from a seed that nobody chose."""

from random import SystemRandom

import pytest

from tests.chaos.storm import storm

SECONDS = 15
FIXED = 7


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [FIXED, None], ids=["fixed", "random"])
async def test_nothing_is_lost_and_nothing_is_twice(seed: int | None, services: str) -> None:
    if services != "embedded":
        pytest.skip("needs servers of its own to kill")
    seed = SystemRandom().randrange(1_000_000) if seed is None else seed
    differences = await storm(seed, SECONDS)
    assert not differences, "\n".join(differences)
