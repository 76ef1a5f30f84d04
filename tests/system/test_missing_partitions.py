"""What is gone from the database, and what comes for times far from now: ingest goes on, for everybody."""

import asyncio
import json
import re
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import nats
import pytest
from nats.aio.client import Client

from tests.system import deployed, installed
from tests.system.installed import Place, Up
from tests.wait import until_async

LIMITS = b'{"parameters":{"t":{"critHigh":1}}}'
RUNNING = deployed.CHECKOUT / "docs" / "running.md"


class Mission(NamedTuple):
    """Clients of an `up`."""

    up: Up
    client: Client
    database: "asyncpg.Connection[asyncpg.Record]"

    async def publish(self, spacecraft_id: str, *snapshots: tuple[str, str], t: float = 2) -> None:
        """Publish snapshots of a time and an id, each an anomaly, in a message of their own."""
        for timestamp, name in snapshots:
            body = {"timestamp": timestamp, "id": name, "parameters": {"t": t}}
            await self.client.jetstream().publish(f"telemetry.{spacecraft_id}", json.dumps(body).encode())

    async def ask(self, subject: str, **request: Any) -> Any:
        reply = await self.client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=10)
        assert not (reply.headers or {}).get("Nats-Service-Error-Code"), reply.data
        return json.loads(reply.data)

    async def until_stored(self, *names: str) -> None:
        query = "SELECT count(*) = $2 FROM app.snapshot WHERE id = ANY ($1)"
        await until_async(lambda: self.database.fetchval(query, names, len(names)), f"{names} in the table")

    async def epoch(self) -> int:
        return int(await self.database.fetchval("SELECT epoch FROM app.checkpoint"))

    async def told(self) -> list[str]:
        """The ids of the anomalies in the stream."""
        jetstream = self.client.jetstream()
        last = (await jetstream.stream_info("ANOMALIES")).state.last_seq
        letters = [(await jetstream.get_msg("ANOMALIES", number)).data or b"" for number in range(1, last + 1)]
        return [json.loads(letter)["snapshotId"] for letter in letters]

    async def dead_letters(self) -> int:
        return int((await self.client.jetstream().stream_info("DEADLETTERS")).state.messages)

    async def partitions(self) -> set[str]:
        query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'app.snapshot'::regclass"
        return {row[0].removeprefix("app.") for row in await self.database.fetch(query)}

    async def trouble(self) -> str:
        """What readiness says; empty when all is well."""
        found = (await asyncio.to_thread(installed.get, f"{self.up.http}/health/ready"))[1]
        return "" if found["status"] == "ready" else str(found["ingest"]["trouble"])

    async def until_ready(self) -> None:
        async def is_ready() -> bool:
            return await self.trouble() == ""

        await until_async(is_ready, "readiness")


@asynccontextmanager
async def mission_on(up: Up) -> AsyncIterator[Mission]:
    client, database = await nats.connect(up.nats), await asyncpg.connect(up.database)
    try:
        yield Mission(up, client, database)
    finally:
        await client.close()
        await database.close()


@pytest.fixture
async def mission(place: Place) -> AsyncIterator[Mission]:
    """An `up` of the test's own, with limits for SC-1 and SC-2."""
    async with mission_on(place.up("--ephemeral")) as found:
        for name in ("SC-1", "SC-2"):
            await found.client.request(f"missionops.config.set.{name}", LIMITS, timeout=5)
        yield found


async def test_a_snapshot_in_each_month_of_three_centuries_costs_the_others_seconds_and_no_more(mission: Mission):
    await mission.publish("SC-2", ("2025-01-01T00:00:00Z", "before"))
    await mission.until_stored("before")
    anomalies = await mission.client.subscribe("anomalies.SC-2")
    times = [f"{year}-{month:02}-01T00:00:00Z" for year in range(1900, 2200) for month in range(1, 13)]
    body = json.dumps([{"timestamp": at, "parameters": {"a": 1}} for at in times]).encode()
    began = time.monotonic()
    await mission.client.jetstream().publish("telemetry.SC-1", body)
    await mission.publish("SC-2", ("2025-01-01T00:00:01Z", "after"))
    await anomalies.next_msg(timeout=installed.busy(10))
    assert time.monotonic() - began < installed.busy(10)
    assert await mission.database.fetchval("SELECT count(*) FROM app.snapshot") == 3602
    partitions = await mission.partitions()
    assert {"snapshot_2025_01", "snapshot_1900s", "snapshot_2190s"} <= partitions
    assert 260 < len(partitions) < 280

    requests: tuple[tuple[str, dict[str, int]], ...] = (
        ("telemetry.list.SC-2", {"limit": 1}),
        ("telemetry.analyze.SC-2", {}),
        ("spacecraft.status.SC-2", {}),
    )
    for subject, request in requests:
        seconds = []
        for _ in range(15):
            began = time.monotonic()
            assert await mission.ask(subject, **request)
            seconds.append(time.monotonic() - began)
        assert statistics.median(seconds) < installed.busy(0.03), (subject, seconds)
    listed = await asyncio.gather(*(mission.ask("telemetry.list.SC-2", limit=1000) for _ in range(16)))
    assert [[item["id"] for item in found] for found in listed] == [["after", "before"]] * 16
    assert len(await mission.ask("telemetry.list.SC-1", limit=1000)) == 1000
    await mission.publish("SC-2", ("2025-01-01T00:00:00Z", "before"), ("2025-01-01T00:00:02Z", "last"))
    await mission.until_stored("last")
    assert await mission.told() == ["before", "after", "last"]


GONE = {
    "deleted": """DELETE FROM app.snapshot WHERE "timestamp" < '2025-02-01Z'""",
    "dropped": "DROP TABLE app.snapshot_2025_01",
}


@pytest.mark.parametrize("statement", GONE.values(), ids=GONE.keys())
async def test_deleted_telemetry_that_comes_again_is_stored_and_its_anomaly_is_told_once(place: Place, statement: str):
    data = place.work / "data"
    again = ("2025-01-01T00:00:00Z", "again")
    up = place.up("--data-dir", data)
    async with mission_on(up) as mission:
        await mission.client.request("missionops.config.set.SC-1", LIMITS, timeout=5)
        await mission.publish("SC-1", again)
        await mission.until_stored("again")
        await mission.database.execute(statement)
    assert up.stop().code == 0
    async with mission_on(place.up("--data-dir", data)) as mission:
        epoch = await mission.epoch()
        await mission.publish("SC-1", again, ("2025-01-01T00:00:01Z", "new"))
        await mission.publish("SC-2", ("2026-01-01T00:00:00Z", "other"))
        await mission.until_stored("again", "new", "other")

        async def is_told() -> bool:
            return await mission.told() == ["again", "new"]

        await until_async(is_told, "the anomaly of the new one")
        assert len(await mission.ask("anomalies.list.SC-1")) == 2
        assert await mission.epoch() == epoch
        assert await mission.dead_letters() == 0


async def test_a_detached_month_costs_no_telemetry_and_one_interruption(mission: Mission):
    month = "2025-01-{:02}T00:00:00Z".format
    await mission.publish("SC-1", (month(1), "a"))
    await mission.until_stored("a")
    await mission.database.execute("ALTER TABLE app.snapshot DETACH PARTITION app.snapshot_2025_01")
    await mission.publish("SC-1", (month(2), "b"))
    await mission.until_stored("b")
    epoch = await mission.epoch()
    assert epoch <= 2
    for day in range(3, 8):
        await mission.publish("SC-1", (month(day), f"c{day}"))
        await mission.until_stored(f"c{day}")
    assert (await mission.epoch(), await mission.dead_letters()) == (epoch, 0)
    assert await mission.partitions() == {"snapshot_2025_01_2"}
    assert await mission.database.fetchval("SELECT count(*) FROM app.snapshot_2025_01") == 1
    # Of what is detached the anomalies are there still.
    found = await mission.ask("anomalies.timeline.SC-1", **{"from": month(1), "to": month(31)})
    assert [item["snapshotId"] for item in found] == ["a", "b", *(f"c{day}" for day in range(3, 8))]
    assert {item["snapshotId"] for item in await mission.ask("anomalies.list.SC-1")} >= {"a", "b"}
    assert [item["id"] for item in await mission.ask("telemetry.list.SC-1", limit=1)] == ["c7"]

    await mission.database.execute("SET ROLE mission_migrator")
    await mission.database.execute(attaching("2025_01"))
    await mission.database.execute("RESET ROLE")
    assert await mission.partitions() == {"snapshot_2025_01"}
    assert len(await mission.ask("telemetry.list.SC-1")) == 7
    await mission.publish("SC-1", (month(9), "d"))
    await mission.until_stored("d")
    assert await mission.epoch() == epoch


def attaching(month: str) -> str:
    """How docs/running.md says that a detached month is attached again."""
    found = re.search(r"```sql\n(BEGIN;\n.*?)```", RUNNING.read_text(), re.DOTALL)
    assert found
    assert f"snapshot_{month}_2" in found[1]
    return found[1]


async def test_a_dropped_month_is_made_anew_without_a_restart(mission: Mission):
    await mission.publish("SC-1", ("2025-01-01T00:00:00Z", "a"), ("1970-01-01T00:00:00Z", "b"))
    await mission.until_stored("a", "b")
    await mission.database.execute("DROP TABLE app.snapshot_2025_01, app.snapshot_1970s")
    await mission.publish("SC-1", ("2025-01-01T00:00:01Z", "c"), ("1970-01-01T00:00:01Z", "d"))
    await mission.until_stored("c", "d")
    assert await mission.partitions() == {"snapshot_2025_01", "snapshot_1970s"}
    assert await mission.dead_letters() == 0
    await mission.until_ready()


async def test_a_month_is_reindexed_and_smaller_while_telemetry_comes(mission: Mission):
    statement = re.search("`(REINDEX [^`]+)`", RUNNING.read_text())
    assert statement
    for minute in range(60):
        times = [f"2025-01-01T00:{minute:02}:{second:02}Z" for second in range(60)]
        body = json.dumps([{"timestamp": time, "parameters": {"t": 0}} for time in times]).encode()
        for spacecraft_id in ("SC-1", "SC-2", "SC-3", "SC-4"):
            await mission.client.jetstream().publish(f"telemetry.{spacecraft_id}", body)
    await mission.publish("SC-1", ("2025-01-02T00:00:00Z", "a"))
    await mission.until_stored("a")
    size = "SELECT pg_relation_size('app.snapshot_2025_01_pkey')"
    before = await mission.database.fetchval(size)
    await mission.database.execute("SET ROLE mission_migrator")
    await mission.database.execute(statement[1])
    await mission.database.execute("RESET ROLE")
    assert await mission.database.fetchval(size) < 0.8 * before
    await mission.publish("SC-1", ("2025-01-03T00:00:00Z", "b"))
    await mission.until_stored("b")
    assert await mission.dead_letters() == 0


async def test_a_month_that_is_being_detached_holds_telemetry_up_and_says_so(mission: Mission):
    """DETACH … CONCURRENTLY waits for whoever reads the table, and nothing can take the month's place meanwhile."""
    await mission.publish("SC-1", ("2025-01-01T00:00:00Z", "a"))
    await mission.until_stored("a")
    reader, operator = [await asyncpg.connect(mission.up.database) for _ in range(2)]
    await reader.execute("BEGIN; SELECT count(*) FROM app.snapshot")
    detach = asyncio.ensure_future(
        operator.execute("ALTER TABLE app.snapshot DETACH PARTITION app.snapshot_2025_01 CONCURRENTLY")
    )
    pending = "SELECT inhdetachpending FROM pg_inherits WHERE inhparent = 'app.snapshot'::regclass"
    await until_async(lambda: mission.database.fetchval(pending), "the detaching")
    await mission.publish("SC-1", ("2025-01-02T00:00:00Z", "b"))

    async def is_said() -> bool:
        return "snapshot_2025_01 is being detached" in await mission.trouble()

    await until_async(is_said, "a readiness that says why")
    await reader.execute("COMMIT")
    await detach
    await mission.until_stored("b")
    assert (await mission.dead_letters(), await mission.partitions()) == (0, {"snapshot_2025_01_2"})
    await reader.close()
    await operator.close()


async def test_a_reader_holds_up_neither_partitions_nor_telemetry(mission: Mission):
    """With every lock that it may have, in a transaction that stays open."""
    await mission.publish("SC-1", ("2025-01-01T00:00:00Z", "a"))
    await mission.until_stored("a")
    reader = await asyncpg.connect(mission.up.database.replace("//postgres@", "//mission_reader@"))
    refused = 0
    for statement in (
        "SELECT pg_advisory_lock(hashtext('app.ensure_partitions'))",
        "SELECT pg_advisory_lock(number) FROM generate_series(1, 1000000) AS _ (number)",
        "LOCK TABLE ONLY app.snapshot IN SHARE UPDATE EXCLUSIVE MODE",
    ):
        try:
            await reader.execute(statement)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.OutOfMemoryError, asyncpg.NoActiveSQLTransactionError):
            refused += 1
    await reader.execute("BEGIN; LOCK TABLE app.snapshot, app.anomaly, app.checkpoint IN ACCESS SHARE MODE")
    await reader.execute("SELECT count(*) FROM app.snapshot")
    await mission.publish("SC-1", ("2025-02-01T00:00:00Z", "b"), ("1950-01-01T00:00:00Z", "c"))
    await mission.until_stored("b", "c")
    assert await mission.epoch() == 1
    assert refused == 3
    await reader.close()


async def test_who_holds_a_lock_that_telemetry_waits_for_is_named(mission: Mission):
    await mission.publish("SC-1", ("2025-01-01T00:00:00Z", "a"))
    await mission.until_stored("a")
    holder = await asyncpg.connect(mission.up.database)
    pid = holder.get_server_pid()
    await holder.execute("BEGIN; LOCK TABLE app.snapshot IN SHARE MODE")
    await mission.publish("SC-1", ("2025-01-02T00:00:00Z", "b"))
    named = f"a lock that is held by postgres (pid {pid}"

    async def is_named() -> bool:
        return named in await mission.trouble() and named in mission.up.err

    await until_async(is_named, "the holder's name in readiness and log")
    await holder.execute("ROLLBACK")
    await mission.until_stored("b")
    await mission.until_ready()
    await holder.close()
