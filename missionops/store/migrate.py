"""Migrations: numbered SQL files, applied once, in order, under a lock, and never edited afterwards.

A file is applied in one transaction. What rewrites more rows than one transaction should comes after a line of its own,

    -- In chunks, for the rows of app.event:

as one statement that rewrites the next rows, some thousands, and returns `rows`, how many these were, and `position`,
JSON that names the last of them. It is repeated, each time in a transaction of its own and with the position before it
as `$1::jsonb`, at first null, until it finds no row. The ledger, app.migration, has the position: a migration that was
killed is continued after the last chunk that was committed, and until it is finished no service starts.
"""

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
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
_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")

_CHUNKS = re.compile(r"^-- In chunks, for the rows of (app\.[a-z_]+):\n", re.MULTILINE)

_LEDGER = """
CREATE TABLE IF NOT EXISTS app.migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,             -- SHA-256 of the file
    applied_at timestamptz,               -- null: rows are still to be rewritten,
    position   jsonb,                     -- those after this one,
    rows       bigint NOT NULL DEFAULT 0  -- and so many have been
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

    @property
    def once(self) -> str:
        """What is applied in one transaction."""
        return _CHUNKS.split(self.sql, 1)[0]

    @property
    def chunks(self) -> tuple[str, str] | None:
        """The table whose rows are rewritten, and the statement that rewrites the next of them."""
        parts = _CHUNKS.split(self.sql, 1)
        return (parts[1], parts[2]) if len(parts) > 1 else None


class Progress(NamedTuple):
    """How far a migration is that rewrites rows."""

    name: str
    rows: int
    """Rewritten so far, by earlier attempts too."""
    total: int
    """About how many there are."""
    is_finished: bool


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


def ignore(_: Progress) -> None:
    """For callers to whom progress does not matter."""


async def apply(
    dsn: str, where: Path | None = None, report: Callable[[Progress], None] = ignore
) -> Sequence[Migration]:
    """Apply what is missing and return it; SetupError if an applied file was edited or is newer than this program.

    Unavailable if another session holds a lock on a table that is to be changed, or other migrations run. `report` is
    called after each chunk of a migration that rewrites rows.
    """
    wanted = available(where)
    applied: list[Migration] = []
    async with database.connected(dsn) as connection, _naming_holders(dsn), _with_rights(connection):
        already_made = asyncpg.UniqueViolationError, asyncpg.DuplicateSchemaError, asyncpg.DuplicateTableError
        with contextlib.suppress(*already_made):  # another process may make the ledger at this moment, and be faster
            async with connection.transaction():
                if not await connection.fetchval("SELECT to_regnamespace('app') IS NOT NULL"):
                    await connection.execute("CREATE SCHEMA app")  # IF NOT EXISTS would need the right to in any case
                await connection.execute(_LEDGER)
        while migration := await _begin_next(connection, wanted):
            if migration.chunks:
                await _rewrite(connection, migration, *migration.chunks, report)
            applied.append(migration)
    return applied


async def check(connection: "asyncpg.Connection[asyncpg.Record]", where: Path | None = None) -> None:
    """SetupError if the schema is not exactly what this program was written for."""
    if await connection.fetchval("SELECT to_regclass('app.migration')") is None:
        raise SetupError("The database has no missionops schema yet: run `missionops migrate`.")
    missing = await _missing(connection, available(where))
    if missing and await connection.fetchval(_IS_BEGUN, missing[0].number):
        raise SetupError(
            f"The migration {missing[0].name} is under way or was interrupted: wait for `missionops migrate`, or run "
            "it again, and it continues."
        )
    if missing:
        raise SetupError(f"The database lacks migration {missing[0].name}: run `missionops migrate`.")


_IS_BEGUN = "SELECT EXISTS (SELECT FROM app.migration WHERE number = $1)"

_BEGIN = """
INSERT INTO app.migration (number, name, checksum, applied_at) VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END)
"""


@asynccontextmanager
async def _alone(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    """A transaction in which no other migrates, by a lock that only a role that may change the ledger can take."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_OTHERS_TIME}s'")
        await connection.execute("LOCK TABLE app.migration IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIME}s'")
        yield


async def _begin_next(
    connection: "asyncpg.Connection[asyncpg.Record]", wanted: Sequence[Migration]
) -> Migration | None:
    """Apply the first that is missing, but for its chunks, unless that is done already; None where none is missing."""
    async with _alone(connection):
        await connection.execute(_GUARD)
        missing = await _missing(connection, wanted)
        if not missing:
            return None
        number, name, _ = migration = missing[0]
        if not await connection.fetchval(_IS_BEGUN, number):
            await connection.execute(migration.once)
            await connection.execute(_BEGIN, number, name, migration.checksum, migration.chunks is None)
        return migration


_STATE = "SELECT position, applied_at IS NOT NULL FROM app.migration WHERE number = $1"

_NOTE_CHUNK = """
UPDATE app.migration SET position = $2, rows = rows + $3, applied_at = CASE WHEN $3 = 0 THEN now() END
WHERE number = $1 RETURNING rows
"""


async def _rewrite(
    connection: "asyncpg.Connection[asyncpg.Record]",
    migration: Migration,
    table: str,
    statement: str,
    report: Callable[[Progress], None],
) -> None:
    """Rewrite the rows of a table from where the ledger says; others may do the same, and take turns with us."""
    plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT json) SELECT FROM {table}"))
    total = int(plan[0]["Plan"]["Plan Rows"])  # what the planner estimates, from the size of the table
    is_applied = False
    while not is_applied:
        async with _alone(connection):
            [(position, is_applied)] = await connection.fetch(_STATE, migration.number)
            if is_applied:  # by another process
                return
            [(count, position)] = await connection.fetch(statement, position)
            is_applied = count == 0
            rows = await connection.fetchval(_NOTE_CHUNK, migration.number, position, count)
        report(Progress(migration.name, rows, total, is_applied))


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
            raise Unavailable(f"{reason} Nothing is half done; run `missionops migrate` again.") from error
        finally:
            task.cancel()
            await asyncio.wait([task])


_APPLIED = "SELECT name, checksum, applied_at IS NOT NULL, rows FROM app.migration ORDER BY number"


async def _missing(
    connection: "asyncpg.Connection[asyncpg.Record]", wanted: Sequence[Migration]
) -> Sequence[Migration]:
    """Those that are not applied, or not to the end; SetupError where the database is none that they continue."""
    try:
        applied = await connection.fetch(_APPLIED)
    except asyncpg.UndefinedColumnError:  # the ledger had no chunks before the first release
        raise SetupError(
            "The database was made by a version of missionops from before its first release, whose schema cannot be "
            "upgraded: use a new database (for `missionops up`, remove its data directory or name another one)."
        ) from None
    if len(applied) > len(wanted):
        name, _, is_finished, rows = applied[-1]
        if not is_finished:
            raise SetupError(
                f"A newer version of missionops is in the middle of a migration ({name}, {rows:,} rows so far): finish "
                "it with `missionops migrate` of that version, and use that one."
            )
        raise SetupError(f"The database is newer than this program (it has {name}): upgrade missionops.")
    for (_, checksum, *_), migration in zip(applied, wanted, strict=False):
        if checksum != migration.checksum:
            raise SetupError(
                f"{migration.name}.sql was edited after it was applied: restore it and add a new migration."
            )
    return wanted[sum(is_finished for _, _, is_finished, _ in applied) :]


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
