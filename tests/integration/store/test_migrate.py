"""Migrations that run at the same time, and tables that somebody holds."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from missionops.embedded import access
from missionops.errors import Unavailable
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
