"""Reading many rows without holding many."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from missionops.store.database import Connection

_FIRST_ROWS = 8
_MOST_ROWS = 64  # of which each may have a megabyte, though those before it had none
_PORTION_BYTES = 256 << 10
_NUMBER_BYTES = 32


async def rows(connection: Connection, query: str, *arguments: Any) -> AsyncIterator[asyncpg.Record]:
    """The rows of a query, in a transaction, fetched in portions that stay small though single rows may be large."""
    cursor = await connection.cursor(query, *arguments)
    count = _FIRST_ROWS
    while portion := await cursor.fetch(count):
        for row in portion:
            yield row
        # About how many bytes the large values of a row take: JSON, and arrays of numbers.
        sizes = (
            sum(
                len(value) * (_NUMBER_BYTES if isinstance(value, list) else 1)
                for value in row
                if isinstance(value, bytes | list)
            )
            for row in portion
        )
        count = max(1, min(_MOST_ROWS, 2 * count, _PORTION_BYTES // max(*sizes, 1)))
