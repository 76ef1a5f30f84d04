"""Each planted fault in the finding of alarms is found by a check that the service itself comes through."""

import json
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

import asyncpg
import pytest
from nats.aio.client import Client

from missionops.ingest.alarms import draft, writing
from tests.integration.alarms.test_any_order import by_reference, found, until_settled
from tests.integration.alarms.test_told import Alarms
from tests.resilience.alarm_mutants import ALARM_MUTANTS, AlarmMutant
from tests.resilience.edits import planted
from tests.unit.domain.episodes import engine, histories, reference
from tests.wait import until_async

HISTORIES = 400
NAME = "SC-001"
RULE = {"warnHigh": 50, "critHigh": 70}


class Bench:
    """A spacecraft, what it reports, and how its alarms are kept."""

    def __init__(self, client: Client, database: "asyncpg.Connection[asyncpg.Record]", patch: pytest.MonkeyPatch):
        self.client = client
        self.alarms = Alarms(client, NAME)
        self.database = database
        self.patch = patch
        self._sent = 0

    async def configure(self, **rule: Any) -> None:
        await self.alarms.configure({"parameters": {"temp": {**RULE, **rule}}})

    async def report(self, *samples: tuple[int, int]) -> None:
        """Report values at these seconds, and wait until all alarms in them were found."""
        for second, value in samples:
            await self.alarms.report(second, temp=value)
        self._sent += len(samples)
        await until_settled(self.database, self._sent)

    async def acknowledge(self) -> None:
        ids = [row[0] for row in await self.database.fetch("SELECT id FROM app.alarm WHERE acknowledged_at IS NULL")]
        subject = f"missionops.alarms.acknowledge.{NAME}"
        reply = json.loads((await self.client.request(subject, json.dumps({"ids": ids}).encode(), timeout=5)).data)
        assert len(reply["alarms"]) == len(ids)

    async def states(self) -> list[str]:
        """Those of the alarms in their order; what is retracted is left out."""
        query = "SELECT state FROM app.alarm WHERE state <> 'RETRACTED' ORDER BY start"
        return [row[0] for row in await self.database.fetch(query)]

    async def assert_right(self) -> None:
        assert await found(self.database, NAME) == await by_reference(self.database, NAME)


async def late_samples(bench: Bench) -> None:
    await bench.configure()
    await bench.report((10, 40), (20, 40))
    await bench.report((15, 60))
    await bench.assert_right()


async def after_a_failure(bench: Bench) -> None:
    """The first attempt to keep what was found fails, as by a fault of ours."""
    await bench.configure()
    await bench.report((10, 40))
    write, attempts = writing.write, iter((True,))

    async def fail_once(*given: Any, **named: Any) -> Any:
        if next(attempts, False):
            raise LookupError("planted")
        return await write(*given, **named)

    bench.patch.setattr(writing, "write", fail_once)
    await bench.report((20, 60))
    await bench.assert_right()


async def more_while_marks_are_worked_off(bench: Bench) -> None:
    """A sample in order arrives while a late one is worked in, and ends the alarm that is folded again."""
    await bench.configure()
    await bench.report((10, 60), (20, 60))
    made, attempts = draft.made, iter((True,))

    async def made_slowly(*given: Any, **named: Any) -> Any:
        found = await made(*given, **named)
        if found and next(attempts, False):
            await bench.alarms.report(30, temp=40)
            query = "SELECT count(*) = 4 FROM app.snapshot"
            await until_async(lambda: given[0].connection.fetchval(query), "the sample that came meanwhile")
        return found

    bench.patch.setattr(draft, "made", made_slowly)
    await bench.report((15, 75))
    await bench.assert_right()
    await bench.report((40, 40))
    assert await bench.states() == ["RETURNED_UNACKNOWLEDGED"]


async def acknowledged_and_worse(bench: Bench) -> None:
    await bench.configure()
    await bench.report((10, 60))
    await bench.acknowledge()
    await bench.report((20, 75))
    assert await bench.states() == ["ACTIVE_UNACKNOWLEDGED"]


async def revisions(bench: Bench) -> None:
    await bench.configure()
    await bench.report((10, 60), (20, 40))
    rows = await bench.database.fetch("SELECT revision FROM app.alarm_transition ORDER BY number")
    assert [row[0] for row in rows] == [1, 2]


async def merged_with_one_that_waits(bench: Bench) -> None:
    await bench.configure(clear={"samples": 2})
    await bench.report((10, 60), (20, 40), (22, 40))
    await bench.acknowledge()
    await bench.report((30, 60), (32, 40), (34, 40))
    assert await bench.states() == ["CLOSED", "RETURNED_UNACKNOWLEDGED"]
    await bench.report((21, 60))  # between the two that ended the first
    assert await bench.states() == ["RETURNED_UNACKNOWLEDGED"]


CHECKS: Mapping[str, Callable[[Bench], Awaitable[None]]] = {
    check.__name__: check
    for check in (
        late_samples,
        after_a_failure,
        more_while_marks_are_worked_off,
        acknowledged_and_worse,
        revisions,
        merged_with_one_that_waits,
    )
}


def episodes_in_any_order() -> None:
    for seed in range(HISTORIES):
        random = Random(seed)  # noqa: S311 - a seed has to give the same
        given = histories.history(random, 30)
        assert engine.run(given, random) == reference.episodes(given)


def named(mutants: list[AlarmMutant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mutant", mutants, ids=[one.name.replace(" ", "-") for one in mutants])


@named([one for one in ALARM_MUTANTS if one.check == episodes_in_any_order.__name__])
def test_a_mutant_of_the_episodes_is_found(mutant: AlarmMutant) -> None:
    with planted(mutant.change), pytest.raises(AssertionError):
        episodes_in_any_order()


@named([one for one in ALARM_MUTANTS if one.check in CHECKS])
async def test_a_mutant_of_the_engine_is_found(mutant, service, client, database, monkeypatch) -> None:
    with planted(mutant.change), pytest.raises(AssertionError):
        await CHECKS[mutant.check](Bench(client, database, monkeypatch))


@pytest.mark.parametrize("check", CHECKS)
async def test_the_service_comes_through_every_check(check, service, client, database, monkeypatch) -> None:
    await CHECKS[check](Bench(client, database, monkeypatch))
