"""Migrations that run at the same time, and tables that somebody holds."""

import asyncio
import re
import shutil
from pathlib import Path

import asyncpg
import pytest

from missionops.embedded import access
from missionops.errors import SetupError, Unavailable
from missionops.store import database as databases
from missionops.store import migrate


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations, and one more that changes a table."""
    for file in migrate.folder().glob("*.sql"):
        shutil.copy(file, tmp_path)
    number = len(migrate.available()) + 1
    (tmp_path / f"{number:04}_later.sql").write_text("ALTER TABLE app.event ADD COLUMN later text;")
    return tmp_path


async def test_of_several_at_once_each_migration_is_applied_by_one(empty_database_url, as_role):
    await access.create_roles(empty_database_url)
    dsn = as_role(empty_database_url, "mission_migrator")
    applied = await asyncio.gather(*(migrate.apply(dsn) for _ in range(4)))
    names = sorted(migration.name for some in applied for migration in some)
    assert names == [migration.name for migration in migrate.available()]
    assert await migrate.apply(dsn) == []


async def test_a_reader_s_transaction_ends_a_migration_and_not_ingest(database_url, as_role, later, monkeypatch):
    """It gives up soon, for what comes after it waits for it; and it says whom it waited for."""
    monkeypatch.setattr(migrate, "_LOCK_TIME", 2)
    dsn = as_role(database_url, "mission_migrator")
    reader = await asyncpg.connect(as_role(database_url, "mission_reader"))
    await reader.execute("BEGIN; SELECT count(*) FROM app.event")
    with pytest.raises(Unavailable, match=rf"held by mission_reader \(pid {reader.get_server_pid()}\).*migrate` again"):
        await migrate.apply(dsn, later)
    await reader.execute("COMMIT")
    assert [migration.name[5:] for migration in await migrate.apply(dsn, later)] == ["later"]
    await reader.close()


async def test_another_migration_that_hangs_is_named(database_url, as_role, later, monkeypatch):
    monkeypatch.setattr(migrate, "_OTHERS_TIME", 2)
    dsn = as_role(database_url, "mission_migrator")
    other = await asyncpg.connect(dsn)
    await other.execute("BEGIN; LOCK TABLE app.migration IN SHARE ROW EXCLUSIVE MODE")
    with pytest.raises(Unavailable, match=r"held by mission_migrator \(pid [0-9]+, since .*, BEGIN; LOCK TABLE"):
        await migrate.apply(dsn, later)
    await other.close()


async def test_a_database_from_before_the_first_release_is_refused_with_one_sentence(database_url, as_role):
    dsn = as_role(database_url, "mission_migrator")
    async with databases.connected(dsn) as connection:
        await connection.execute("ALTER TABLE app.migration DROP COLUMN position, DROP COLUMN rows")  # as it was then
        with pytest.raises(SetupError, match=r"before its first release.*: use a new database") as refusal:
            await migrate.check(connection)
    with pytest.raises(SetupError, match=re.escape(str(refusal.value))):
        await migrate.apply(dsn)
    assert "\n" not in str(refusal.value)


async def test_a_file_that_was_edited_after_it_was_applied_is_named(database_url, as_role, later):
    dsn = as_role(database_url, "mission_migrator")
    second = next(later.glob("0002_*.sql"))
    second.write_text(second.read_text() + "\n-- edited")
    with pytest.raises(SetupError, match=r"0002_telemetry\.sql was edited after it was applied"):
        await migrate.apply(dsn, later)


async def test_a_database_that_is_newer_than_the_program_is_left_alone(database_url, as_role, later):
    dsn = as_role(database_url, "mission_migrator")
    await migrate.apply(dsn, later)
    with pytest.raises(SetupError, match=r"newer than this program \(it has [0-9]+_later\)"):
        await migrate.apply(dsn)


@pytest.mark.parametrize("names", [(), ("0002_b.sql",), ("0001_a.sql", "0001_b.sql"), ("0001_a.sql", "0003_c.sql")])
def test_a_folder_with_a_gap_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(SetupError, match="each once"):
        migrate.available(tmp_path)
