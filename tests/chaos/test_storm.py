"""Nothing lost, nothing twice, through any crash: a short storm from a seed that nobody chose."""

from random import SystemRandom

import pytest

from tests.chaos import storm

SECONDS = 20


@pytest.mark.timeout(400)
# nats-py leaves the stream of each attempt to reconnect that failed to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_nothing_is_lost_and_nothing_is_twice() -> None:
    report = await storm.run(SystemRandom().randrange(1_000_000), SECONDS)
    assert not report.differences, "\n".join([*report.done, *report.differences])
