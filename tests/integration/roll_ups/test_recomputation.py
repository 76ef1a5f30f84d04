"""Roll-ups are what the snapshots say, in whatever order those come, and whatever happens to who rolls them up."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from missionops.domain import timestamp
from missionops.domain.timestamp import DAY, HOUR, MINUTE, SECOND
from missionops.ingest.roll_up_status import RollUpStatus
from missionops.ingest.roll_up_worker import MarkedHours, RollUpWorker
from missionops.store import database as databases
from missionops.store import partitions, roll_ups
from missionops.store.checkpoint import Lease
from tests import plain_roll_ups, stored_telemetry
from tests.wait import until_async

EXAMPLES = 30
BASE = 20_000 * DAY
_counter = itertools.count()


class Snapshot(NamedTuple):
    """A row of app.snapshot; with `is_anomalous` it has an anomaly."""

    time: int
    id: str
    version: int
    set_index: int | None
    numbers: list[float | None] | None
    others: bytes | None
    is_anomalous: bool


@st.composite
def telemetry(draw: st.DrawFn) -> list[Snapshot]:
    """Snapshots of one spacecraft: bursts in some minutes and now and then one, over some days, in any order."""
    found: list[Snapshot] = []
    bursts = st.tuples(st.sampled_from([0, 1, 2, 25, 47, 100_000, -640_000]), st.integers(0, 3), st.integers(1, 70))
    for hour, minute, count in draw(st.lists(bursts, min_size=1, max_size=6)):
        step, version = draw(st.sampled_from([0, 700_000, 2_000_000])), draw(st.integers(0, 2))
        for index in range(count):
            has_set = index % 9 != 8
            found.append(
                Snapshot(
                    BASE + hour * HOUR + minute * MINUTE + index * step,
                    f"s{len(found):04}",
                    version + index // 50,
                    index % 11 // 10 if has_set else None,
                    [float(index * 7 % 13), -0.0 if index % 3 else None, 1e300][: 1 + index % 3] if has_set else None,
                    [None, b'{"mode":"SAFE","big":9007199254740993}', b'{"on":true,"off":null}'][index % 3],
                    index % 17 == 0,
                )
            )
    order: list[Snapshot] = draw(st.permutations(found)) if draw(st.booleans()) else found
    return order


class Mission:
    """One spacecraft, batches that add to it, and one worker after another that rolls it up."""

    def __init__(self, dsn: str, set_ids: Sequence[int], writer: Any) -> None:
        self.spacecraft_id = f"SC-{next(_counter)}"
        self._dsn = dsn
        self._set_ids = set_ids
        self._writer = writer
        self._epoch = 0
        self._former: list[asyncio.Task[None]] = []

    async def take_over(self) -> None:
        """Another owner, that knows nothing of the one before, whose worker may still be at work."""
        self._epoch = await self._writer.fetchval("UPDATE app.checkpoint SET epoch = epoch + 1 RETURNING epoch")
        self._marked = MarkedHours()
        self.worker = RollUpWorker(self._dsn, Lease(0, self._epoch), self._marked, lambda: False, RollUpStatus())

    @property
    def marked(self) -> set[tuple[str, int]]:
        """The hours that batches rely on."""
        return self._marked._marked

    def work(self) -> "asyncio.Task[None]":
        """Roll up what is due now, beside whatever else goes on."""
        worker = self.worker

        async def work() -> None:
            async with databases.connected(self._dsn) as connection:
                await worker.roll_up_due(connection)

        self._former.append(asyncio.create_task(work()))
        return self._former[-1]

    async def add(self, snapshots: Sequence[Snapshot]) -> None:
        """Store snapshots and mark their hours in one transaction, as a batch does."""
        async with self.adding(snapshots):
            await asyncio.sleep(0.001)

    @asynccontextmanager
    async def adding(self, snapshots: Sequence[Snapshot]) -> AsyncIterator[None]:
        """The same, committed at the end of the block."""
        writer = self._writer
        committed = asyncio.Event()
        for table in (partitions.SNAPSHOT, partitions.ANOMALY):
            days = {timestamp.from_microseconds(one.time).date() for one in snapshots}
            await partitions.ensure(self._writer, table, days)
        async with writer.transaction():
            await writer.copy_records_to_table(
                "snapshot", schema_name="app", columns=stored_telemetry._COLUMNS, records=map(self._row, snapshots)
            )
            for one in snapshots:
                if one.is_anomalous:
                    await writer.execute(
                        "INSERT INTO app.anomaly VALUES ($1, $2, $3, 'a', 'WARN_HIGH', $4, 1, $2, '{}', 0, 0, 1, 1)",
                        self.spacecraft_id, timestamp.from_microseconds(one.time), one.id,
                        "HIGH" if one.version else "MEDIUM",
                    )  # fmt: skip
            hours = {(self.spacecraft_id, one.time // HOUR * HOUR) for one in snapshots}
            if unmarked := self._marked.unmarked(hours, committed):
                await roll_ups.mark(writer, unmarked)
            yield
        committed.set()

    def _row(self, one: Snapshot) -> tuple[Any, ...]:
        time = timestamp.from_microseconds(one.time)
        set_id = None if one.set_index is None else self._set_ids[one.set_index]
        return time, time, one.version, set_id, self.spacecraft_id, one.id, one.numbers, one.others

    async def settle(self) -> None:
        """Nobody works any more."""
        await asyncio.gather(*self._former, return_exceptions=True)


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Any]:
    async with databases.connected(database_url) as connection:
        yield connection


async def stored(dsn: str, mission: Mission) -> dict[int, int]:
    """How many roll-ups of each size there are."""
    start, end = map(timestamp.to_microseconds, (timestamp.EARLIEST, timestamp.LATEST))
    async with databases.connected(dsn) as connection, connection.transaction():
        return {
            level: len([one async for one in roll_ups.stored(connection, level, mission.spacecraft_id, start, end)])
            for level in (MINUTE, HOUR, DAY)
        }


async def until_waiting(dsn: str, count: int) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with databases.connected(dsn) as connection:

        async def is_so() -> bool:
            return await connection.fetchval(query) == count

        await until_async(is_so, f"{count} waiting sessions")


STEPS = st.lists(st.sampled_from(["add", "add", "add", "work", "wait", "kill", "take over"]), max_size=25)


@profile(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(telemetry(), STEPS, st.integers(1, 120))
async def test_any_order_any_batches_and_any_interruption(database_url, writer, snapshots, steps, size):
    set_ids = [await stored_telemetry.add_parameter_set(writer, "SC", names) for names in (["a", "b", "c"], ["a"])]
    mission = Mission(database_url, set_ids, writer)
    await mission.take_over()
    batches = [snapshots[start : start + size] for start in range(0, len(snapshots), size)]
    worker: asyncio.Task[None] | None = None
    for step in [*steps, *["add"] * len(batches)]:
        if step == "add" and batches:
            await mission.add(batches.pop())
        elif step == "work" and (worker is None or worker.done()):
            worker = mission.work()
        elif step == "wait" and worker:
            await asyncio.wait([worker])
        elif step == "kill" and worker:
            worker.cancel()
            worker = None
        elif step == "take over":
            await mission.take_over()
            worker = None
        if step in {"wait", "kill", "take over"}:  # what is said is right at any time, though not everything is said
            assert await plain_roll_ups.differences(database_url, mission.spacecraft_id) == []
    await mission.settle()
    with contextlib.suppress(asyncio.CancelledError):
        await mission.work()
    assert await writer.fetchval("SELECT count(*) FROM app.stale_hour") == 0
    assert await plain_roll_ups.differences(database_url, mission.spacecraft_id) == []


@pytest.fixture
async def mission(database_url: str, writer: Any) -> AsyncIterator[Mission]:
    set_ids = [await stored_telemetry.add_parameter_set(writer, "SC", names) for names in (["a", "b", "c"], ["a"])]
    found = Mission(database_url, set_ids, writer)
    await found.take_over()
    yield found
    await found.settle()


def burst(minute: int = 0, count: int = 40) -> list[Snapshot]:
    """Snapshots of one hour, a second apart."""
    times = [BASE + minute * MINUTE + index * SECOND for index in range(count)]
    return [Snapshot(time, f"m{minute}", 1, 0, [1.0], None, is_anomalous=False) for time in times]


async def test_a_batch_that_relies_on_a_mark_is_waited_for_before_the_hour_is_read(mission, database_url):
    await mission.add(burst(0))
    async with mission.adding(burst(1)):  # its hour is marked already, and it is not committed
        worker = mission.work()
        while (mission.spacecraft_id, BASE) in mission.marked:  # until the worker has forgotten the mark
            await asyncio.sleep(0)
        await asyncio.wait([worker], timeout=0.2)
        assert not worker.done()
    await worker
    assert await stored(database_url, mission) == {MINUTE: 2, HOUR: 1, DAY: 1}
    assert await plain_roll_ups.differences(database_url, mission.spacecraft_id) == []


async def test_what_a_former_owner_took_is_rolled_up_once_and_what_came_since_stays_stale(
    mission, database_url, writer
):
    await mission.add(burst(0))
    async with databases.connected(database_url) as holder, holder.transaction():
        await holder.execute("SELECT FROM app.roll_up_turn FOR UPDATE")
        former = mission.work()  # knows what is due, and waits for its turn
        await until_waiting(database_url, 1)
        await mission.take_over()
        await mission.add(burst(1))
        successor = mission.work()
        await until_waiting(database_url, 2)
    await asyncio.gather(former, successor)
    assert await writer.fetchval("SELECT count(*) FROM app.stale_hour") == 0
    assert await stored(database_url, mission) == {MINUTE: 2, HOUR: 1, DAY: 1}
    assert await plain_roll_ups.differences(database_url, mission.spacecraft_id) == []


async def test_a_former_owner_takes_nothing_any_more(mission, writer):
    former = mission.worker
    await mission.take_over()
    await mission.add(burst(0))
    await former.roll_up_due(writer)
    assert await writer.fetchval("SELECT count(*) FROM app.stale_hour") == 1


REBUILDS = (
    "SELECT app.rebuild_roll_ups($1)",
    "SELECT app.rebuild_roll_ups($1, to_timestamp($2), to_timestamp($2 + 3600))",
)


@pytest.mark.parametrize("rebuild", REBUILDS, ids=["of all", "of a range"])
async def test_what_was_changed_by_hand_is_rolled_up_anew(mission, database_url, writer, rebuild):
    await mission.add([*burst(0), *burst(1), *burst(200)])
    await mission.work()
    assert await stored(database_url, mission) == {MINUTE: 3, HOUR: 2, DAY: 1}
    async with writer.transaction():
        await writer.execute("DELETE FROM app.snapshot WHERE id = 'm0' AND spacecraft_id = $1", mission.spacecraft_id)
        await writer.execute(rebuild, mission.spacecraft_id, *([BASE // 1_000_000] if "$2" in rebuild else []))
    await mission.work()
    assert await stored(database_url, mission) == {MINUTE: 2, HOUR: 2, DAY: 1}
    assert await plain_roll_ups.differences(database_url, mission.spacecraft_id) == []
    await writer.execute("DELETE FROM app.snapshot WHERE spacecraft_id = $1", mission.spacecraft_id)
    assert await writer.fetchval(REBUILDS[0], mission.spacecraft_id) == 2
    await mission.work()
    assert await stored(database_url, mission) == {MINUTE: 0, HOUR: 0, DAY: 0}
