"""Sessions that follow upon each other, as on a machine that is too slow for its lease."""

import gc
import json

from subscribers.telemetry.session import Session
from tests.wait import until_async


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
