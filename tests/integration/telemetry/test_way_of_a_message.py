"""The way of a telemetry message through our files, which the README describes: it stays short enough to be walked."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from nats.aio.client import Client

from missionops.broker import options, streams
from missionops.broker.client import GuardedClient
from missionops.domain import limits
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.status import IngestStatus
from missionops.settings import Settings
from missionops.store import checkpoint, configs, database
from missionops.store.configs import NewConfig
from subscribers.telemetry.consumer import Consumer
from subscribers.telemetry.dead_letter_log import DeadLetterLog
from subscribers.telemetry.pipeline import BatchBudget
from subscribers.telemetry.session import Session
from subscribers.telemetry.task_group import TaskGroup
from tests.wait import until_async

ROOT = Path(__file__).parents[3]
OURS = tuple(f"{ROOT / package}/" for package in ("missionops", "subscribers", "publishers"))

MOST_FILES = 21

# Parts of nats-py that are replaced carry every message of the service.
CLIENT = ("missionops/broker/client.py", "missionops/broker/parser.py")
# Roll-ups and alarms have ways of their own, which a batch begins with one call each.
WAYS_OF_THEIR_OWN = ("roll_up", "alarm")

IS_OURS = ContextVar("IS_OURS", default=False)
"""In the tasks of this test: those of a service that tests share go on meanwhile."""

LIMITS = b'{"parameters":{"temp":{"warnHigh":45}}}'


@contextmanager
def entered() -> Iterator[dict[str, list[str]]]:
    """Our files, each with the functions that are called in it until a message is acknowledged, in order."""
    found: dict[str, list[str]] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if not IS_OURS.get():
            return
        if event == "call" and code.co_filename.startswith(OURS) and not is_beside(frame):
            functions = found.setdefault(str(Path(code.co_filename).relative_to(ROOT)), [])
            if code.co_qualname not in functions:
                functions.append(code.co_qualname)
        elif event == "return" and code is Consumer.acknowledge.__code__:
            sys.setprofile(None)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


def is_beside(frame: FrameType | None) -> bool:
    """Whether a call is none on the way of a message.

    It comes from a way of its own, from an import, or from the consumer's note of what the server says of a pull
    request, which may come at any time.
    """
    while frame:
        code = frame.f_code
        if code.co_filename.startswith(OURS):
            file = code.co_filename.removeprefix(str(ROOT))
            is_of_another_way = any(word in file for word in WAYS_OF_THEIR_OWN)
            if is_of_another_way or code.co_name == "<module>" or code is Consumer._receive_status.__code__:
                return True
        frame = frame.f_back
    return False


async def test_a_message_crosses_few_of_our_files(settings: Settings, client) -> None:
    """From the consumer to the acknowledgement, with an anomaly; what a session does beside its pipeline is not run."""
    IS_OURS.set(True)
    status = IngestStatus()
    own = GuardedClient()
    await own.connect(**options.options(settings))
    await streams.provision(own, settings)
    async with database.connected(settings.database_url) as connection:
        async with connection.transaction():
            await configs.put(
                connection, NewConfig("SC-001", LIMITS, "test", "test", None), limits.compile_rules(json.loads(LIMITS))
            )
        claimed = await checkpoint.claim(connection, 0, "test", 60)
        assert claimed
        session = Session(
            own, connection, *claimed, budget=BatchBudget(settings.batch_parameters, 60),
            settings=settings, status=status, dead_letter_log=DeadLetterLog(), limits=LimitsCache(),
        )  # fmt: skip
        async with session._pipeline.connected(settings.database_url), TaskGroup() as tasks:
            await session._resume()
            tasks.start(session._pipeline.run(tasks))
            # All that is remembered of a spacecraft is known then: limits, names, the last sequence of its anomalies.
            for numbers in ([*range(1, 101)], [101], [102], [103]):
                await publish(client, status, numbers)
            with entered() as found:
                await publish(client, status, [104])
            session.stop()
        await session._consumer.close()
        assert await connection.fetchval("SELECT count(*) FROM app.anomaly") == 104
    await own.close()
    way = {file: names for file, names in found.items() if file not in CLIENT}
    assert len(way) <= MOST_FILES, "\n".join(f"{file}: {', '.join(names)}" for file, names in way.items())
    told = (ROOT / "README.md").read_text().partition("## The way of the data")[2].partition("\n## ")[0]
    assert [file for file in way if f"]({file})" not in told] == []


async def publish(client: Client, status: IngestStatus, numbers: Sequence[int]) -> None:
    """Publish messages, and wait until they are handled."""
    for number in numbers:
        time = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        snapshot = {"timestamp": f"{time:%FT%TZ}", "parameters": {"temp": 46 + number, "mode": "CRUISE"}}
        await client.jetstream().publish("telemetry.SC-001", json.dumps(snapshot).encode())
    await until_async(lambda: status.sequence == numbers[-1], "the messages")
