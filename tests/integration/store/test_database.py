"""The pool for requests: what a caller meets where a connection cannot be used."""

import asyncio
import logging

import pytest

from missionops.errors import Unavailable
from missionops.store import database


async def test_a_connection_that_two_use_at_once_is_logged_as_a_mistake_of_ours(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.opened(database_url) as pool:
        with pytest.raises(Unavailable):
            async with pool.transaction() as connection:
                await asyncio.gather(connection.fetch("SELECT pg_sleep(0.1)"), connection.fetch("SELECT 1"))
        [record] = [record for record in caplog.records if record.name == database.__name__]
        assert record.levelno == logging.ERROR
        assert record.getMessage() == "a request used its connection in a way that asyncpg refuses"
        assert record.exc_info
        async with pool.transaction() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_connection_that_the_server_ends_is_no_mistake(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.opened(database_url) as pool:
        with pytest.raises(Unavailable):
            async with pool.transaction() as connection:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert [record for record in caplog.records if record.name == database.__name__] == []
