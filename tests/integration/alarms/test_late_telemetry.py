"""When late telemetry is worked in, and what is left of what retention has removed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from missionops.ingest import record
from missionops.ingest.alarms import draft, in_order
from missionops.store import alarm_marks, anomalies
from missionops.store.checkpoint import Lease
from tests.integration.alarms.test_any_order import by_reference, found, until_settled
from tests.integration.alarms.test_told import Alarms
from tests.wait import until_async

POSITION = bytes(16)


@pytest.mark.parametrize(
    ("ages", "is_due"),
    [
        ((0.5,), False),  # more may be on its way
        ((1.5,), True),
        ((4.0, 0.5), False),
        ((5.5, 0.5), True),  # and that has lasted for 5 s
    ],
)
async def test_late_telemetry_is_due_a_second_after_the_last_of_it_or_five_after_the_first(database, ages, is_due):
    await database.execute('INSERT INTO app.checkpoint ("partition", epoch) VALUES (0, 7) ON CONFLICT DO NOTHING')
    epoch = await database.fetchval('SELECT epoch FROM app.checkpoint WHERE "partition" = 0')
    for age in ages:
        await database.execute(
            """
            INSERT INTO app.alarm_mark (
                spacecraft_id, parameter, "check", first_position, last_position, is_late, marked_at
            ) VALUES ('SC-001', 'temp', 'LIMIT', $1, $1, true, clock_timestamp() - make_interval(secs => $2))
            """,
            POSITION,
            age,
        )
    found = await alarm_marks.due(database, Lease(0, epoch), 10)
    assert found == (["SC-001"] if is_due else [])


@pytest.fixture
def alarms(service, client) -> Alarms:
    return Alarms(client)


async def kept(database: Any) -> list[tuple[Any, ...]]:
    rows = await database.fetch('SELECT start, "end", state, episode::text FROM app.alarm ORDER BY start')
    return [(*row[:3], json.loads(row[3])["facts"]["samples"]) for row in rows]


async def test_what_retention_has_removed_changes_nothing_and_its_alarms_stay_as_they_were(alarms, database):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "raise": {"samples": 2}}}})
    for second, value in ((1, 60), (2, 60), (3, 40), (10, 60), (20, 40)):
        await alarms.report(second, temp=value)
    await until_settled(database, 5)
    before = await kept(database)
    assert [one[-1] for one in before] == [2]
    await database.execute("DELETE FROM app.snapshot WHERE \"timestamp\" < '2026-01-01T00:00:15Z'")
    await alarms.report(12, temp=60)  # with the one at 10 it would raise an alarm
    await until_settled(database, 2)
    assert await kept(database) == before


async def test_a_late_sample_of_an_alarm_that_is_partly_removed_is_counted_on_top(alarms, database):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    for second in (1, 2, 3, 10, 20):
        await alarms.report(second, temp=60)
    await until_settled(database, 5)
    await database.execute("DELETE FROM app.snapshot WHERE \"timestamp\" < '2026-01-01T00:00:09Z'")
    await alarms.report(15, temp=90)
    await until_settled(database, 3)
    [(_, end, state, samples)] = await kept(database)
    assert (end, state, samples) == (None, "ACTIVE_UNACKNOWLEDGED", 6)


async def test_samples_of_a_clock_that_is_wrong_are_counted_where_they_stand(alarms, database, monkeypatch):
    """Those stamped years ahead stand at their reception: the alarm that is open then has them, one before it not."""
    counted, count = list[bool](), anomalies.count

    async def noting(*given: Any, has_misdated: bool, **named: Any) -> Any:
        counted.append(has_misdated)
        return await count(*given, has_misdated=has_misdated, **named)

    monkeypatch.setattr(anomalies, "count", noting)
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    for second, value in ((1, 60), (2, 60), (3, 40), (10, 60), (11, 60), (20, 60)):
        await alarms.report(second, temp=value)
    for day in ("01", "02"):
        await alarms.report_at(f"2100-01-{day}T00:00:00Z", f"ahead-{day}", temp=70)
    await until_settled(database, 8)
    await alarms.report(15, temp=60)
    await until_settled(database, 9)
    assert [one[-1] for one in await kept(database)] == [2, 6]
    assert await found(database, "SC-001") == await by_reference(database, "SC-001")
    assert True in counted


async def test_late_telemetry_without_a_parameter_is_folded_again_for_its_staleness_alone(
    alarms, database, monkeypatch
):
    """An alarm of CHANGE that stands for months is counted anew where its own parameter came late, and only then."""
    marked = list[tuple[str | None, str | None]]()
    marks_of = in_order.marks_of

    def noted(*given: Any) -> Any:
        marks = [*marks_of(*given)]
        marked.extend((one.parameter, one.check) for one in marks)
        return iter(marks)

    monkeypatch.setattr(in_order, "marks_of", noted)
    rules = {"a": {"change": {"per": "sample", "warn": 1}}, "b": {"warnHigh": 50}, "c": {"staleAfter": 4}}
    await alarms.configure({"parameters": rules})
    for second, value in ((10, 0), (20, 5), (30, 0)):
        await alarms.report(second, a=value, b=60)
    await until_settled(database, 3)
    cases: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
        ({"b": 60}, {("b", "LIMIT"), ("c", "STALE")}),
        ({"a": 3}, {("a", "CHANGE"), ("c", "STALE")}),
        ({"a": None, "c": 1}, {("c", "STALE")}),
        ({}, {("c", "STALE")}),
    ]
    for number, (values, expected) in enumerate(cases):
        marked.clear()
        await alarms.report(22 + number, **values)
        await until_settled(database, 4 + number)
        assert {*marked} == expected, values
    assert await found(database, alarms.name) == await by_reference(database, alarms.name)


async def test_an_alarm_that_a_config_ended_has_no_samples_of_after_its_end(alarms, database, monkeypatch):
    """The config after it has the check again, and its first sample comes before the worker has ended anything."""
    may_end, due = asyncio.Event(), alarm_marks.due

    async def due_later(*args: Any) -> Any:
        return await due(*args) if may_end.is_set() else []

    monkeypatch.setattr(alarm_marks, "due", due_later)
    rule = {"parameters": {"temp": {"warnHigh": 50}}}
    await alarms.configure(rule)
    await alarms.report(1, temp=60)
    await alarms.until_told("RAISED")
    await alarms.configure({})
    await alarms.configure(rule)
    await alarms.report_at(datetime.now(UTC).isoformat(), temp=90)
    await until_async(lambda: database.fetchval("SELECT count(*) = 2 FROM app.snapshot"), "both are stored")
    assert len(await alarms.told()) == 1
    may_end.set()
    await until_settled(database, 2)
    assert await found(database, "SC-001") == await by_reference(database, "SC-001")
    assert [one[-1] for one in await kept(database)] == [1, 1]


class Held:
    """Batches are held back between their judging and their commit, once `begins` is set and until `may_end` is."""

    def __init__(self) -> None:
        self.begins, self.is_judged, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()


@pytest.fixture
def held(monkeypatch) -> Held:
    held, record_ = Held(), record.record

    async def hold(*args: Any, **named: Any) -> Any:
        found = await record_(*args, **named)
        if found.judged and held.begins.is_set():
            held.is_judged.set()
            await held.may_end.wait()
        return found

    monkeypatch.setattr(record, "record", hold)
    return held


def from_now(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("value", [40, 60])
async def test_a_config_ends_nothing_before_what_was_judged_and_not_stored_when_it_was_set(
    alarms, database, held, value
):
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    await alarms.report(1, temp=60)
    await alarms.until_told("RAISED")
    held.begins.set()
    await alarms.report_at(from_now(300), temp=value)
    await held.is_judged.wait()
    await alarms.configure({})
    await alarms.until_told("RAISED", "RETURNED")
    held.may_end.set()
    await until_settled(database, 2)
    assert await found(database, "SC-001") == await by_reference(database, "SC-001")


async def test_a_config_ends_nothing_before_what_is_stored_while_the_worker_folds_what_it_ends(
    alarms, database, held, monkeypatch
):
    is_begun, may_go_on, is_folded, may_finish, made = *(asyncio.Event() for _ in range(4)), draft.made

    async def made_slowly(*args: Any) -> Any:
        if not is_begun.is_set():  # the first time it is in vain, as there is more when it is made
            is_begun.set()
            await may_go_on.wait()
            return await made(*args)
        found = await made(*args)
        is_folded.set()
        await may_finish.wait()
        return found

    await alarms.configure({"parameters": {"temp": {"warnHigh": 50}}})
    await alarms.report(1, temp=60)
    await alarms.until_told("RAISED")
    monkeypatch.setattr(draft, "made", made_slowly)
    await alarms.configure({"parameters": {"temp": {"warnHigh": 50, "staleAfter": 9}}})
    await is_begun.wait()
    await alarms.report(2, temp=60)  # under a new check: batches only mark what they bring from now on
    await until_async(lambda: database.fetchval("SELECT count(*) = 2 FROM app.snapshot"), "both are stored")
    held.begins.set()
    await alarms.report_at(from_now(300), temp=60)
    await held.is_judged.wait()
    await alarms.configure({})
    may_go_on.set()
    await is_folded.wait()
    held.may_end.set()
    await until_async(lambda: database.fetchval("SELECT count(*) = 3 FROM app.snapshot"), "all are stored")
    may_finish.set()
    await until_settled(database, 3)
    assert await found(database, "SC-001") == await by_reference(database, "SC-001")
