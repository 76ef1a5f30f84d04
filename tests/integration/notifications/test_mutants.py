"""Each planted fault in the telling of people is found by a check that the service itself comes through."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from nats.aio.client import Client

from missionops.domain.severity import Severity
from missionops.errors import Unavailable
from missionops.notifications.intake import Intake
from tests.integration.notifications.conftest import AlarmLife, Clock, Hook, Serve, Start, Turning
from tests.resilience.edits import planted
from tests.resilience.notification_mutants import NOTIFICATION_MUTANTS, NotificationMutant
from tests.wait import until_async

TEMP = "HIGH SC-001 temp 71.5 °C"


class Bench:
    """Alarms, and whoever is told of them."""

    def __init__(self, hook: Hook, on: AlarmLife, start: Start, clock: Clock) -> None:
        self.hook, self.on, self.start, self.clock = hook, on, start, clock

    def file(self, more: str = "group = 0\n") -> str:
        return f'[targets]\nops = "{self.hook.address("ops")}"\n[[routes]]\nto = "ops"\n{more}'

    async def notifier(self, more: str = "group = 0\n") -> Turning:
        return await self.start(self.file(more))

    async def looks(self, notifier: Turning, *seconds: float) -> list[str]:
        """Let it look now, and after each of these pauses: what people were told."""
        await notifier.look()
        for pause in seconds:
            self.clock.move(pause)
            await notifier.look()
        return self.hook.titles()


async def killed_while_it_sends(bench: Bench) -> None:
    first, second = await bench.notifier(), await bench.notifier()
    bench.hook.hanging["ops"] = asyncio.Event()
    await bench.on.raise_()
    await first.intake.catch_up()
    await first.turn(first.connection)
    async with asyncio.timeout(60):
        await bench.hook.arrived.wait()
    for task in first._sending.values():
        task.cancel()
    bench.hook.hanging.pop("ops").set()
    await bench.looks(second, 31)
    assert second.status.sent("ops") == 1


async def refused_at_first(bench: Bench) -> None:
    bench.hook.status["ops"] = 503
    notifier = await bench.notifier()
    await bench.on.raise_()
    assert await bench.looks(notifier) == []
    bench.hook.status["ops"] = 200
    assert await bench.looks(notifier, 5) == [TEMP]


async def told_once(bench: Bench) -> None:
    notifier = await bench.notifier()
    await bench.on.raise_()
    assert await bench.looks(notifier, 60, 60) == [TEMP]


async def two_instances(bench: Bench) -> None:
    first, second = await bench.notifier(), await bench.notifier()
    bench.hook.hanging["ops"] = asyncio.Event()
    await bench.on.raise_()
    await first.intake.catch_up()
    await first.turn(first.connection)
    await second.turn(second.connection)
    assert not second._sending
    bench.hook.hanging.pop("ops").set()
    assert await bench.looks(first) == [TEMP]


async def two_in_a_group(bench: Bench) -> None:
    notifier = await bench.notifier("group = 30\n")
    for name in ("a", "b"):
        await bench.on.raise_(parameter=name)
    [title] = await bench.looks(notifier, 30)
    assert title.startswith("2 alarms, first: HIGH SC-001 ")


async def acknowledged_after_it_was_told(bench: Bench) -> None:
    notifier = await bench.notifier("group = 0\nrepeat = 60\n")
    alarm = await bench.on.raise_()
    assert await bench.looks(notifier, 60) == [TEMP, "UNACKNOWLEDGED HIGH SC-001 temp"]
    await bench.on.acknowledge(alarm)
    assert len(await bench.looks(notifier, 60, 60)) == 2


async def acknowledged_before_it_was_told(bench: Bench) -> None:
    notifier = await bench.notifier("group = 30\n")
    alarm = await bench.on.raise_()
    assert await bench.looks(notifier) == []
    await bench.on.acknowledge(alarm)
    assert await bench.looks(notifier, 31) == []


async def escalated_after_a_while(bench: Bench) -> None:
    notifier = await bench.notifier("group = 0\nafter = 300\n")
    await bench.on.raise_()
    assert await bench.looks(notifier, 299) == []
    assert await bench.looks(notifier, 1) == [TEMP]


async def shelved(bench: Bench) -> None:
    notifier = await bench.notifier()
    await bench.on.shelve(await bench.on.raise_())
    assert await bench.looks(notifier, 60) == []


async def critical_in_quiet_hours(bench: Bench) -> None:
    notifier = await bench.notifier('group = 0\nquiet = {from = "11:00", to = "13:00", below = "CRITICAL"}\n')
    await bench.on.raise_(parameter="a")
    await bench.on.raise_(parameter="b", severity=Severity.CRITICAL)
    assert await bench.looks(notifier) == ["CRITICAL SC-001 b 71.5 °C"]
    assert await bench.looks(notifier, 3600) == ["CRITICAL SC-001 b 71.5 °C", "HIGH SC-001 a 71.5 °C"]


CHECKS: Mapping[str, Callable[[Bench], Awaitable[None]]] = {
    check.__name__: check
    for check in (
        killed_while_it_sends,
        refused_at_first,
        told_once,
        two_instances,
        two_in_a_group,
        acknowledged_after_it_was_told,
        acknowledged_before_it_was_told,
        escalated_after_a_while,
        shelved,
        critical_in_quiet_hours,
    )
}


async def database_away_for_a_moment(
    bench: Bench, serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt to take in a transition fails, as while the database is away."""
    take, failed = Intake.take, list[bool]()

    async def fail_once(*given: Any) -> None:
        if not failed:
            failed.append(True)
            raise Unavailable("The database is away.")
        await take(*given)

    monkeypatch.setattr(Intake, "take", fail_once)
    async with serve(bench.file()):
        rules = {"parameters": {"temp": {"warnHigh": 45}}}
        await client.request("missionops.config.set.SC-001", json.dumps(rules).encode(), timeout=5)
        body = {"timestamp": "2026-01-01T00:00:00Z", "parameters": {"temp": 50}}
        await client.request("telemetry.SC-001", json.dumps(body).encode(), timeout=5)

        async def is_taken_in() -> bool:
            found = await client.jetstream().consumer_info("ALARMS", "missionops-notifications")
            return bool(failed) and found.ack_floor.stream_seq == 1

        await until_async(is_taken_in, "the acknowledgement of the transition")
        assert await bench.on.followed() == [1]


@pytest.fixture
def bench(hook, on, start, clock) -> Bench:
    return Bench(hook, on, start, clock)


def named(mutants: list[NotificationMutant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mutant", mutants, ids=[one.name.replace(" ", "-") for one in mutants])


@named([one for one in NOTIFICATION_MUTANTS if one.check in CHECKS])
async def test_a_mutant_of_the_notifier_is_found(mutant: NotificationMutant, bench: Bench) -> None:
    with planted(mutant.change), pytest.raises(AssertionError):
        await CHECKS[mutant.check](bench)


@pytest.mark.parametrize("check", CHECKS)
async def test_the_notifier_comes_through_every_check(check: str, bench: Bench) -> None:
    await CHECKS[check](bench)


@named([one for one in NOTIFICATION_MUTANTS if one.check == database_away_for_a_moment.__name__])
async def test_a_mutant_of_the_subscriber_is_found(mutant, bench, serve, client, monkeypatch) -> None:
    with planted(mutant.change), pytest.raises(AssertionError):
        await database_away_for_a_moment(bench, serve, client, monkeypatch)


async def test_the_subscriber_comes_through_its_check(bench, serve, client, monkeypatch) -> None:
    await database_away_for_a_moment(bench, serve, client, monkeypatch)
