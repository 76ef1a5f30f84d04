"""Who holds the locks that the service waits for."""

import asyncio
import contextlib

import pytest

from missionops.store import database as databases
from missionops.store import locks
from tests.wait import until_async

ARE_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.parametrize(("name", "is_named"), [("missionops", True), ("missionops roll-ups", False)])
async def test_the_holder_is_named_for_what_batches_and_requests_wait_for(database, database_url, name, is_named):
    await database.execute("BEGIN; LOCK TABLE app.roll_up_turn")
    async with databases.connected(database_url, application_name=name) as waiting:
        task = asyncio.create_task(waiting.execute("BEGIN; LOCK TABLE app.roll_up_turn"))
        async with databases.connected(database_url) as connection:
            await until_async(lambda: connection.fetchval(ARE_WAITING), "somebody who waits")
            found = await locks.sentence(connection)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    holder = f"(pid {database.get_server_pid()}, since "
    assert (found is not None) is is_named
    assert found is None or holder in found
