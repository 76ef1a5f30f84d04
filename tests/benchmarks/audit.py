"""At the end of each measurement: is everything there, once? A fast answer that is wrong is no figure."""

from datetime import datetime

import asyncpg
import msgspec
from nats.aio.client import Client

from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import Place, Workload

_STORED = 'SELECT spacecraft_id, "timestamp" FROM app.snapshot WHERE "timestamp" >= $1 AND "timestamp" < $2'


class Wrong(Exception):
    """What was stored or published is not what was sent."""


class _Anomaly(msgspec.Struct, rename="camel"):
    spacecraft_id: str
    timestamp: datetime


async def audit(stage: Stage, dsn: str, workload: Workload, anomalies_after: int = 0) -> None:
    """Every snapshot is stored exactly once, every anomaly published exactly once, and nothing is a dead letter."""
    numbers = range(workload.snapshots)
    _compare("stored", await _stored(dsn, workload), [workload.place(number) for number in numbers])
    anomalous = [workload.place(number) for number in numbers if workload.is_anomalous(number)]
    _compare("anomalies", await _published(stage.client, anomalies_after), anomalous)
    if letters := await stage.last_sequence("DEADLETTERS"):
        raise Wrong(f"{letters} dead letters")


async def _stored(dsn: str, workload: Workload) -> list[Place]:
    connection = await asyncpg.connect(dsn)
    try:
        return [(row[0], row[1]) for row in await connection.fetch(_STORED, workload.begin, workload.end)]
    finally:
        await connection.close()


async def _published(client: Client, after: int) -> list[Place]:
    """Everything in ANOMALIES past a sequence."""
    stream = client.jetstream()
    left = int((await stream.stream_info("ANOMALIES")).state.last_seq) - after
    found: list[Place] = []
    if not left:
        return found
    subscription = await stream.subscribe("anomalies.>", ordered_consumer=True)
    while len(found) < left + after:
        message = msgspec.json.decode((await subscription.next_msg(timeout=5)).data, type=_Anomaly)
        found.append((message.spacecraft_id, message.timestamp))
    await subscription.unsubscribe()
    return found[after:]


def _compare(what: str, found: list[Place], expected: list[Place]) -> None:
    missing, extra = set(expected) - set(found), len(found) - len(set(found) & set(expected))
    if missing or extra:
        raise Wrong(f"{what}: {len(missing)} are missing and {extra} too many, of {len(expected)}")
