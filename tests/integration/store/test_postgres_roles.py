"""The roles of PostgreSQL: what each may do, and what it may not, whatever later migrations bring."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from missionops import app
from missionops.embedded import access
from missionops.settings import Settings
from missionops.store import migrate

ROLES = ("mission_migrator", "mission_app", "mission_reader")

SNAPSHOT = """
INSERT INTO app.snapshot (spacecraft_id, "timestamp", id, received_at, config_version)
VALUES ('SC-1', '2025-01-01Z', 'a', now(), 0)
"""


Connected = Callable[[str, str], AbstractAsyncContextManager["asyncpg.Connection[asyncpg.Record]"]]


@pytest.fixture
def connected(as_role: Callable[[str, str], str]) -> Connected:
    @asynccontextmanager
    async def connected(dsn: str, role: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(as_role(dsn, role))
        try:
            yield connection
        finally:
            await connection.close()

    return connected


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE app.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION app.mine() RETURNS void LANGUAGE sql AS ''",
        "CREATE EXTENSION pg_stat_statements SCHEMA app",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "CREATE INDEX ON app.event (type)",
        "ALTER TABLE app.event ADD COLUMN mine text",
        "ALTER TABLE app.config DISABLE TRIGGER config_is_history",
        "ALTER TABLE app.event OWNER TO mission_app",
        "ALTER FUNCTION app.refuse_change() OWNER TO mission_app",
        "CREATE OR REPLACE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP TABLE app.event",
        "DROP SCHEMA app CASCADE",
        "TRUNCATE app.snapshot",
        "TRUNCATE app.event",
        "INSERT INTO app.migration (number, name, checksum) VALUES (99, '0099_mine', '')",
        "UPDATE app.migration SET checksum = ''",
        "DELETE FROM app.migration",
        "SET ROLE mission_migrator",
        "SET SESSION AUTHORIZATION postgres",
        "COPY app.event TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock(1, 2)",
        "SELECT pg_try_advisory_lock_shared(1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'mine')",
        "CREATE TRIGGER mine BEFORE INSERT ON app.event FOR EACH ROW EXECUTE FUNCTION app.refuse_change()",
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ["mission_app", "mission_reader"])
async def test_neither_the_service_nor_a_reader_may(
    module_database_url: str, role: str, statement: str, connected: Connected
):
    """In one database for all of them, as none may change anything."""
    await access.create_roles(module_database_url)  # a clone lacks its template's rights to the database itself
    async with connected(module_database_url, role) as connection:
        await connection.execute("SET default_transaction_read_only = off")  # a reader's own, which it may change
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidGrantOperationError)):
            await connection.execute(statement)


async def test_the_service_may_read_and_write_every_table_and_nothing_else(
    database_url: str, database, connected: Connected
):
    await _make_a_month(connected, database_url)
    tables = [row["name"] for row in await database.fetch(_TABLES)]
    assert len(tables) > 8
    assert "app.snapshot_2025_01" in tables
    for table in tables:
        granted = {row["right"] for row in await database.fetch(_RIGHTS, table, "mission_app")}
        assert granted == ({"SELECT"} if table == "app.migration" else {"SELECT", "INSERT", "UPDATE", "DELETE"}), table
    assert not await database.fetch(_OTHER_OWNERS)


async def test_a_reader_may_read_every_table_but_tokens_and_write_none(
    database_url: str, database, connected: Connected
):
    await _make_a_month(connected, database_url)
    for row in await database.fetch(_TABLES):
        granted = {right["right"] for right in await database.fetch(_RIGHTS, row["name"], "mission_reader")}
        assert granted == (set() if row["name"] == "app.token" else {"SELECT"}), row["name"]
    async with connected(database_url, "mission_reader") as reader:
        assert await reader.fetchval("SELECT count(*) FROM app.snapshot") == 1
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute(SNAPSHOT)
        await reader.execute("SET default_transaction_read_only = off")
        writes = (SNAPSHOT, "UPDATE app.event SET message = ''", "DELETE FROM app.snapshot")
        for statement in (*writes, "SELECT digest FROM app.token"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("SELECT app.ensure_partitions('app.snapshot', '{2030-01-01}', 1)")


async def test_a_reader_may_lock_a_table_against_its_removal_and_nothing_else(database_url: str, connected: Connected):
    """Which holds up nobody who reads, writes or makes a partition."""
    await _make_a_month(connected, database_url)
    modes = ("ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE")
    async with connected(database_url, "mission_reader") as reader:
        for table in ("telemetry", "checkpoint", "anomaly", "migration"):
            for mode in (*modes, "ACCESS EXCLUSIVE"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await reader.execute(f"BEGIN; LOCK TABLE app.{table} IN {mode} MODE")
                await reader.execute("ROLLBACK")
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
                await reader.execute(f"SELECT FROM app.{table} FOR KEY SHARE")
        await reader.execute("BEGIN; LOCK TABLE app.snapshot, app.checkpoint, app.anomaly IN ACCESS SHARE MODE")
        async with connected(database_url, "mission_app") as service:
            await service.execute("SET lock_timeout = '1s'")
            await service.execute("SELECT app.ensure_partitions('app.snapshot', '{2025-02-01,1900-01-01}', 2)")
            await service.execute("UPDATE app.checkpoint SET sequence = 1; DELETE FROM app.snapshot")


async def test_what_a_reader_may_use_up_is_bounded(database_url: str, database, connected: Connected):
    async with connected(database_url, "mission_reader") as reader:
        assert await reader.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"
        assert await reader.fetchval("SHOW statement_timeout") == "30s"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("SET temp_file_limit = -1")
    limits = dict(await database.fetch("SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname LIKE 'mission\\_%'"))
    assert limits == {"mission_migrator": -1, "mission_app": -1, "mission_reader": 20}


_TABLES = """
SELECT oid::regclass::text AS name FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
"""
_RIGHTS = """
SELECT privilege_type AS right FROM pg_class, aclexplode(relacl)
WHERE pg_class.oid = $1::text::regclass AND pg_get_userbyid(grantee) = $2
"""
_OTHER_OWNERS = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND pg_get_userbyid(relowner) <> 'mission_migrator'
"""


async def _make_a_month(connected: Connected, database_url: str) -> None:
    """As the service does: it may not create a table, and has this one made."""
    async with connected(database_url, "mission_app") as connection:
        await connection.execute("SELECT app.ensure_partitions('app.snapshot', '{2025-01-01}', 1)")
        await connection.execute(SNAPSHOT)


async def test_a_later_migration_keeps_it_so(empty_database_url: str, tmp_path: Path, connected: Connected, as_role):
    await access.create_roles(empty_database_url)
    dsn = as_role(empty_database_url, "mission_migrator")
    await migrate.apply(dsn)
    for file in migrate.folder().glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text())
    number = len(migrate.available()) + 1
    (tmp_path / f"{number:04}_later.sql").write_text(
        "CREATE TABLE app.later (id bigint GENERATED ALWAYS AS IDENTITY, name text);"
        "CREATE FUNCTION app.later() RETURNS integer LANGUAGE sql RETURN 1;"
        "REVOKE ALL ON FUNCTION app.later() FROM PUBLIC;"
    )
    await migrate.apply(dsn, tmp_path)
    async with connected(empty_database_url, "mission_app") as service:
        await service.execute("INSERT INTO app.later (name) VALUES ('a'); UPDATE app.later SET name = 'b'")
        assert await service.fetchval("SELECT app.later()") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("TRUNCATE app.later")
    async with connected(empty_database_url, "mission_reader") as reader:
        assert await reader.fetchval("SELECT name FROM app.later") == "b"


async def test_a_schema_that_was_there_before_comes_under_the_same_rights(
    empty_database_url: str, database, connected: Connected, as_role
):
    await migrate.apply(empty_database_url)
    superuser = await asyncpg.connect(empty_database_url)
    await superuser.execute("SELECT app.ensure_partitions('app.snapshot', '{2025-01-01}', 1)")
    for _ in range(2):
        await access.create_roles(empty_database_url)
    assert not await superuser.fetch(_OTHER_OWNERS)
    await migrate.apply(as_role(empty_database_url, "mission_migrator"))
    async with connected(empty_database_url, "mission_app") as service:
        await service.execute(SNAPSHOT)
        await service.execute("SELECT app.ensure_partitions('app.snapshot', '{2031-01-01}', 1)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("UPDATE app.migration SET checksum = ''")
    await superuser.close()


async def test_nobody_else_comes_in(empty_database_url: str, as_role):
    await access.create_roles(empty_database_url)
    superuser = await asyncpg.connect(empty_database_url)
    await superuser.execute("DROP ROLE IF EXISTS somebody; CREATE ROLE somebody LOGIN PASSWORD 'secret'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(as_role(empty_database_url, "somebody"))
    await superuser.execute("DROP ROLE somebody")
    await superuser.close()


async def test_passwords_are_kept_as_hashes_and_stay(database_url: str, database):
    kept = await database.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'mission\\_%'")
    assert {row["rolname"] for row in kept} == set(ROLES)
    assert all(row["rolpassword"].startswith("SCRAM-SHA-256$") for row in kept)
    await access.create_roles(database_url, {"app": ""})
    assert await database.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'mission\\_%'") == kept


async def test_the_service_runs_as_mission_app_and_no_other(settings: Settings, database):
    assert "//mission_app:" in settings.database_url
    async with app.running(settings) as service:
        await service.until_ready()
        users = await database.fetch(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        assert [row["usename"] for row in users] == ["mission_app"]


@pytest.mark.parametrize(
    ("command", "role", "needed"),
    [
        ("migrate", "mission_app", "mission_migrator"),
        ("migrate", "mission_reader", "mission_migrator"),
        ("serve", "mission_reader", "mission_app"),
    ],
)
async def test_a_command_as_the_wrong_role_ends_with_one_sentence(
    command: str, role: str, needed: str, database_url: str, as_role: Callable[[str, str], str]
):
    if command == "migrate":  # there has to be something to do
        async with asyncpg.create_pool(database_url, min_size=1) as pool:
            await pool.execute("DELETE FROM app.migration WHERE number = (SELECT max(number) FROM app.migration)")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "missionops", command,
        env={**os.environ, "MISSIONOPS_DATABASE_URL": as_role(database_url, role)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out) == (1, b"")
    (sentence,) = err.decode().splitlines()
    assert sentence.startswith(f"Error: The user {role} ")
    assert needed in sentence
