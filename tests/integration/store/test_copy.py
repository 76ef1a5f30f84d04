"""A COPY whose connection ends in the middle returns. asyncpg's own waits for ever: nothing wakes it."""

import asyncio

import asyncpg
import pytest

from missionops.errors import Unavailable
from missionops.store import database

ROW = "x" * 10_000


async def test_a_transaction_that_takes_too_long_does_not_hang_in_its_copy(own_database):
    writer = await database.connect(own_database, transaction_timeout="200ms")
    await writer.execute("CREATE TABLE app.copied (text text)")
    with pytest.raises((Unavailable, asyncpg.PostgresError, OSError)):
        async with asyncio.timeout(30):
            await fill(writer)
    writer.terminate()


async def fill(writer) -> None:
    transaction = writer.transaction()
    await transaction.start()
    await database.copy_records(writer, "copied", ("text",), ((ROW,) for _ in range(1_000_000)))
