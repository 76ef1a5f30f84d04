"""Notifiers on a real database, with real targets on loopback, and a clock that the test moves."""

import asyncio

import pytest

from missionops.domain.severity import Severity
from missionops.notifications import composer, intake
from missionops.notifications import target as targets
from tests.integration.notifications.conftest import SECRET
from tests.wait import until_async

ONE = '[targets]\nops = "{ops}"\n[[routes]]\nto = "ops"\ngroup = 0\n'


@pytest.fixture
def one(hook) -> str:
    """A file with one target and one route, at once."""
    return ONE.format(ops=hook.address("ops"))


async def test_an_alarm_is_told_once(hook, on, start, one, clock):
    notifier = await start(one)
    await on.raise_()
    await notifier.look()
    clock.move(60)
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 temp 71.5 °C"]
    assert notifier.status.sent("ops") == 1


async def test_one_that_is_over_and_one_that_is_retracted_are_told(hook, on, start, one, pool):
    notifier = await start(one)
    alarm = await on.raise_()
    await notifier.look()
    on.clock.move(10)
    await on.retract(alarm)
    async with pool.transaction() as connection:
        await notifier.take_all(connection)  # catch_up looks at those that stand
    await notifier.tick()
    assert hook.titles() == ["HIGH SC-001 temp 71.5 °C", "RETRACTED SC-001 temp (was HIGH)"]


async def test_an_escalation_is_stopped_by_an_acknowledgement(hook, on, start, clock):
    notifier = await start(
        f'[targets]\nboss = "{hook.address("boss")}"\n[[routes]]\nto = "boss"\nafter = 300\ngroup = 0\n'
    )
    one, other = await on.raise_(parameter="a"), await on.raise_(parameter="b")
    clock.move(299)
    await notifier.look()
    assert hook.to("boss") == []
    await on.acknowledge(one)
    clock.move(1)
    await notifier.look()
    assert hook.titles("boss") == ["HIGH SC-001 b 71.5 °C"]
    assert other.id in hook.to("boss")[0]["message"]


async def test_repeats_come_until_somebody_acknowledges(hook, on, start, one, clock):
    notifier = await start(one + "repeat = 60\n")
    alarm = await on.raise_()
    for _ in range(3):
        await notifier.look()
        clock.move(60)
    await on.acknowledge(alarm)
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 temp 71.5 °C", *2 * ["UNACKNOWLEDGED HIGH SC-001 temp"]]


async def test_what_comes_while_a_group_waits_is_one_message(hook, on, start, one, clock):
    notifier = await start(one.replace("group = 0", "group = 30"))
    await on.raise_(parameter="a")
    await notifier.look()
    clock.move(20)
    await on.raise_(parameter="b", severity=Severity.CRITICAL)
    await notifier.look()
    assert hook.titles() == []
    clock.move(10)
    await notifier.look()
    [message] = hook.to("ops")
    assert message["title"] == "2 alarms, first: CRITICAL SC-001 b 71.5 °C"
    assert "1 CRITICAL, 1 HIGH" in message["message"]


async def test_quiet_hours_end_with_one_message(hook, on, start, one, clock):
    notifier = await start(one + 'quiet = {from = "11:00", to = "13:00", below = "CRITICAL"}\n')
    for name in ("a", "b"):
        await on.raise_(parameter=name)
        clock.move(60)
        await notifier.look()
    await on.raise_(parameter="c", severity=Severity.CRITICAL)
    await notifier.look()
    assert hook.titles() == ["CRITICAL SC-001 c 71.5 °C"]
    clock.move(3600)
    await notifier.look()
    assert len(hook.titles()) == 2
    assert hook.titles()[1].startswith("2 alarms, first: HIGH SC-001 ")


async def test_what_is_shelved_is_not_told_and_is_when_it_is_no_more(hook, on, start, one, clock):
    notifier = await start(one)
    alarm = await on.raise_()
    await on.shelve(alarm)
    await notifier.look()
    clock.move(3600)
    await notifier.look()
    assert hook.titles() == []
    await on.unshelve(alarm)
    await notifier.look()
    clock.move(60)
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 temp 71.5 °C"]


async def test_what_was_told_and_shelved_is_told_again(hook, on, start, one, clock):
    notifier = await start(one)
    alarm = await on.raise_()
    await notifier.look()
    await on.shelve(alarm)
    clock.move(3600)
    await notifier.look()
    await on.unshelve(alarm)
    await notifier.look()
    assert hook.titles() == 2 * ["HIGH SC-001 temp 71.5 °C"]


async def test_what_is_masked_is_told_when_its_mask_has_gone(hook, on, start, one, clock):
    notifier = await start(one)
    mask = await on.raise_(parameter="power")
    await on.raise_(masked_by="power")
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 power 71.5 °C"]
    await on.retract(mask)
    clock.move(11)
    await notifier.look()
    assert "HIGH SC-001 temp 71.5 °C" in hook.titles()


async def test_a_failing_target_is_tried_again_and_shown_and_holds_up_no_other(hook, on, start, clock):
    both = f'[targets]\nbad = "{hook.address("bad")}"\nops = "{hook.address("ops")}"\n'
    notifier = await start(both + '[[routes]]\nto = ["bad", "ops"]\ngroup = 0\n')
    hook.status["bad"] = 503
    await on.raise_(parameter="a")
    await notifier.look()
    await notifier.look()  # no attempt before its time
    assert (notifier.status.failed("bad"), notifier.status.sent("ops")) == (1, 1)
    trouble = notifier.status.target_trouble("bad")
    assert trouble
    assert "The target bad of notifications does not take them (it answered with the status 503, 1 times" in trouble
    for pause in (5, 10, 20):
        clock.move(pause)
        await notifier.look()
    assert notifier.status.failed("bad") == 4
    clock.move(30)
    await on.raise_(parameter="b")  # what comes meanwhile is told in the next message
    await notifier.look()
    hook.status["bad"] = 200
    clock.move(60)
    await notifier.look()
    await notifier.look()
    assert hook.titles("bad") == ["HIGH SC-001 a 71.5 °C", "HIGH SC-001 b 71.5 °C"]
    assert notifier.status.target_trouble("bad") is None


async def test_pauses_grow_to_a_bound(hook, on, start, one, clock):
    notifier = await start(one)
    hook.status["ops"] = 500
    await on.raise_()
    await notifier.look()
    for _ in range(12):
        clock.move(300)
        await notifier.look()
    assert notifier.status.failed("ops") == 13
    assert not notifier.status.is_telling(clock.now)


async def test_a_target_that_hangs_holds_up_no_other(hook, on, start, clock, monkeypatch):
    monkeypatch.setattr(targets, "SEND_TIME", 0.2)
    hook.hanging["slow"] = asyncio.Event()
    notifier = await start(
        f'[targets]\nslow = "{hook.address("slow")}"\nops = "{hook.address("ops")}"\n'
        '[[routes]]\nto = ["slow", "ops"]\ngroup = 0\n'
    )
    await on.raise_()
    await notifier.intake.catch_up()
    await notifier.turn(notifier.connection)
    await hook.until(1)
    await until_async(lambda: not notifier._sending, "the end of the call")
    await notifier.turn(notifier.connection)
    assert (notifier.status.sent("ops"), notifier.status.failed("slow")) == (1, 1)
    assert "no answer within" in str(notifier.status.target_trouble("slow"))
    hook.hanging.pop("slow").set()
    clock.move(5)
    await notifier.tick()
    assert notifier.status.target_trouble("slow") is None


async def test_two_instances_tell_once(hook, on, start, one, clock):
    first, second = await start(one), await start(one)
    for number in range(20):
        await on.raise_(parameter=f"p{number}")
        await asyncio.gather(first.look(), second.look())
        clock.move(120)
    assert len(hook.titles()) == 20
    assert first.status.sent("ops") + second.status.sent("ops") == 20


async def test_what_an_instance_that_ended_was_sending_another_sends(hook, on, start, one, clock):
    hook.hanging["ops"] = asyncio.Event()
    first, second = await start(one), await start(one)
    await on.raise_()
    await first.intake.catch_up()
    await first.turn(first.connection)
    async with asyncio.timeout(60):
        await hook.arrived.wait()
    for task in first._sending.values():  # it ends now, in the middle
        task.cancel()
    hook.hanging.pop("ops").set()
    await second.look()
    clock.move(31)
    await second.look()
    assert set(hook.titles()) == {"HIGH SC-001 temp 71.5 °C"}
    assert second.status.sent("ops") == 1


async def test_a_new_route_tells_what_stands_in_one_message(hook, on, start, one):
    for number in range(30):
        await on.raise_(parameter=f"p{number:02}")
    notifier = await start(one)
    await notifier.look()
    [message] = hook.to("ops")
    assert message["title"].startswith("30 alarms, first: HIGH SC-001 p")
    assert "and 10 more" in message["message"]


async def test_a_target_that_is_gone_from_the_file_drops_its_message_and_says_so(hook, on, start, one, caplog):
    hook.status["ops"] = 500
    notifier = await start(one)
    await on.raise_()
    await notifier.look()
    other = await start(one.replace("ops", "new"))

    async def is_handling() -> bool:
        return False

    running = asyncio.create_task(other.run(is_handling))
    await until_async(lambda: "a message about 1 alarms is dropped" in caplog.text, "the line in the log")
    assert "the notify file has its target ops no more" in caplog.text
    other.stop()
    await running


async def test_mail_arrives(mailbox, on, start):
    notifier = await start(
        ONE.format(ops=f"mailto://127.0.0.1:{mailbox.port}/?from=missionops@example.org&to=a@example.org")
    )
    await on.raise_()
    await notifier.look()
    [(recipients, mail)] = mailbox.mails
    assert recipients == ["a@example.org"]
    assert "Parameter temp above critHigh 70" in mail


async def test_no_address_is_shown(hook, on, start, one, caplog):
    caplog.set_level(0)
    notifier = await start(one)
    for status in (500, 401):
        hook.status["ops"] = status
        await on.raise_(parameter=f"p{status}")
        await notifier.look()
        on.clock.move(60)
    assert "does not take them: it answered with the status 401" in caplog.text
    shown = (
        caplog.text + repr(notifier.status.waiting) + repr(vars(notifier)) + str(notifier.status.target_trouble("ops"))
    )
    assert SECRET not in shown


async def test_what_goes_on_coming_is_told_in_ever_fewer_messages(hook, on, start, one, clock):
    notifier = await start(one)
    for number in range(40):
        await on.raise_(parameter=f"p{number}")
        await notifier.look()
        clock.move(1)
    clock.move(60)
    await notifier.look()
    assert len(hook.titles()) <= 8
    assert hook.titles()[0] == "HIGH SC-001 p0 71.5 °C"
    told = sum(int(title.split()[0]) if " alarms, " in title else 1 for title in hook.titles())
    assert told == 40


async def test_the_sign_of_life_stays_away_when_telemetry_or_alarms_are_not_handled(hook, on, start, one, clock):
    notifier = await start(one.replace("[[", f'watchdog = "{hook.address("watchdog")}"\n[[')
                           + '[heartbeat]\nto = "watchdog"\nevery = 60\n')  # fmt: skip
    is_handling = True

    async def handling() -> bool:
        return is_handling

    async def beats() -> int:
        """How many there are after another minute."""
        clock.move(60)
        await notifier.look()
        await notifier._beat(notifier.connection, handling)
        if notifier._heartbeats:
            await asyncio.wait(notifier._heartbeats.values())
        return len(hook.to("watchdog"))

    assert [await beats(), await beats()] == [1, 2]
    is_handling = False
    assert await beats() == 2
    is_handling = True
    hook.status["ops"] = 500
    await on.raise_()
    assert await beats() == 3  # the target has just begun to fail
    assert [await beats() for _ in range(3)][-1] == await beats()
    hook.status["ops"] = 200
    clock.move(300)
    await notifier.look()
    count = len(hook.to("watchdog"))
    assert await beats() == count + 1
    notifier.status.note_behind(5, clock.now)
    clock.move(121)
    assert await beats() == count + 1
    notifier.status.note_behind(0, clock.now)
    assert await beats() == count + 2


async def test_two_instances_send_one_sign_of_life(hook, start, clock):
    content = f'[targets]\nops = "{hook.address("ops")}"\n[heartbeat]\nto = "ops"\nevery = 60\n'
    instances = [await start(content), await start(content)]

    async def handling() -> bool:
        return True

    for _ in range(3):
        for one in instances:
            await one._beat(one.connection, handling)
            if one._heartbeats:
                await asyncio.wait(one._heartbeats.values())
        clock.move(60)
    assert len(hook.titles()) == 3


async def test_a_clock_that_was_ahead_and_went_back_holds_up_no_message_and_no_sign_of_life(hook, start, on, clock):
    notifier = await start(
        f'[targets]\nops = "{hook.address("ops")}"\nwatchdog = "{hook.address("watchdog")}"\n'
        '[[routes]]\nto = "ops"\ngroup = 0\n[heartbeat]\nto = "watchdog"\nevery = 60\n'
    )

    async def handling() -> bool:
        return True

    async def beats() -> int:
        await notifier._beat(notifier.connection, handling)
        if notifier._heartbeats:
            await asyncio.wait(notifier._heartbeats.values())
        return len(hook.to("watchdog"))

    hook.status["ops"] = 503
    await on.raise_()
    clock.move(86_400)
    await notifier.look()
    assert await beats() == 1
    hook.status["ops"] = 200
    clock.move(-86_400)
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 temp 71.5 °C"]
    assert await beats() == 2
    clock.move(59)
    assert await beats() == 2


async def test_a_flood_is_told_in_several_messages_where_one_would_take_too_long(hook, start, on, one, monkeypatch):
    monkeypatch.setattr(composer, "_PAGE", 10)
    monkeypatch.setattr(composer, "_LONGEST", 0)
    for number in range(25):
        await on.raise_(parameter=f"p{number:02}")
    notifier = await start(one)
    for _ in range(3):
        await notifier.look()
        on.clock.move(60)
    assert [title.partition(",")[0] for title in hook.titles()] == ["10 alarms", "10 alarms", "5 alarms"]


async def test_a_route_that_comes_back_after_it_was_gone_goes_on_where_it_was(hook, start, on, one, pool):
    named = one + 'name = "all"\n'
    notifier = await start(named)
    told, risen = await on.raise_(parameter="a"), await on.raise_(parameter="b")
    await notifier.look()
    without = await start(f'[targets]\nops = "{hook.address("ops")}"\n')
    on.clock.move(60)
    await on.raise_(parameter="c")
    await on.retract(risen)
    await without.look()
    assert len(hook.titles()) == 1
    on.clock.move(60)
    again = await start(named)
    await again.look()
    assert hook.titles()[1:] == ["HIGH SC-001 c 71.5 °C"]  # what was told before is not told again
    await on.retract(told)
    async with pool.transaction() as connection:
        await again.take_all(connection)  # all that the stream holds from when the route was gone
    on.clock.move(60)
    await again.look()
    assert hook.titles()[2].startswith("2 alarms, first: RETRACTED SC-001 ")


async def test_long_histories_are_followed_in_several_transactions(hook, start, on, one, monkeypatch):
    monkeypatch.setattr(intake, "_LONGEST", 0)
    alarm, other = await on.raise_(parameter="a"), await on.raise_(parameter="b")
    await on.change(alarm, lambda: [alarm.add_comment("alice", on.clock.now, "Seen.") for _ in range(30)])
    await on.acknowledge(other)
    notifier = await start(one + 'match = {subsystem = "none"}\n[[routes]]\nto = "ops"\ngroup = 0\n')
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 a 71.5 °C"]
    assert {*await on.followed()} == {alarm.revision, other.revision} == {31, 2}


async def test_what_a_clock_that_was_ahead_has_raised_is_told_at_once_and_escalated_in_time(hook, start, on, clock):
    notifier = await start(
        f'[targets]\nops = "{hook.address("ops")}"\nboss = "{hook.address("boss")}"\n'
        '[[routes]]\nto = "ops"\ngroup = 0\n[[routes]]\nto = "boss"\nafter = 300\ngroup = 0\n'
    )
    clock.move(3_600)
    await on.raise_()
    clock.move(-3_600)
    await notifier.look()
    assert hook.titles() == ["HIGH SC-001 temp 71.5 °C"]
    clock.move(299)
    await notifier.look()
    assert hook.titles("boss") == []
    clock.move(1)
    await notifier.look()
    assert hook.titles("boss") == ["HIGH SC-001 temp 71.5 °C"]
