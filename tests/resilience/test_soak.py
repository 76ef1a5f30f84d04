"""Nothing is lost and nothing is doubled through any crash: a short soak run from a seed that nobody chose."""

from random import SystemRandom

import pytest

from tests.resilience import soak

SECONDS = 20


@pytest.mark.timeout(400)
# nats-py leaves the stream of each failed attempt to reconnect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_nothing_is_lost_and_nothing_is_twice() -> None:
    result = await soak.run(SystemRandom().randrange(1_000_000), SECONDS)
    print("\n".join(result.figures))  # noqa: T201 - pytest shows it if the test fails
    assert not result.differences, "\n".join(result.differences)
