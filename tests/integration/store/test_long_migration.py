"""A migration of a later version that rewrites every snapshot, on a data directory as this version leaves it."""

import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from missionops.embedded import servers
from missionops.embedded.directory import DataDirectory
from missionops.embedded.servers import Servers
from missionops.store import database as databases
from missionops.store import migrate
from tests import stored_telemetry
from tests.system.installed import Done, Place, Running
from tests.wait import until_async

COUNT = 10_000
CHUNK = 500
"""As in LATER."""
START = datetime(2024, 11, 1, tzinfo=UTC)
EVERY = timedelta(minutes=20)  # over several partitions

LATER = """
ALTER TABLE app.snapshot ADD COLUMN rewritten integer NOT NULL DEFAULT 0;

-- In chunks, for the rows of app.snapshot:
WITH chunk AS MATERIALIZED (
    SELECT spacecraft_id, "timestamp", id FROM app.snapshot
    WHERE (spacecraft_id, "timestamp", id) > (coalesce($1::jsonb->>'spacecraft_id', ''),
        coalesce(($1::jsonb->>'timestamp')::timestamptz, '-infinity'), coalesce($1::jsonb->>'id', ''))
    ORDER BY spacecraft_id, "timestamp", id LIMIT 500
),
rewritten AS (
    UPDATE app.snapshot AS stored SET rewritten = stored.rewritten + 1 FROM chunk
    WHERE (stored.spacecraft_id, stored."timestamp", stored.id) = (chunk.spacecraft_id, chunk."timestamp", chunk.id)
)
SELECT count(*) AS rows,
       (SELECT to_jsonb(chunk) FROM chunk ORDER BY spacecraft_id DESC, "timestamp" DESC, id DESC LIMIT 1) AS position
FROM chunk
"""

NAME = f"{len(migrate.available()) + 1:04}_later"

PROGRAM = """#!{python}
from pathlib import Path
from missionops.cli import main
from missionops.store import migrate
migrate.folder = lambda: Path({folder!r})
main()
"""


@pytest.fixture
def later(place: Place) -> Path:
    """The command of a later version, which has one more migration."""
    folder = place.root / "migrations"
    shutil.copytree(migrate.folder(), folder)
    (folder / f"{NAME}.sql").write_text(LATER)
    program = place.root / "missionops-later"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    return program


@asynccontextmanager
async def made(place: Place) -> AsyncIterator[Servers]:
    """The servers of a data directory that has this version's schema, and telemetry."""
    async with DataDirectory.open(place.work / "data") as directory, servers.running(directory) as found:
        await migrate.apply(found.migrator_database_url)
        async with databases.connected(found.database_url) as connection:
            for spacecraft_id in ("SC-1", "SC-2"):
                await stored_telemetry.generate(connection, spacecraft_id, ["a", "b"], START, count=COUNT, every=EVERY)
        yield found


@pytest.fixture
async def running(place: Place) -> AsyncIterator[Servers]:
    async with made(place) as found:
        yield found


async def state(connection: Any) -> tuple[Any, ...]:
    """What the ledger has of the later migration: how many rows are rewritten, and whether it is finished."""
    query = "SELECT rows, applied_at IS NOT NULL FROM app.migration WHERE name = $1"
    return tuple(await connection.fetchrow(query, NAME) or ())


async def stored(connection: Any) -> list[tuple[Any, ...]]:
    """Every snapshot, but for what the migration changes."""
    query = 'SELECT spacecraft_id, "timestamp", id, parameters::text FROM app.telemetry ORDER BY 1, 2, 3'
    return [tuple(row) for row in await connection.fetch(query)]


@pytest.fixture
async def watcher(running: Servers) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(running.database_url)
    yield connection
    await connection.close()


ROW = "SELECT id FROM app.snapshot WHERE spacecraft_id = $1 AND id = $2 FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ $1"


async def kill_in_a_chunk(place: Place, running: Servers, watcher: Any, done: int) -> None:
    """Start the migration, which stops where we hold a row, and kill it there; `done` rows are rewritten before."""
    holder = await asyncpg.connect(running.database_url)
    await holder.execute("BEGIN")
    assert await holder.fetchval(ROW, f"SC-{1 + done // COUNT}", f"{done % COUNT + CHUNK // 2:08}")
    migrating = place.start("migrate", MISSIONOPS_DATABASE_URL=running.migrator_database_url)

    async def is_stuck() -> bool:
        return await state(watcher) == (done, False) and await watcher.fetchval(WAITING, "^WITH chunk") > 0

    await until_async(is_stuck, f"a chunk that waits after {done} rows")
    kill(migrating)
    await holder.close()  # the killed one's statement goes on, and ends without a commit


def kill(migrating: Running) -> None:
    migrating.signal(signal.SIGKILL)
    assert migrating.end().code == -signal.SIGKILL


async def kill_before_the_first_chunk(place: Place, running: Servers, watcher: Any) -> None:
    """Where it waits for a reader, to change the table: nothing of it is left."""
    reader = await asyncpg.connect(running.database_url)
    await reader.execute("BEGIN; LOCK TABLE app.snapshot IN ACCESS SHARE MODE")
    migrating = place.start("migrate", MISSIONOPS_DATABASE_URL=running.migrator_database_url)

    async def is_stuck() -> bool:
        return bool(await watcher.fetchval(WAITING, "ALTER TABLE") > 0)

    await until_async(is_stuck, "a change of the table that waits")
    kill(migrating)
    await reader.close()
    assert await state(watcher) == ()


async def kill_anywhere(place: Place, running: Servers, watcher: Any) -> int:
    """Once it is in its chunks; returns how many rows are rewritten. We hold the last row, so that it cannot end."""
    migrating = place.start("migrate", MISSIONOPS_DATABASE_URL=running.migrator_database_url)

    async def has_begun() -> bool:
        return bool(await state(watcher))

    await until_async(has_begun, "the beginning of the chunks")
    async with watcher.transaction():
        assert await watcher.fetchval(ROW, "SC-2", f"{COUNT - 1:08}")
        kill(migrating)
    done, is_finished = await state(watcher)
    assert not is_finished
    return int(done)


async def test_a_migration_that_is_killed_is_continued_and_each_row_is_rewritten_once(place, later, running, watcher):
    before = await stored(watcher)
    this, place.command = place.command, later
    await kill_before_the_first_chunk(place, running, watcher)
    first = await kill_anywhere(place, running, watcher)
    for done in sorted({first, COUNT + CHUNK, 2 * COUNT - CHUNK}):
        await kill_in_a_chunk(place, running, watcher, done)
    sentences = refusals(place, running)
    assert f"The migration {NAME} is under way or was interrupted" in sentences["serve"]

    place.command = this
    sentences = refusals(place, running) | {"migrate": migrated(place, running).sentence}
    for sentence in sentences.values():
        assert f"in the middle of a migration ({NAME}, 19,500 rows so far): finish it with" in sentence

    place.command = later
    ended = migrated(place, running)
    assert (ended.code, ended.err.splitlines()[-3:]) == (
        0, [f"{NAME}: 100 %, {2 * COUNT:,} rows", f"applied {NAME}", "the schema is up to date"]
    )  # fmt: skip
    assert await state(watcher) == (2 * COUNT, True)
    assert await stored(watcher) == before
    assert [row[0] for row in await watcher.fetch("SELECT DISTINCT rewritten FROM app.snapshot")] == [1]
    assert migrated(place, running).err == "the schema is up to date\n"


def migrated(place: Place, running: Servers) -> Done:
    return place.run("migrate", MISSIONOPS_DATABASE_URL=running.migrator_database_url)


def refusals(place: Place, running: Servers) -> dict[str, str]:
    """What `serve` says instead of starting."""
    url = running.service_database_url
    return {"serve": place.run("serve", MISSIONOPS_DATABASE_URL=url, MISSIONOPS_NATS_URL=running.nats_url).sentence}


async def test_two_that_migrate_at_once_take_turns(place, later, running, watcher):
    place.command = later
    both = [place.start("migrate", MISSIONOPS_DATABASE_URL=running.migrator_database_url) for _ in range(2)]
    assert [one.end().code for one in both] == [0, 0]
    assert await state(watcher) == (2 * COUNT, True)
    assert [row[0] for row in await watcher.fetch("SELECT DISTINCT rewritten FROM app.snapshot")] == [1]


async def test_up_continues_it_before_the_service_starts(place, later):
    this, place.command = place.command, later
    async with made(place) as running:
        watcher = await asyncpg.connect(running.database_url)
        rewritten = await kill_anywhere(place, running, watcher)
        await watcher.close()
    place.command = this
    sentence = place.run("up", "--data-dir", "data", "--nats-port", "0", "--http-port", "0").sentence
    assert f"in the middle of a migration ({NAME}, {rewritten:,} rows so far): finish it with" in sentence

    place.command = later
    up = place.up("--data-dir", "data")
    assert f"{NAME}: 100 %, {2 * COUNT:,} rows\nmissionops is up." in up.err
    watcher = await asyncpg.connect(up.database)
    assert [row[0] for row in await watcher.fetch("SELECT DISTINCT rewritten FROM app.snapshot")] == [1]
    assert len(await stored(watcher)) == 2 * COUNT
    await watcher.close()
    assert up.stop().code == 0


async def test_up_says_what_to_do_about_a_directory_of_before_the_first_release(place):
    async with made(place) as running:
        superuser = await asyncpg.connect(running.database_url)
        await superuser.execute("ALTER TABLE app.migration DROP COLUMN position, DROP COLUMN rows")
        await superuser.close()
    sentence = place.run("up", "--data-dir", "data", "--nats-port", "0", "--http-port", "0").sentence
    assert "from before its first release" in sentence
    assert "for `missionops up`, remove its data directory or name another one" in sentence
