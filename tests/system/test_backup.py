"""The commands of docs/running.md for a backup and its restoration, as they stand there."""

import re
import subprocess
from collections.abc import Iterator

import asyncpg

from tests.system import deployed
from tests.system.installed import Place, Up
from tests.wait import until

SECTION = (deployed.CHECKOUT / "docs" / "running.md").read_text().partition("## Back up, restore, upgrade")[2]


def commands() -> Iterator[str]:
    """Those of the first two blocks: the dump, and its restoration into a new database."""
    for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)[:2]:
        yield from block.splitlines()


async def test_a_backup_is_restored_as_the_readme_says(place: Place, up: Up) -> None:
    """On the server of `up`, whose databases are found by its socket instead of by name and password."""
    assert place.run("publish", "BACKUP-1", "--param", "temp=46", "--server", up.nats).code == 0
    until(lambda: place.run("list-telemetry", "BACKUP-1", "--server", up.nats).out, "the snapshot")
    run_as_shown(place, up)
    restored = up.database.replace("/missionops?", "/restored?")
    migrator = restored.replace("//postgres@", "//mission_migrator@")
    migrated = place.run("migrate", MISSIONOPS_DATABASE_URL=migrator)
    assert (migrated.code, migrated.err) == (0, "the schema is up to date\n")
    query = "SELECT spacecraft_id, timestamp, id, parameters::text FROM app.telemetry ORDER BY 1, 2, 3"
    found = []
    for database in (up.database, restored):
        connection = await asyncpg.connect(database.replace("//postgres@", "//mission_reader@"))
        found.append([tuple(row) for row in await connection.fetch(query)])
        await connection.close()
    assert found[0] == found[1] != []
    connection = await asyncpg.connect(up.database)
    await connection.execute("DROP DATABASE restored WITH (FORCE)")
    await connection.close()


def run_as_shown(place: Place, up: Up) -> None:
    lines = list(commands())
    assert [line.split()[0] for line in lines] == ["pg_dump", "createdb", "psql", "psql", "pg_restore"]
    programs = f"{deployed.psql().parent}:/usr/bin:/bin"
    environment = place.environment | {"PATH": programs, "PGUSER": "postgres", "PGHOST": str(up.sockets)}
    for line in lines:
        here = line.replace(
            "mission_migrator:one@localhost/missionops", f"mission_migrator@/missionops?host={up.sockets}"
        )
        here = here.replace("missionops/deploy", str(deployed.FILES))
        done = subprocess.run(
            ["/bin/sh", "-c", here], cwd=place.work, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
