"""The worker of alarms: one spacecraft with very much to fold again does not hold up the others."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from missionops import app
from missionops.ingest import roll_up_worker
from missionops.ingest.alarms import draft, engine, worker
from missionops.ingest.alarms.pace import Pace
from missionops.store import alarm_marks
from tests.integration.alarms.test_told import Alarms
from tests.wait import until_async

ALARMS = "SELECT spacecraft_id, start FROM app.alarm WHERE parameter = 'temp' ORDER BY spacecraft_id, start"

ARE_STORED = "SELECT count(*) = cardinality($1::text[]) FROM app.snapshot WHERE spacecraft_id = ANY ($1)"


class Held:
    """What the folding of some spacecraft waits for; others wait for nothing."""

    def __init__(self) -> None:
        self.until: dict[str, asyncio.Event] = {}
        self.paces: dict[str, Pace] = {}
        """At which each that was begun goes on."""


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    made, found = draft.made, Held()

    async def made_later(stored: Any, *given: Any) -> Any:
        found.paces[stored.spacecraft_id] = stored.history.pace
        if event := found.until.get(stored.spacecraft_id):
            await event.wait()
        return await made(stored, *given)

    monkeypatch.setattr(draft, "made", made_later)
    monkeypatch.setattr(worker, "_LONG", 0.5)
    monkeypatch.setattr(worker, "_PATIENCE", 0.5)
    monkeypatch.setattr(worker, "_SET_ASIDE", 0.2)
    return found


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.usefixtures("service")
async def test_others_do_not_wait_for_those_that_take_long(client, database, held, monkeypatch, most):
    """However many may go on at a time: one more is given up for now, and tried again."""
    monkeypatch.setattr(worker, "_MOST_LONG", most)
    held.until["SC-A"], held.until["SC-B"] = asyncio.Event(), asyncio.Event()
    fleet = await _reported_late(client, database, ("SC-A", "SC-B", "SC-C"))
    await until_async(lambda: _are(database, ["SC-C"]), "the alarm of the one that does not take long")
    held.until["SC-B"].set()
    await until_async(lambda: _are(database, ["SC-B", "SC-C"]), "the alarm of the second")
    await fleet[2].report(12, temp=60)
    await until_async(lambda: _are(database, ["SC-B", "SC-C", "SC-C"]), "another one")
    held.until["SC-A"].set()
    await until_async(lambda: _are(database, ["SC-A", "SC-B", "SC-C", "SC-C"]), "the alarm of the first")


@pytest.mark.usefixtures("service")
async def test_those_that_take_long_leave_most_of_the_time_to_others(client, database, held, monkeypatch):
    held.until["SC-A"], held.until["SC-B"] = asyncio.Event(), asyncio.Event()
    await _reported_late(client, database, ("SC-A",))
    await until_async(lambda: "SC-A" in held.paces, "the one that takes long")
    monkeypatch.setattr(worker, "_LONG", 60)
    pace = held.paces["SC-A"]
    await _reported_late(client, database, ("SC-B",))
    await until_async(lambda: "SC-B" in held.paces and pace.is_slow, "that it goes on slowly")
    held.until["SC-B"].set()
    await until_async(lambda: not pace.is_slow, "that it goes on as before")
    held.until["SC-A"].set()
    await until_async(lambda: _are(database, ["SC-A", "SC-B"]), "both alarms")


@pytest.mark.usefixtures("service")
async def test_batches_that_always_bring_more_do_not_keep_the_worker_from_its_end(client, database, monkeypatch):
    """They wait for it, but not for long; then what they bring is found by the worker, too."""
    made, calls = draft.made, 0

    async def made_in_vain(stored: Any, base: Any, memory: Any) -> Any:
        nonlocal calls
        calls += 1
        base.changes += calls <= 3  # as if a batch had come meanwhile
        if calls == 4:
            await asyncio.Event().wait()
        return await made(stored, base, memory)

    monkeypatch.setattr(engine, "_LONGEST", 0.2)
    monkeypatch.setattr(draft, "made", made_in_vain)
    [one] = await _reported_late(client, database, ("SC-A",))
    await until_async(lambda: _are(database, ["SC-A"]), "the alarm that came late")
    assert calls == 5
    await one.report(30, temp=60)
    await until_async(lambda: _are(database, ["SC-A", "SC-A"]), "the next alarm")


async def _reported_late(client: Any, database: Any, names: Sequence[str]) -> list[Alarms]:
    """Spacecraft with an alarm that came late, so that the worker finds it."""
    fleet = [Alarms(client, name) for name in names]
    for one in fleet:
        await one.configure({"parameters": {"temp": {"warnHigh": 50}}})
        await one.report(20, temp=40)
    await until_async(lambda: database.fetchval(ARE_STORED, names), "the first snapshots")
    for one in fleet:
        await one.report(10, temp=60)
        await one.report(11, temp=40)
    return fleet


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
    await until_async(lambda: _are(database, ["SC-A", "SC-A", "SC-B"]), "all alarms")
    assert service.ingest_status.interruptions == 0


async def test_a_lock_that_lasts_does_not_end_the_session(settings, client, database, monkeypatch, caplog):
    """Such as an operator's, on a table that the workers read."""
    monkeypatch.setattr(worker, "_LIMITS", worker._LIMITS | {"lock_timeout": "100ms"})
    monkeypatch.setattr(roll_up_worker, "_SETTINGS", roll_up_worker._SETTINGS | {"lock_timeout": "100ms"})
    caplog.set_level(logging.DEBUG, "missionops.ingest")
    async with app.running(settings) as service:
        await service.until_ready()
        async with database.transaction():
            await database.execute("LOCK TABLE app.alarm_shelf, app.stale_hour IN ACCESS EXCLUSIVE MODE")
            for waiting in ("marked alarms wait for", "roll-ups wait for"):
                await until_async(lambda text=waiting: _is_logged(caplog, text), waiting)
        assert service.ingest_status.interruptions == 0


async def _is_logged(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


async def _are(database: Any, expected: list[str]) -> bool:
    return [row[0] for row in await database.fetch(ALARMS)] == expected
