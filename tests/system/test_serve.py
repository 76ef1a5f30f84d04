"""`serve` and `migrate` against servers that somebody else runs."""

import json
import re
import signal
from collections.abc import AsyncIterator

import asyncpg
import nats
import pytest

from tests.system import installed
from tests.system.installed import Place, Running, Up
from tests.wait import until

LEASE = "4"  # longer than a pull request waits: until then the server may answer that of an owner who was stopped


@pytest.fixture
async def empty_database(up: Up) -> AsyncIterator[str]:
    """A database without a schema, on the server that `up` started."""
    connection = await asyncpg.connect(up.database)
    await connection.execute("CREATE DATABASE empty")
    yield up.database.replace("/missionops?", "/empty?")
    await connection.execute("DROP DATABASE empty WITH (FORCE)")
    await connection.close()


def test_migrate_brings_a_database_up_to_date_and_serve_asks_for_it(place: Place, up: Up, empty_database: str) -> None:
    servers = {"MISSIONOPS_NATS_URL": up.nats, "MISSIONOPS_DATABASE_URL": empty_database, "MISSIONOPS_HTTP_PORT": "0"}
    assert "run `missionops migrate`" in place.run("serve", **servers).sentence
    first = place.run("migrate", **servers)
    assert (first.code, "applied 0001_" in first.err) == (0, True), first
    again = place.run("migrate", **servers)
    assert (again.code, again.err) == (0, "the schema is up to date\n")


async def test_an_edited_migration_and_a_newer_database_are_refused(place: Place, empty_database: str) -> None:
    assert place.run("migrate", MISSIONOPS_DATABASE_URL=empty_database).code == 0
    connection = await asyncpg.connect(empty_database)
    await connection.execute("UPDATE app.migration SET checksum = 'other' WHERE number = 1")
    assert "was edited after it was applied" in place.run("migrate", MISSIONOPS_DATABASE_URL=empty_database).sentence
    await connection.execute(
        "INSERT INTO app.migration (number, name, checksum, applied_at) VALUES (9999, '9999_later', '', now())"
    )
    assert "newer than this program" in place.run("migrate", MISSIONOPS_DATABASE_URL=empty_database).sentence
    await connection.close()


async def test_a_second_one_stands_by_and_takes_over(place: Place) -> None:
    up = place.up("--ephemeral", MISSIONOPS_LEASE=LEASE)
    first, second = serve(place, up), serve(place, up)
    assert [role(up.http), role(url(first)), role(url(second))] == ["owner", "standby", "standby"]

    # The service of `up` is owner as long as it can say so; its servers are processes of their own.
    up.signal(signal.SIGSTOP)
    owner, other = await until_taken_over(first, second)
    owner.signal(signal.SIGKILL)
    until(lambda: role(url(other)) == "owner", "the second takeover")

    client = await nats.connect(up.nats)
    await client.jetstream().publish("telemetry.TAKEN", b'{"timestamp":"2025-01-01T00:00:00Z","parameters":{"t":1}}')
    until(lambda: installed.get(f"{url(other)}/health/ready")[1]["ingest"]["stored"] == 1, "the snapshot")

    up.signal(signal.SIGCONT)
    until(lambda: role(up.http) == "standby", "the first owner to notice")
    assert role(url(other)) == "owner"
    # Whoever stands by answers, too; not asked before, since NATS cannot tell one who is stopped from one who is slow.
    for version in range(1, 11):
        reply = await client.request("missionops.config.set.TAKEN", b'{"n":%d}' % version, timeout=5)
        assert json.loads(reply.data)["version"] == version
    await client.close()
    assert other.stop().code == 0
    until(lambda: role(up.http) == "owner", "the first owner to take over again")


async def until_taken_over(first: Running, second: Running) -> tuple[Running, Running]:
    """Who is owner now, and who is not."""
    until(lambda: "owner" in {role(url(first)), role(url(second))}, "the takeover")
    return (first, second) if role(url(first)) == "owner" else (second, first)


def serve(place: Place, up: Up) -> Running:
    servers = {"MISSIONOPS_NATS_URL": up.nats, "MISSIONOPS_DATABASE_URL": up.database}
    running = place.start("serve", **servers, MISSIONOPS_HTTP_PORT="0", MISSIONOPS_LEASE=LEASE)
    running.said("missionops serves")
    return running


def url(running: Running) -> str:
    found = re.search(r"HTTP on (http://[0-9.]+:[0-9]+)", running.err)
    assert found, running.err
    return found[1]


def role(http: str) -> str:
    return str(installed.get(f"{http}/health/ready")[1]["ingest"]["role"])
