"""Partitions of telemetry and anomalies: which are made, where others are already, and what is found in all of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from missionops.domain import timestamp
from missionops.domain.snapshot import Snapshot
from missionops.errors import Unavailable
from missionops.store import anomalies, anomaly_search, partitions, snapshot_rows, telemetry
from missionops.store import database as databases
from missionops.store.anomalies import AnomalyRow
from missionops.store.anomaly_search import AnomalyFilter, AnomalySearchCursor
from missionops.store.parameter_sets import ParameterNames
from tests.wait import PATIENCE

MONTHS = {date(year, month, 1) for year in range(1900, 2200) for month in range(1, 13)}
EVER = (timestamp.EARLIEST, timestamp.LATEST)
INSERT = 'INSERT INTO app.snapshot (spacecraft_id, "timestamp", id, received_at, config_version) VALUES'


async def bounds(connection: Any) -> dict[str, tuple[str, str]]:
    """The attached partitions, in the order of time."""
    query = "SELECT name::text, first::date::text, before::date::text FROM app.snapshot_partition ORDER BY first"
    return {row[0].removeprefix("app."): (row[1], row[2]) for row in await connection.fetch(query)}


def months_from(today: date, count: int) -> date:
    """The first of the month so many months from today's."""
    months = today.year * 12 + today.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


@pytest.fixture
async def service_connection(database_url: str, as_role: Callable[[str, str], str]) -> AsyncIterator[Any]:
    """A connection as the service has it."""
    async with databases.connected(as_role(database_url, "mission_app")) as connection:
        yield connection


async def test_months_lie_near_the_present_and_decades_beyond_without_a_gap(service_connection, database):
    await partitions.ensure(service_connection, partitions.SNAPSHOT, MONTHS)
    found = await bounds(database)
    today = await database.fetchval("SELECT current_date")
    first, before = months_from(today, -240), months_from(today, 3)
    expected = [months_from(first, number) for number in range(243)]
    assert [name for name in found if len(name) == len("snapshot_2025_01")] == [
        f"snapshot_{month:%Y_%m}" for month in expected
    ]
    starts = [start for start, _ in found.values()]
    assert [end for _, end in found.values()] == [*starts[1:], "2200-01-01"]
    assert starts[0] == "1900-01-01"
    assert found["snapshot_1900s"] == ("1900-01-01", "1910-01-01")
    assert found[f"snapshot_{first.year // 10}0s"][1] == str(first)
    assert str(before) in starts
    await partitions.ensure(service_connection, partitions.SNAPSHOT, MONTHS)
    assert await bounds(database) == found


async def test_what_is_there_is_left_and_a_decade_fits_between(service_connection, database):
    """Months of an earlier version, a week that somebody made, and a decade that the months reach later."""
    today = await database.fetchval("SELECT current_date")
    near = months_from(today, 2)  # as if it had been far ahead when the partition was made
    for name, first, before in (
        ("snapshot_1985_03", "1985-03-01", "1985-04-01"),
        ("a_week", "1987-06-08", "1987-06-15"),
        ("telemetry_early", str(near), str(months_from(near, 30))),
    ):
        await database.execute(f"CREATE TABLE app.{name} (LIKE app.snapshot INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        attach = f"ALTER TABLE app.snapshot ATTACH PARTITION app.{name} FOR VALUES FROM ('{first}Z') TO ('{before}Z')"
        await database.execute(attach)
    days = [
        date(1984, 1, 1),
        date(1985, 3, 31),
        date(1985, 4, 1),
        date(1987, 6, 14),
        date(1987, 6, 15),
        date(1980, 1, 1),
    ]
    await partitions.ensure(service_connection, partitions.SNAPSHOT, [*days, near, today])
    assert await bounds(database) == {
        "snapshot_1980s": ("1980-01-01", "1985-03-01"),
        "snapshot_1985_03": ("1985-03-01", "1985-04-01"),
        "snapshot_1980s_2": ("1985-04-01", "1987-06-08"),
        "a_week": ("1987-06-08", "1987-06-15"),
        "snapshot_1980s_3": ("1987-06-15", "1990-01-01"),
        f"snapshot_{today:%Y_%m}": (str(today.replace(day=1)), str(months_from(today, 1))),
        "telemetry_early": (str(near), str(months_from(near, 30))),
    }


async def test_a_gap_within_a_day_is_closed(service_connection, database):
    """Who attaches a month by the clock of his own time zone leaves an hour without a partition."""
    await database.execute("SET timezone = 'Europe/Berlin'; SET datestyle = 'German'")
    await database.execute(
        "CREATE TABLE app.mine PARTITION OF app.snapshot FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')"
    )
    await partitions.ensure(service_connection, partitions.SNAPSHOT, [date(2025, 1, 31), date(2025, 2, 1)])
    await database.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'")
    rows = await database.fetch(
        "SELECT name::text, first::text, before::text FROM app.snapshot_partition ORDER BY first"
    )
    assert [tuple(row) for row in rows] == [
        ("app.mine", "2024-12-31 23:00:00+00", "2025-01-31 23:00:00+00"),
        ("app.snapshot_2025_01", "2025-01-31 23:00:00+00", "2025-02-01 00:00:00+00"),
        ("app.snapshot_2025_02", "2025-02-01 00:00:00+00", "2025-03-01 00:00:00+00"),
    ]


async def test_with_a_default_partition_every_row_has_a_place(service_connection, database):
    await database.execute("CREATE TABLE app.others PARTITION OF app.snapshot DEFAULT")
    await partitions.ensure(service_connection, partitions.SNAPSHOT, [date(2025, 1, 1)])
    assert list(await bounds(database)) == ["others"]


async def test_a_time_that_is_not_kept_is_refused(service_connection):
    for day in (date(1899, 12, 31), date(2200, 1, 1)):
        with pytest.raises(asyncpg.CheckViolationError):
            await partitions.ensure(service_connection, partitions.SNAPSHOT, [day])


async def test_a_row_without_a_partition_is_told_from_one_that_is_refused(service_connection, database):
    snapshot = Snapshot(("SC-1", timestamp.to_microseconds(datetime(2025, 1, 1, tzinfo=UTC)), "a"), {})
    row, _ = snapshot_rows.writer("SC-1", 0, dict, None)(snapshot, 0)
    with pytest.raises(Unavailable, match="dropped or detached"):
        async with service_connection.transaction():
            await snapshot_rows.add(service_connection, [row])
    await partitions.ensure(service_connection, partitions.SNAPSHOT, [date(2025, 1, 1)])
    await database.execute("ALTER TABLE app.snapshot ADD CONSTRAINT mine CHECK (id <> 'a')")
    async with service_connection.transaction():
        assert isinstance(await snapshot_rows.add(service_connection, [row]), asyncpg.CheckViolationError)


@pytest.fixture(scope="module")
async def plans(module_database_url: str) -> AsyncIterator[tuple[Any, list[dict[str, Any]]]]:
    """A connection to a database with all the partitions there can be, and the plans of what is done on it."""
    async with databases.connected(module_database_url) as connection:
        await partitions.ensure(connection, partitions.SNAPSHOT, MONTHS)
        newest = datetime.now(UTC) - timedelta(days=1)
        rows = [(f"SC-{number % 10}", newest - timedelta(minutes=number), f"{number}") for number in range(5_000)]
        await connection.executemany(f"{INSERT} ($1, $2, $3, now(), 0)", rows)
        await connection.execute("ANALYZE")
        await connection.execute("SET enable_seqscan = off")  # which is right for the many that hold nothing here
        found: list[dict[str, Any]] = []
        connection.add_log_listener(
            lambda _, message: found.append(json.loads(message.message.partition("plan:\n")[2]))
        )
        await connection.execute("LOAD 'auto_explain'")
        await connection.execute("SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json")
        await connection.execute("SET auto_explain.log_level = log; SET client_min_messages = log")
        yield connection, found


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a plan that touch a table."""
    below = [node for part in plan.get("Plans", ()) for node in nodes(part)]
    return [plan, *below] if "Relation Name" in plan else below


def scans(found: list[dict[str, Any]], prefix: str = "snapshot_") -> list[dict[str, Any]]:
    """How partitions are looked at, in all plans of finished transactions since the last call; each by its key."""
    scanned = [node for plan in found for node in nodes(plan["Plan"]) if node["Relation Name"].startswith(prefix)]
    found.clear()
    for node in scanned:
        assert "spacecraft_id" in node.get("Index Cond", node.get("Recheck Cond", "")), node
    return scanned


async def test_what_is_older_is_found_too_and_each_partition_by_its_key(plans):
    connection, found = plans
    await connection.execute(f"{INSERT} ('OLD', '1970-01-01Z', 'a', now(), 0)")
    await connection.execute(f"{INSERT} ('OLD', '2190-01-01Z', 'b', now(), 0)")
    found.clear()
    async with connection.transaction():
        assert [
            row.id async for row in telemetry.newest(connection, "OLD", EVER, None, 20, names=ParameterNames())
        ] == ["b", "a"]
    assert 240 < len(scans(found)) < 280


async def test_anomalies_have_partitions_where_they_need_them_and_nowhere_else(service, client, database):
    await client.request("missionops.config.set.SC-1", b'{"parameters":{"t":{"critHigh":1}}}', timeout=5)
    for name, at, value in (
        ("a", "2025-01-01T00:00:00Z", 1),
        ("b", "2025-02-28T23:59:59Z", 2),
        ("c", "1950-01-01T00:00:00Z", 2),
    ):
        body = {"id": name, "timestamp": at, "parameters": {"t": value}}
        await client.request("telemetry.SC-1", json.dumps(body).encode())
    await until_stored(service, 3)
    assert list(await bounds(database)) == ["snapshot_1950s", "snapshot_2025_01", "snapshot_2025_02"]
    rows = await database.fetch("SELECT name::text FROM app.anomaly_partition ORDER BY first")
    assert [row[0] for row in rows] == ["app.anomaly_1950s", "app.anomaly_2025_02"]
    options = "SELECT reloptions FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE amname = 'brin'"
    assert [row[0] for row in await database.fetch(options)] == 3 * [["pages_per_range=8", "autosummarize=on"]]
    assert service.ingest_status.interruptions == 0


async def test_many_anomalies_of_many_decades_in_one_message_are_stored_at_once(service, client, database, caplog):
    """More than are written at once, and each portion needs partitions that the one before did not."""
    limits = {f"p{number}": {"critHigh": 1} for number in range(600)}
    await client.request("missionops.config.set.SC-1", json.dumps({"parameters": limits}).encode(), timeout=5)
    values = dict.fromkeys(limits, 2)
    body = [{"timestamp": f"{1905 + 10 * number}-01-01T00:00:00Z", "parameters": values} for number in range(4)]
    await client.request("telemetry.SC-1", json.dumps(body).encode())
    await until_stored(service, 4)
    assert await database.fetchval("SELECT count(*) FROM app.anomaly") == 4 * 600
    assert "dropped or detached" not in caplog.text


async def test_a_partition_of_anomalies_that_was_dropped_is_made_anew(service, client, database):
    await client.request("missionops.config.set.SC-1", b'{"parameters":{"t":{"critHigh":1}}}', timeout=5)
    for number in range(2):
        body = {"id": f"{number}", "timestamp": "2025-01-01T00:00:00Z", "parameters": {"t": 2}}
        await client.request("telemetry.SC-1", json.dumps(body).encode())
        await until_stored(service, number + 1)
        if number == 0:
            await database.execute("DROP TABLE app.anomaly_2025_01")
    rows = await database.fetch("SELECT snapshot_id FROM app.anomaly_2025_01")
    assert [row[0] for row in rows] == ["1"]


async def test_only_the_tables_that_are_partitioned_by_time_have_partitions_made(service_connection):
    with pytest.raises(asyncpg.WrongObjectTypeError):
        await partitions.ensure(service_connection, "app.event", [date(2025, 1, 1)])


async def until_stored(service: Any, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while service.ingest_status.stored < count:
            await service.ingest_status.until_moved()


@pytest.fixture(scope="module")
async def anomaly_plans(plans: Any) -> Any:
    """The same for anomalies: all the partitions there can be, and anomalies of the last days in them."""
    connection, found = plans
    await partitions.ensure(connection, partitions.ANOMALY, MONTHS)
    newest = datetime.now(UTC) - timedelta(minutes=1)
    rows = [
        AnomalyRow(f"SC-{number % 10}", (at := newest - timedelta(minutes=number)), f"{number}", "t", "WARN_HIGH",
                   "MEDIUM", 1, at, b"{}", 0, 0, 5_000 - number, 0)
        for number in range(5_000)
    ]  # fmt: skip
    async with connection.transaction():
        await anomalies.add(connection, rows)
    await connection.execute("ANALYZE app.anomaly")
    found.clear()
    return connection, found


def of(spacecraft_id: str) -> AnomalyFilter:
    """All anomalies of one spacecraft."""
    return AnomalyFilter([spacecraft_id], None, None, (timestamp.EARLIEST, timestamp.LATEST))


async def test_older_anomalies_are_listed_after_the_newest(anomaly_plans):
    connection, _ = anomaly_plans
    old = [
        AnomalyRow("OLD", datetime(year, 1, 1, tzinfo=UTC), "a", "t", "WARN_LOW", "MEDIUM", 1, datetime.now(UTC), b"{}",
                   0, 0, 1, 0)
        for year in (1950, 2190, datetime.now(UTC).year)
    ]  # fmt: skip
    async with connection.transaction():
        await anomalies.add(connection, old)
        listed = [row.timestamp.year async for row in anomaly_search.newest(connection, of("OLD"), None, 20)]
        after = AnomalySearchCursor(datetime(1951, 1, 1, tzinfo=UTC), "", "", "")
        rest = [row.timestamp.year async for row in anomaly_search.newest(connection, of("OLD"), after, 20)]
    assert (listed, rest) == ([2190, datetime.now(UTC).year, 1950], [1950])


async def test_anomalies_are_read_back_by_their_place_in_the_stream_over_all_partitions(anomaly_plans):
    connection, found = anomaly_plans
    found.clear()
    async with connection.transaction():
        pages = [page async for page in anomalies.pages(connection, 0, 0, 4_000, 5_000, 300)]
    assert [len(page) for page in pages] == [300, 300, 300, 100]
    assert [row.snapshot_id for page in pages for row in page] == [f"{number}" for number in reversed(range(1_000))]
    scanned = [node for plan in found for node in nodes(plan["Plan"]) if node["Relation Name"].startswith("anomaly_")]
    assert {node["Node Type"] for node in scanned} == {"Bitmap Heap Scan"}
