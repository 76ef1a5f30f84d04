"""The plans of what is asked often, on a database with 100 months: few partitions are opened, and each by an index."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from missionops.domain import timestamp
from missionops.domain.episodes import episode
from missionops.domain.snapshot import SnapshotKey
from missionops.domain.timestamp import DAY, HOUR
from missionops.ingest import roll_up
from missionops.store import (
    anomalies,
    anomaly_search,
    latest,
    partitions,
    roll_ups,
    rolled_up,
    samples,
    snapshot_rows,
    status,
    telemetry,
)
from missionops.store import database as databases
from missionops.store.anomaly_search import AnomalyFilter, AnomalySearchCursor
from missionops.store.judged_snapshots import JudgedSnapshots
from missionops.store.parameter_sets import ParameterNames
from missionops.store.roll_ups import StaleHours
from missionops.store.samples import Wanted
from tests import stored_telemetry

MONTHS = 100
FLEET = [f"SC-{number}" for number in range(1, 6)]
NAMES = ["current", "temp", "voltage"]
NOW = datetime.now(UTC).replace(microsecond=0)
EVER = (timestamp.EARLIEST, timestamp.LATEST)
LATELY = (NOW - timedelta(days=2), NOW)
YEARS = (NOW - timedelta(days=730), NOW - timedelta(days=2))
OLD = (NOW - timedelta(days=2001), NOW - timedelta(days=2000))
RUNS = 7
"""After five PostgreSQL may take a plan for all values."""


def month(ago: int) -> date:
    """The first of the month so many before this one."""
    months = NOW.year * 12 + NOW.month - 1 - ago
    return date(months // 12, months % 12 + 1, 1)


FILL_ANOMALIES = """
INSERT INTO app.anomaly
SELECT spacecraft_id, "timestamp", id, 'temp', 'WARN_HIGH', 'MEDIUM', 1, received_at, '{}', 0, 0,
       row_number() OVER (ORDER BY "timestamp"), 0
FROM app.snapshot WHERE right(id, 1) = '0'
"""

# What they say is made up: only where they lie matters.
FILL_ROLL_UPS = """
INSERT INTO app.roll_up_{length}
SELECT date_trunc('{length}', "timestamp") AS start, min("timestamp"), max("timestamp"), 3000, parameter_set_id, 0,
       spacecraft_id, NULL, '{{1,1,1}}', '{{0,0,0}}', '{{2,2,2}}', '{{0,0,0}}', '{{1,1,1}}'
FROM app.snapshot GROUP BY start, spacecraft_id, parameter_set_id
"""

SOME = 'SELECT spacecraft_id, "timestamp", id FROM app.snapshot WHERE "timestamp" > $1 LIMIT 500'


class Plans:
    """A connection, and the plans of what is done on it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.names = ParameterNames()
        self.stored: list[SnapshotKey] = []
        """Some that are."""
        self._found: list[dict[str, Any]] = []

    async def listen(self) -> None:
        def keep(_: object, message: Any) -> None:
            self._found.append(json.loads(message.message.partition("plan:\n")[2])["Plan"])

        self.connection.add_log_listener(keep)
        await self.connection.execute(
            "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json;"
            "SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off; SET auto_explain.log_level = log;"
            "SET client_min_messages = log;"
            "SET enable_seqscan = off"  # these partitions are so small that to read a whole one is often the fastest
        )

    async def of(self, ask: Callable[["Plans"], Awaitable[object]]) -> "Scans":
        """How partitions are looked at by the last of some runs, which has to find something."""
        for _ in range(RUNS):
            async with self.connection.transaction():
                assert await ask(self)
            found, self._found[:] = self._found[:], ()
        scans = [node for plan in found for node in nodes(plan) if is_partition(node)]
        return Scans(found, scans, [node for node in scans if node["Actual Loops"]])


class Scans(NamedTuple):
    """Scans of partitions."""

    plans: list[dict[str, Any]]
    planned: list[dict[str, Any]]
    opened: list[dict[str, Any]]


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a plan."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def is_partition(node: dict[str, Any]) -> bool:
    name = node.get("Relation Name", "")
    return name.startswith(("snapshot_", "anomaly_", "roll_up_")) and name[-1].isdigit()


@pytest.fixture(scope="module")
async def plans(module_database_url: str) -> AsyncIterator[Plans]:
    async with databases.connected(module_database_url) as connection:
        for table in (partitions.SNAPSHOT, partitions.ANOMALY, *roll_ups.TABLES.values()):
            await partitions.ensure(connection, table, {month(ago) for ago in range(-2, MONTHS - 2)})
        start = datetime.combine(month(MONTHS - 3), datetime.min.time(), UTC)
        for spacecraft_id in FLEET:
            count = (NOW - start) // timedelta(hours=6)
            await stored_telemetry.generate(
                connection, spacecraft_id, NAMES, start, count=count, every=timedelta(hours=6)
            )
        await stored_telemetry.generate(
            connection, "SC-1", NAMES, NOW - timedelta(hours=5, seconds=1), count=4_000, every=timedelta(seconds=4)
        )
        await connection.execute("INSERT INTO app.spacecraft (spacecraft_id) SELECT unnest($1::text[])", FLEET)
        await connection.execute(FILL_ANOMALIES)
        for length in ("minute", "hour", "day"):
            await connection.execute(FILL_ROLL_UPS.format(length=length))
        await connection.execute("ANALYZE")
        found = Plans(connection)
        rows = await connection.fetch(SOME, LATELY[0])
        found.stored = [(row[0], timestamp.to_microseconds(row[1]), row[2]) for row in rows]
        await found.listen()
        yield found


async def newest(plans: Plans, between: tuple[datetime, datetime] = EVER, before: Any = None) -> object:
    rows = telemetry.newest(plans.connection, "SC-1", between, before, 20, names=plans.names)
    return [row async for row in rows]


async def oldest(plans: Plans, between: tuple[datetime, datetime], cursor: Any = None) -> object:
    rows = telemetry.oldest_from(plans.connection, "SC-1", between, cursor, 20, names=plans.names)
    return [row async for row in rows]


async def stored(plans: Plans) -> object:
    new = [(spacecraft_id, time + 1, name) for spacecraft_id, time, name in plans.stored]
    return await snapshot_rows.stored(plans.connection, plans.stored + new) == set(plans.stored)


async def newest_anomalies(plans: Plans, *spacecraft_ids: str, before: datetime | None = None) -> object:
    wanted = AnomalyFilter(spacecraft_ids or None, None, None, EVER)
    cursor = AnomalySearchCursor(before, "", "", "") if before else None
    return [row async for row in anomaly_search.newest(plans.connection, wanted, cursor, 20)]


async def timeline(plans: Plans, between: tuple[datetime, datetime]) -> object:
    return [row async for row in anomalies.oldest(plans.connection, "SC-1", between, None, 20)]


async def series(plans: Plans, between: tuple[datetime, datetime], *, one_by_one: bool = False) -> object:
    wanted = Wanted("SC-1", ["temp", "current"], between[1], 60_000_000)
    where = await samples.columns(plans.connection, wanted.spacecraft_id, wanted.parameters)
    if one_by_one:
        return any(await samples.one_by_one(plans.connection, wanted, where, (between[0], ""), 100))
    return any((await samples.buckets(plans.connection, wanted, where, (between[0], ""), 1_000)).buckets)


async def newest_values(plans: Plans, between: tuple[datetime, datetime]) -> object:
    sets = await latest.sets_with(plans.connection, "SC-1", ["temp"])
    search = latest.Search("SC-1", between, sets, 1_000, 20)
    return await latest.backwards(plans.connection, search, (between[1], latest.AFTER_ANY_ID))


async def of_parameter(plans: Plans, between: tuple[datetime, datetime]) -> object:
    search = latest.Search("SC-1", between, (), 1_000, 20)
    return await latest.of_parameter(plans.connection, search, "temp")


async def rolled_up_series(plans: Plans, between: tuple[datetime, datetime], step: int) -> object:
    wanted = Wanted("SC-1", ["temp", "current"], between[1], step)
    where = await samples.columns(plans.connection, wanted.spacecraft_id, wanted.parameters)
    position = timestamp.to_microseconds(between[0]) // step * step
    stretch, _ = await rolled_up.next_stretch(plans.connection, wanted, position)
    return stretch and await rolled_up.buckets(plans.connection, wanted, where, stretch)


async def rolling_up(plans: Plans, at: datetime) -> object:
    async def rest() -> None:
        """Nobody else is here."""

    hour = timestamp.to_microseconds(at) // HOUR * HOUR
    stale = StaleHours("SC-1", [0], [hour])
    await roll_up.recompute(plans.connection, stale, rest)
    return True


async def judged(plans: Plans, at: datetime, *, is_ascending: bool = False) -> object:
    """As the worker of alarms does, which takes the next few and knows enough."""
    snapshots = JudgedSnapshots(plans.connection, "SC-1", plans.names)
    position = episode.end_of(timestamp.to_microseconds(at))
    found = (snapshots.after if is_ascending else snapshots.before)(position)
    return [await anext(found) for _ in range(20)]


SAMPLES = "SELECT count(*), max(number) FROM app.samples('SC-1', 'temp', '{}', '{}')"

CASES: dict[str, tuple[Callable[[Plans], Awaitable[object]], int, int]] = {
    "telemetry.list": (newest, 27, 4),
    "telemetry.list of a range": (lambda plans: newest(plans, LATELY), 2, 2),
    "telemetry.list of an old range": (lambda plans: newest(plans, OLD), 100, 2),
    "telemetry.list at a cursor of long ago": (lambda plans: newest(plans, before=(OLD[1], "")), 100, 2),
    "telemetry.analyze of a range": (lambda plans: oldest(plans, OLD), 2, 2),
    "telemetry.analyze at a cursor": (lambda plans: oldest(plans, (OLD[0], NOW), (LATELY[0], "")), 2, 2),
    "deduplication": (stored, 2, 2),
    "anomalies.list": (lambda plans: newest_anomalies(plans, "SC-1"), 27, 4),
    "anomalies.list at a cursor of long ago": (lambda plans: newest_anomalies(plans, "SC-1", before=OLD[1]), 100, 3),
    "anomalies.search": (newest_anomalies, 27, 4),
    "anomalies.search of some": (lambda plans: newest_anomalies(plans, "SC-1", "SC-3"), 27, 4),
    "anomalies.timeline": (lambda plans: timeline(plans, LATELY), 2, 2),
    "spacecraft.status": (lambda plans: status.of_one(plans.connection, "SC-1", NOW), 3, 3),
    "telemetry.series": (lambda plans: series(plans, LATELY), 4, 4),
    "telemetry.series of long ago": (lambda plans: series(plans, OLD), 4, 4),
    "telemetry.series, the first portion of all": (lambda plans: series(plans, (EVER[0], NOW)), 120, 20),
    "telemetry.series, samples": (lambda plans: series(plans, LATELY, one_by_one=True), 2, 2),
    "telemetry.series by hours": (lambda plans: rolled_up_series(plans, LATELY, HOUR), 8, 8),
    "telemetry.series by days of long ago": (lambda plans: rolled_up_series(plans, OLD, DAY), 8, 8),
    "telemetry.series by days of two years": (lambda plans: rolled_up_series(plans, YEARS, DAY), 75, 75),
    "rolling up": (lambda plans: rolling_up(plans, LATELY[0]), 24, 24),
    "rolling up what is late": (lambda plans: rolling_up(plans, OLD[0]), 24, 24),
    "telemetry.latest": (lambda plans: newest_values(plans, (EVER[0], NOW)), 27, 4),
    "telemetry.latest at a time long ago": (lambda plans: newest_values(plans, (EVER[0], OLD[1])), 100, 10),
    "telemetry.latest, one parameter": (lambda plans: of_parameter(plans, LATELY), 100, 2),
    "alarms, the newest snapshots": (lambda plans: judged(plans, timestamp.LATEST), 100, 4),
    "alarms, what came before a late one": (lambda plans: judged(plans, OLD[1]), 102, 4),
    "alarms, what came after a late one": (lambda plans: judged(plans, OLD[1], is_ascending=True), 102, 4),
    "app.samples": (lambda plans: plans.connection.fetch(SAMPLES.format(*LATELY)), 2, 2),
    "app.samples of long ago": (lambda plans: plans.connection.fetch(SAMPLES.format(*OLD)), 2, 2),
}
"""For each what asks it, how many partitions may be in its plan, and how many may be opened: among the newest are
those of two months ahead of the clock, and on the first of a month that of the one before."""


@pytest.mark.parametrize("name", CASES)
async def test_few_partitions_are_opened_and_each_by_an_index(plans, name):
    ask, planned, opened = CASES[name]
    scans = await plans.of(ask)
    assert 0 < len(scans.opened) <= opened
    assert len(scans.planned) <= planned
    for node in scans.opened:
        condition = node.get("Index Cond") or node.get("Recheck Cond") or ""
        assert "spacecraft_id" in condition or "timestamp" in condition, node


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("alarms")])
async def test_the_worker_of_alarms_asks_for_a_few_snapshots_at_a_time(plans, name):
    """Else the plan is for all of a spacecraft: 200,000 are sorted on disk before the first is read."""
    scans = await plans.of(CASES[name][0])
    read = [plan for plan in scans.plans if any(map(is_partition, nodes(plan)))]
    assert read
    assert {plan["Node Type"] for plan in read} == {"Limit"}


async def test_app_samples_is_a_part_of_the_query_that_uses_it(plans):
    """The planner has written it into that, and sees what it selects."""
    plan = await plans.connection.fetchval("EXPLAIN (FORMAT json) " + SAMPLES.format(*LATELY))
    assert "Function Scan" not in {node["Node Type"] for node in nodes(json.loads(plan)[0]["Plan"])}
