"""Migrations: numbered SQL files, applied once, in order, under a lock, and never edited afterwards."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import asyncpg

from missionops.errors import SetupError, Unavailable
from missionops.store import database, locks

# Seconds. A migration that waits for a table holds up every later statement on it, so it does not wait for long.
_OTHERS_TIME = 60
_LOCK_TIME = 10
_LOOK = 0.5
_UNRELEASED = frozenset({"3eaa61aa1e3235695b69901daed98d97e136cd06536766109e76872182e7686f"})
"""Checksums of the first migration before the first release: of databases that no later migration continues."""
_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")

_LEDGER = """
CREATE TABLE IF NOT EXISTS app.migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,  -- SHA-256 of the file
    applied_at timestamptz NOT NULL DEFAULT now()
)"""

# A role that by default may write all tables may only read this one: it says what the schema is.
_GUARD = """
DO $$
DECLARE
    writer regrole;
BEGIN
    FOR writer IN SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl)
                  WHERE pg_class.oid = 'app.migration'::regclass AND grantee NOT IN (0, relowner)
                    AND privilege_type <> 'SELECT' LOOP
        EXECUTE format('REVOKE ALL ON app.migration FROM %s', writer);
        EXECUTE format('GRANT SELECT ON app.migration TO %s', writer);
    END LOOP;
END $$"""


class Migration(NamedTuple):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def folder() -> Path:
    """The migrations inside the installed package, else those of the checkout it runs from."""
    packaged = Path(str(resources.files("missionops"))) / "migrations"
    return packaged if packaged.is_dir() else packaged.parent.parent / "migrations"


def available(where: Path | None = None) -> Sequence[Migration]:
    """The migrations in a folder, by number; SetupError if they are not 1, 2, 3 and so on."""
    files = sorted((where or folder()).glob("*.sql"))
    found = [Migration(int(file.name[:4]), file.stem, file.read_text()) for file in files if _NAME.fullmatch(file.name)]
    if not found or [migration.number for migration in found] != list(range(1, len(files) + 1)):
        raise SetupError(f"{where or folder()} must hold migrations 0001_….sql, 0002_….sql and so on, each once.")
    return found


async def apply(dsn: str, where: Path | None = None) -> Sequence[Migration]:
    """Apply what is missing and return it; SetupError if an applied file was edited or is newer than this program.

    Unavailable if another session holds a lock on a table that is to be changed, or other migrations run.
    """
    wanted = available(where)
    applied: list[Migration] = []
    async with database.connected(dsn) as connection, _naming_holders(dsn), _with_rights(connection):
        await _make_ledger(connection)
        while migration := await _apply_next(connection, wanted):
            applied.append(migration)
    return applied


async def check(connection: "asyncpg.Connection[asyncpg.Record]", where: Path | None = None) -> None:
    """SetupError if the schema is not exactly what this program was written for."""
    if await connection.fetchval("SELECT to_regclass('app.migration')") is None:
        raise SetupError("The database has no missionops schema yet: run `missionops migrate`.")
    missing = await _missing(connection, available(where))
    if missing:
        raise SetupError(f"The database lacks migration {missing[0].name}: run `missionops migrate`.")


async def _make_ledger(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    with contextlib.suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateSchemaError, asyncpg.DuplicateTableError):
        async with connection.transaction():  # another process may do the same at this moment, and be faster
            if not await connection.fetchval("SELECT to_regnamespace('app') IS NOT NULL"):
                await connection.execute("CREATE SCHEMA app")  # IF NOT EXISTS would need the right to in either case
            await connection.execute(_LEDGER)


async def _apply_next(
    connection: "asyncpg.Connection[asyncpg.Record]", wanted: Sequence[Migration]
) -> Migration | None:
    """Apply the first that is missing; None where none is."""
    async with connection.transaction():
        # One at a time, by a lock that only a role that may change this table can take.
        await connection.execute(f"SET LOCAL lock_timeout = '{_OTHERS_TIME}s'")
        await connection.execute("LOCK TABLE app.migration IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(_GUARD)
        missing = await _missing(connection, wanted)
        if not missing:
            return None
        migration = missing[0]
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIME}s'")
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO app.migration (number, name, checksum) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
        return migration


@asynccontextmanager
async def _naming_holders(dsn: str) -> AsyncIterator[None]:
    """A wait in this block that ends without the lock names the session that holds it."""
    held: str | None = None

    async def watch(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        nonlocal held
        while True:
            await asyncio.sleep(_LOOK)
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
                held = await locks.sentence(connection) or held

    async with database.connected(dsn) as connection:
        task = asyncio.create_task(watch(connection))
        try:
            yield
        except asyncpg.LockNotAvailableError as error:
            reason = held or "The database waits too long for a lock."
            raise Unavailable(f"{reason} The schema stays as it is; run `missionops migrate` again.") from error
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _missing(
    connection: "asyncpg.Connection[asyncpg.Record]", wanted: Sequence[Migration]
) -> Sequence[Migration]:
    applied = await connection.fetch("SELECT number, name, checksum FROM app.migration ORDER BY number")
    if applied and applied[0]["checksum"] in _UNRELEASED:
        raise SetupError(
            "The database was made by a version of missionops from before its first release, whose schema cannot be "
            "upgraded: use a new database (for `missionops up`, another or an emptied data directory)."
        )
    if len(applied) > len(wanted):
        raise SetupError(f"The database is newer than this program (it has {applied[-1]['name']}): upgrade missionops.")
    for row, migration in zip(applied, wanted, strict=False):
        if row["checksum"] != migration.checksum:
            raise SetupError(
                f"{migration.name}.sql was edited after it was applied: restore it and add a new migration."
            )
    return wanted[len(applied) :]


@asynccontextmanager
async def _with_rights(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    """SetupError, naming the user that may, where this user may not change the schema."""
    try:
        yield
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError) as error:
        user = await connection.fetchval("SELECT current_user")
        raise SetupError(
            f"The user {user} may not change the schema ({error}): give MISSIONOPS_DATABASE_URL the user that owns it, "
            "which is mission_migrator where deploy/postgres.sql made the roles."
        ) from error
