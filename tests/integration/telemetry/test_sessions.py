"""Sessions that follow upon each other, as on a machine that is too slow for its lease."""

import gc
import json

import asyncpg

from subscribers.telemetry.session import Session
from tests.wait import until_async

WRITER_WAITS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY %'
"""


async def test_a_session_leaves_nothing_in_memory(service, client, database):
    """Its limits, parameter sets and batches are tens of megabytes: they must not wait for a full collection."""
    gc.disable()
    try:
        for number in range(6):
            await database.execute("UPDATE app.checkpoint SET epoch = epoch + 1")  # as a successor would
            snapshot = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"n": number}}
            await client.request("telemetry.SC-001", json.dumps(snapshot).encode())
            expected = number + 1
            await until_async(lambda: service.ingest_status.stored == expected, "the next session")  # noqa: B023 - called here
        sessions = [found for found in gc.get_objects() if type(found) is Session]
    finally:
        gc.enable()
    assert 1 <= len(sessions) <= 2


async def test_after_sessions_that_finish_nothing_batches_grow_again(service, client, database, database_url):
    """Each of them has the next one take less at once: that must not outlast what ended them."""
    status = service.ingest_status

    async def publish(message: int) -> None:
        body = [{"timestamp": f"2025-01-01T00:{message:02}:{one:02}Z", "parameters": {"n": one}} for one in range(50)]
        await client.request("telemetry.SC-001", json.dumps(body).encode())

    await publish(0)
    await until_async(lambda: status.stored == 50, "the first batch, which makes the partition")
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN; LOCK TABLE app.snapshot IN EXCLUSIVE MODE")
    for message in range(1, 60):
        await publish(message)
    for ended in range(1, 7):  # a quarter, six times: 24 of 100,000
        await until_async(lambda: database.fetchval(WRITER_WAITS), "a batch that waits")
        await database.execute("SELECT pg_terminate_backend($1)", await database.fetchval(WRITER_WAITS))
        await until_async(lambda: status.interruptions >= ended, "the next session")  # noqa: B023 - called here
    before = status.batches
    await holder.close()
    await until_async(lambda: status.stored == 3_000, "the telemetry")
    assert status.batches - before < 30
