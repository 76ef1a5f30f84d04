"""COPY into a table, raced against the end of the connection."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from missionops.errors import Unavailable
from missionops.store.database import Connection


async def copy_chunks(connection: Connection, table: str, columns: Sequence[str], chunks: AsyncIterator[bytes]) -> None:
    """Copy what is already in PostgreSQL's binary format; Unavailable if the server ends the connection meanwhile."""
    copy = connection.copy_to_table(table, schema_name="app", columns=columns, format="binary", source=chunks)
    await _unless_ended(connection, copy)


async def copy_records(
    connection: Connection, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]
) -> None:
    """Copy records; Unavailable if the server ends the connection meanwhile."""
    copy = connection.copy_records_to_table(table, schema_name="app", columns=columns, records=records)
    await _unless_ended(connection, copy)


async def _unless_ended(connection: Connection, copy: Any) -> None:
    """Wait for a COPY, but not for longer than its connection lives.

    asyncpg 0.32 waits inside a COPY until the socket takes more. If the server ends the connection at that moment
    (`transaction_timeout`, pg_terminate_backend, a crash), nothing wakes it and it never returns:
    tests/integration/store/test_copy.py shows it.
    """
    ended = asyncio.get_running_loop().create_future()

    def end(_: object) -> None:
        if not ended.done():
            ended.set_result(None)

    connection.add_termination_listener(end)
    copying = asyncio.ensure_future(copy)
    try:
        await asyncio.wait((copying, ended), return_when=asyncio.FIRST_COMPLETED)
        if not copying.done():
            raise Unavailable("PostgreSQL has ended the connection in the middle of a COPY.")
        copying.result()
    finally:
        connection.remove_termination_listener(end)
        copying.cancel()
        copying.add_done_callback(lambda task: task.cancelled() or task.exception())  # else asyncio logs it
