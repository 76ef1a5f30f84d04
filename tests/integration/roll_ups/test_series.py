"""A series says the same whether it is read from roll-ups or from the snapshots."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missionops.operations import range_reading
from missionops.store import database as databases
from missionops.store import rolled_up, samples
from tests import plain_roll_ups
from tests.integration.ranges.conftest import Asker, ask, database, store  # noqa: F401 - fixtures
from tests.wait import until_async

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def rebuild(database, database_url):  # noqa: F811
    """Has the service roll up what is stored of a spacecraft."""

    async def rebuild(spacecraft_id: str) -> None:
        assert await database.fetchval("SELECT app.rebuild_roll_ups($1)", spacecraft_id)
        waiting = "SELECT count(*) FROM app.stale_hour WHERE spacecraft_id = $1"

        async def is_done() -> bool:
            return not await database.fetchval(waiting, spacecraft_id)

        await until_async(is_done, "the roll-ups")
        assert await plain_roll_ups.differences(database_url, spacecraft_id) == []

    return rebuild


@pytest.fixture
def read(monkeypatch) -> dict[str, int]:
    """How many roll-ups would fill the time that they were read for, and how many portions of snapshots were read."""
    counted = {"roll-ups": 0, "snapshots": 0}
    buckets, snapshots = rolled_up.buckets, samples.buckets

    async def counting_buckets(*arguments: Any) -> Any:
        found = await buckets(*arguments)
        counted["roll-ups"] += (arguments[-1].end - arguments[-1].start) // arguments[-1].level
        return found

    async def counting_snapshots(*arguments: Any) -> Any:
        counted["snapshots"] += 1
        return await snapshots(*arguments)

    monkeypatch.setattr(rolled_up, "buckets", counting_buckets)
    monkeypatch.setattr(samples, "buckets", counting_snapshots)
    monkeypatch.setattr(range_reading.ReadingPace, "is_over", False)  # one page each, however slow the machine is
    return counted


def same(page: Any) -> Any:
    """What does not depend on the way: `gap` and the ends of limits' spans are estimates where buckets are read."""
    found = {key: value for key, value in page.items() if key != "at"}
    found["series"] = [
        {key: value for key, value in one.items() if key not in {"gap", "limits"}}
        | {"limits": [{**limits, "spans": len(limits["spans"])} for limits in one["limits"]]}
        for one in page["series"]
    ]
    return found


def snapshots(count: int, every: timedelta, start: datetime = START) -> list[tuple[datetime, dict[str, Any]]]:
    return [
        (
            start + index * every,
            {"a": float(index * 7919 % 1013), "mode": "SAFE", **({"b": index} if index % 3 else {}),
             **({"large": 2**60 + index} if index % 50 == 0 else {})},
        )
        for index in range(count)
    ]  # fmt: skip


RANGES = [
    (timedelta(0), timedelta(hours=30), 30),  # hours
    (timedelta(minutes=7, seconds=3), timedelta(hours=29, minutes=13, seconds=1), 20),  # neither end on a bucket
    (timedelta(0), timedelta(hours=30), 1),  # one bucket of two days
    (timedelta(days=-400), timedelta(days=800), 1_000),  # days
    (timedelta(minutes=59, seconds=59), timedelta(hours=10), 600),  # minutes
    (timedelta(hours=3), timedelta(hours=4), 5_000),  # the samples
    (timedelta(hours=3), timedelta(hours=4), 3_000),  # seconds
]


async def test_the_same_series_by_roll_ups(ask, store, rebuild, read):  # noqa: F811
    spacecraft_id = await store(snapshots(30 * 3_600, timedelta(seconds=1)), versions=())
    await compare(ask, spacecraft_id, rebuild, read)
    assert read["roll-ups"] > 500


async def test_with_violations_and_versions_and_gaps(ask, store, rebuild, read):  # noqa: F811
    passes = [
        one
        for number in range(20)
        for one in snapshots(300, timedelta(seconds=2), START + number * timedelta(minutes=97))
    ]
    spacecraft_id = await store(passes, versions=(1, 1, 1, 1, 1))
    await compare(ask, spacecraft_id, rebuild, read)
    assert read["roll-ups"] > 30


async def compare(ask: Any, spacecraft_id: str, rebuild: Any, read: dict[str, int]) -> None:  # noqa: F811
    async def answers() -> list[Any]:
        found = []
        for start, length, points in RANGES:
            request = {
                "parameters": ["a", "b", "large", "mode", "none"],
                "start": START + start, "end": START + start + length, "points": points,
            }  # fmt: skip
            found.append([same(page) for page in await ask.pages("series", spacecraft_id, **request)])
        return found

    by_snapshots = await answers()
    assert read["roll-ups"] == 0
    await rebuild(spacecraft_id)
    by_roll_ups = await answers()
    for left, right in zip(by_roll_ups, by_snapshots, strict=True):
        assert left == right


async def test_a_stale_hour_is_read_from_the_snapshots(ask, store, rebuild, database, database_url):  # noqa: F811
    spacecraft_id = await store(snapshots(4 * 3_600, timedelta(seconds=1)))
    await rebuild(spacecraft_id)
    await database.execute("UPDATE app.roll_up_hour SET maxima = array_fill(7e7::float8, ARRAY[4])")
    await database.execute("UPDATE app.roll_up_minute SET maxima = array_fill(7e7::float8, ARRAY[4])")
    request = {"parameters": ["a"], "start": START, "end": START + timedelta(hours=4), "points": 4}
    assert (await ask.page("series", spacecraft_id, **request))[0]["series"][0]["max"][:4] == [7e7] * 4
    stale = "INSERT INTO app.stale_hour (spacecraft_id, hour) VALUES ($1, $2)"
    async with databases.connected(database_url) as holder, holder.transaction():
        await holder.execute("SELECT FROM app.roll_up_turn FOR UPDATE")  # nobody rolls up meanwhile
        await database.execute(stale, spacecraft_id, START + timedelta(hours=1))
        maxima = (await ask.page("series", spacecraft_id, **request))[0]["series"][0]["max"]
    assert maxima[:4] == [7e7, 1012.0, 7e7, 7e7]
