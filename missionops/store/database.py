"""PostgreSQL connections, as the other modules expect them: UTC, JSON as bytes, a COPY that ends, our own errors."""

import asyncio
import contextlib
import logging
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from missionops.errors import SetupError, Unavailable

log = logging.getLogger(__name__)

OLDEST = 17
"""transaction_timeout, which frees the locks of a stopped writer, came with this version."""

EPOCH = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000: this is when, in ours from 1970."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised for a connection that breaks at certain moments
    asyncpg.OperatorInterventionError,  # shutdown, crash of another backend, a cancelled query
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
)
"""What asyncpg raises while PostgreSQL is away, starting, recovering or too busy: it may work later."""

_OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,
)

_PORT = 5432

_SETTINGS = {
    "application_name": "missionops",
    "timezone": "UTC",
    "jit": "off",  # nothing here runs long enough to win back what compiling costs
    "lock_timeout": "10s",  # no session waits for another without an end
}

# asyncpg asks the server about a type when it first meets it, which takes long on a busy machine: the array types of
# our queries are met here, and not in a transaction whose time is limited.
_TYPES = "SELECT $1::text[], $2::timestamptz[], $3::integer[]"


async def prepare(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make a connection ready for our queries: JSON crosses the wire as the bytes that it is, in both directions."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    await connection.prepare(_TYPES)


def is_outage(error: BaseException) -> bool:
    """Whether an error is PostgreSQL's or the network's, for which one line in the log is enough, and not ours."""
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg has one class for a lost connection, for a pool that is being closed, and for mistakes of its caller.
        return any(word in str(error) for word in ("connect", "pool"))
    return isinstance(error, _OUTAGES)


def address(dsn: str) -> str:
    """The address in a URL, for messages: hosts with their ports, or sockets; no user and no password."""
    try:
        parts = urlsplit(dsn)
        query = dict(parse_qsl(parts.query))
        hosts = unquote(parts.netloc.rpartition("@")[2]) or query.get("host", "") or os.environ.get("PGHOST", "")
    except ValueError:
        return "the address of MISSIONOPS_DATABASE_URL"
    port = query.get("port") or os.environ.get("PGPORT") or str(_PORT)
    if not hosts:
        return f"the local port {port}"
    found = []
    for host in hosts.split(","):
        if host.startswith("/"):
            found.append(f"{host}/.s.PGSQL.{port}")
        else:
            found.append(host if re.search(r":[0-9]+$", host) else f"{host}:{port}")
    return ", ".join(found)


async def connect(dsn: str, **settings: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A new connection; Unavailable if PostgreSQL is away, SetupError if it refuses us or we cannot trust it."""
    try:
        connection = await asyncpg.connect(dsn, timeout=5, server_settings=_SETTINGS | settings)
    except (PermissionError, ssl.SSLCertVerificationError) as error:
        raise SetupError(f"Cannot use PostgreSQL at {address(dsn)}: {error}.") from error
    except AWAY as error:
        raise Unavailable(
            f"Cannot reach PostgreSQL at {address(dsn)}: {str(error) or type(error).__name__}."
        ) from error
    except asyncpg.PostgresError as error:
        raise SetupError(f"PostgreSQL at {address(dsn)} refuses MISSIONOPS_DATABASE_URL: {error}.") from error
    except ValueError:  # its text may repeat a part of the password
        raise SetupError(
            "MISSIONOPS_DATABASE_URL is no address like postgresql://user@host:5432/database; in a password, "
            "characters such as / @ : have to be written as %2F %40 %3A."
        ) from None
    try:
        await prepare(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


@asynccontextmanager
async def connected(dsn: str, **settings: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection for the time of a block."""
    connection = await connect(dsn, **settings)
    try:
        yield connection
    except asyncio.CancelledError:
        connection.terminate()  # a task that is cancelled cannot wait for a database that may be silent
        raise
    finally:
        try:
            with contextlib.suppress(*AWAY):  # the block is done, or has raised its own error
                await connection.close(timeout=2)
        finally:
            connection.terminate()


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


class Database:
    """A pool for requests; the ingest path has connections of its own."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", dsn: str) -> None:
        self.dsn = dsn
        self._pool = pool

    @asynccontextmanager
    async def transaction(self, *, sees_one_state: bool = False) -> AsyncIterator[Connection]:
        """A connection in a transaction; Unavailable if none is free in time or it breaks.

        With `sees_one_state` each statement sees what was committed before the first, and nothing later.
        """
        isolation: Literal["repeatable_read"] | None = "repeatable_read" if sees_one_state else None
        try:
            async with self._pool.acquire(timeout=2) as connection, connection.transaction(isolation=isolation):
                yield connection
        except (*AWAY, asyncpg.TransactionRollbackError) as error:  # the latter of two that wait for each other
            if isinstance(error, asyncpg.InterfaceError) and not is_outage(error):
                log.exception("a request used its connection in a way that asyncpg refuses")  # a mistake of ours
            raise Unavailable("The database is away or too slow; try again later.") from error

    async def is_reachable(self) -> bool:
        """Whether a query is answered within a second, and the database takes new connections, too."""
        accepts = "SELECT datallowconn FROM pg_database WHERE datname = current_database()"
        try:
            async with asyncio.timeout(1), self.transaction() as connection:
                return bool(await connection.fetchval(accepts))
        except (Unavailable, TimeoutError):
            return False


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    """The pool for the time of a block; it opens even while PostgreSQL is away."""
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=8,
        timeout=5,
        init=prepare,
        server_settings=_SETTINGS
        | {
            "statement_timeout": "4s",  # a request is answered within 5 s
            "transaction_timeout": "5s",
        },
    )
    await pool
    try:
        yield Database(pool, dsn)
    finally:
        try:
            async with asyncio.timeout(1):  # no request uses it any more: what is not closed by then is lost
                await pool.close()
        except TimeoutError:
            pool.terminate()
