"""The worker of alarms: one spacecraft with very much to fold again does not hold up the others."""

import asyncio
from typing import Any

import pytest

from missionops.ingest.alarms import draft, worker
from missionops.store import alarm_marks
from tests.integration.alarms.test_told import Alarms
from tests.wait import until_async

ALARMS = "SELECT spacecraft_id, start FROM app.alarm WHERE parameter = 'temp' ORDER BY spacecraft_id, start"

ARE_STORED = "SELECT count(*) = 3 FROM app.snapshot"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, asyncio.Event]:
    """By spacecraft: what its folding waits for; others wait for nothing."""
    made, events = draft.made, dict[str, asyncio.Event]()

    async def made_later(stored: Any, *given: Any, **named: Any) -> Any:
        if event := events.get(stored.spacecraft_id):
            await event.wait()
        return await made(stored, *given, **named)

    monkeypatch.setattr(draft, "made", made_later)
    monkeypatch.setattr(worker, "_LONG", 0.5)
    monkeypatch.setattr(worker, "_SET_ASIDE", 0.2)
    return events


async def test_others_do_not_wait_for_one_that_takes_long(service, client, database, held):
    held["SC-A"], held["SC-B"] = asyncio.Event(), asyncio.Event()
    names = ("SC-A", "SC-B", "SC-C")
    fleet = [Alarms(client, name) for name in names]
    for one in fleet:
        await one.configure({"parameters": {"temp": {"warnHigh": 50}}})
        await one.report(20, temp=40)
    await until_async(lambda: database.fetchval(ARE_STORED), "the first snapshots")
    for one in fleet:
        await one.report(10, temp=60)  # late: for the worker
        await one.report(11, temp=40)

    async def found() -> list[str]:
        return [row[0] for row in await database.fetch(ALARMS)]

    await until_async(lambda: _is(found, ["SC-C"]), "the alarm of the one that does not take long")
    held["SC-B"].set()  # it was given up for SC-A, which was first, and is tried again
    await until_async(lambda: _is(found, ["SC-B", "SC-C"]), "the alarm of the second")
    await fleet[2].report(12, temp=60)
    await until_async(lambda: _is(found, ["SC-B", "SC-C", "SC-C"]), "another one")
    held["SC-A"].set()
    await until_async(lambda: _is(found, ["SC-A", "SC-B", "SC-C", "SC-C"]), "the alarm of the first")


async def _is(found: Any, expected: list[str]) -> bool:
    return bool(await found() == expected)


async def test_a_failure_of_the_worker_does_not_end_a_batch_that_is_under_way(service, client, database, monkeypatch):
    """What the batch knows of the spacecraft is forgotten after its commit."""
    known, new = Alarms(client, "SC-A"), Alarms(client, "SC-B")
    for one in (known, new):
        await one.configure({"parameters": {"temp": {"warnHigh": 50}}})
    await known.report(20, temp=40)
    await known.report(21, temp=40)
    await until_async(lambda: database.fetchval("SELECT count(*) = 2 FROM app.snapshot"), "what is known")
    made, newest_times = draft.made, alarm_marks.newest_times
    is_made, is_met, has_failed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def fail_once(*given: Any, **named: Any) -> Any:
        if has_failed.is_set():
            return await made(*given, **named)
        is_made.set()
        await is_met.wait()
        has_failed.set()
        raise LookupError("planted")

    async def meet_slowly(connection: Any, names: Any) -> Any:
        if "SC-B" in names:
            is_met.set()
            await has_failed.wait()
            for _ in range(3):  # the worker goes on
                await connection.execute("SELECT pg_sleep(0.05)")
        return await newest_times(connection, names)

    monkeypatch.setattr(draft, "made", fail_once)
    monkeypatch.setattr(alarm_marks, "newest_times", meet_slowly)
    monkeypatch.setattr(worker, "_SET_ASIDE", 0.2)
    await known.report(10, temp=60)  # late: for the worker
    await known.report(11, temp=40)
    await is_made.wait()
    for second in range(22, 30):
        await asyncio.gather(known.report(second, temp=60), new.report(second, temp=60))
    found = "SELECT spacecraft_id FROM app.alarm WHERE parameter = 'temp' ORDER BY spacecraft_id, start"

    async def names() -> list[str]:
        return [row[0] for row in await database.fetch(found)]

    await until_async(lambda: _is(names, ["SC-A", "SC-A", "SC-B"]), "all alarms")
    assert service.ingest_status.interruptions == 0
