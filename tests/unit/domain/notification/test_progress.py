"""Who is told what, and when: a clock that the test moves, and no other."""

from datetime import time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from missionops.domain.notification import progress as progresses
from missionops.domain.notification.progress import News, NotificationProgress
from missionops.domain.notification.quiet_hours import QuietHours
from missionops.domain.notification.route import Match, NotifyRoute
from missionops.domain.severity import Severity
from tests.unit.domain.notification.alarms import START, Happening

AT_ONCE = NotifyRoute("r", Match(), ("ops",), group=0)


class Told:
    """What a target is told of one alarm by a route."""

    def __init__(self, route: NotifyRoute = AT_ONCE, **options) -> None:
        self.route = route
        self.on = Happening(**options)
        self.progress = NotificationProgress()
        self.news: list[News] = []
        self._followed = 0

    def follow(self) -> None:
        """Take in what has happened."""
        for message in self.on.told[self._followed :]:
            self.progress = progresses.follow(self.route, self.progress, message)
        self._followed = len(self.on.told)

    def look(self) -> None:
        """Tell what is due now."""
        self.follow()
        alarm = self.on.alarm.record()
        due = progresses.due(self.route, self.progress, alarm, self.on.now)
        if due and due.at <= self.on.now:
            self.news.append(due.news)
            self.progress = progresses.told(self.progress, alarm, self.on.now)
        elif due:
            self.progress = progresses.held(self.progress, alarm, self.on.now)

    def after(self, seconds: float) -> list[News]:
        """What it has been told when so many seconds are over, looking each second."""
        for _ in range(int(seconds)):
            self.on.wait(1)
            self.look()
        return self.news

    def due(self) -> float | None:
        """In how many seconds something is due."""
        self.follow()
        due = progresses.due(self.route, self.progress, self.on.alarm.record(), self.on.now)
        return None if due is None else (due.at - self.on.now).total_seconds()


def test_it_is_told_when_it_is_raised_when_it_rises_and_when_it_is_over():
    told = Told(severity=Severity.MEDIUM)
    told.on.raise_()
    told.look()
    told.on.rise(Severity.HIGH)
    told.look()
    told.on.return_()
    assert told.after(5) == [News.RAISED, News.RISEN, News.OVER]


def test_what_came_and_went_before_anybody_was_told_is_told_once():
    told = Told()
    told.on.raise_()
    told.on.return_()
    assert told.after(5) == [News.RAISED]


def test_one_that_waits_for_nobody_is_told_though_it_is_closed():
    told = Told(waits=False)
    told.on.raise_()
    told.on.return_()
    assert told.on.told[-1].transition == "CLOSED"
    assert told.after(5) == [News.RAISED]


def test_what_somebody_has_acknowledged_meanwhile_is_not_told():
    told = Told()
    told.on.raise_()
    told.on.acknowledge()
    assert told.after(5) == []
    told.on.rise(Severity.CRITICAL)
    assert told.after(5) == [News.RAISED]


def test_acknowledging_a_told_one_says_nothing_until_it_is_over():
    told = Told()
    told.on.raise_()
    told.after(1)
    told.on.acknowledge()
    assert told.after(5) == [News.RAISED]
    told.on.return_()
    assert told.after(5) == [News.RAISED, News.OVER]


def test_an_escalation_is_stopped_by_an_acknowledgement():
    told = Told(AT_ONCE._replace(after=300))
    told.on.raise_()
    assert told.due() == 300
    told.on.wait(299)
    told.look()
    told.on.acknowledge()
    assert told.after(600) == []


def test_an_escalation_comes_when_nobody_acknowledges_also_where_it_has_returned():
    told = Told(AT_ONCE._replace(after=300))
    told.on.raise_()
    told.on.return_()
    assert told.after(299) == []
    assert told.after(2) == [News.RAISED]


def test_an_escalation_of_one_that_closed_by_itself_does_not_come():
    told = Told(AT_ONCE._replace(after=300), waits=False)
    told.on.raise_()
    told.on.return_()
    assert told.after(400) == []


def test_comments_do_not_put_off_an_escalation():
    told = Told(AT_ONCE._replace(after=60))
    told.on.raise_()
    for _ in range(59):
        told.on.wait(1)
        told.on.comment()
        told.look()
    assert told.news == []
    assert told.after(1) == [News.RAISED]


def test_a_rise_of_what_was_escalated_is_told_at_once():
    told = Told(AT_ONCE._replace(after=60), severity=Severity.MEDIUM)
    told.on.raise_()
    told.after(60)
    told.on.rise(Severity.HIGH)
    assert told.after(1) == [News.RAISED, News.RISEN]


def test_repeats_go_on_until_it_is_acknowledged():
    told = Told(AT_ONCE._replace(repeat=10))
    told.on.raise_()
    assert told.after(31) == [News.RAISED, News.WAITING, News.WAITING, News.WAITING]
    told.on.return_()
    assert told.after(11) == [News.RAISED, *3 * [News.WAITING], News.OVER, News.WAITING]
    told.on.acknowledge()
    assert len(told.after(60)) == 6


def test_below_the_severity_of_the_route_nothing_is_told_until_it_rises():
    told = Told(NotifyRoute("r", Match(level=3), ("ops",), after=60), severity=Severity.LOW)
    told.on.raise_()
    assert told.after(100) == []
    told.on.rise(Severity.HIGH)
    assert told.due() == 60  # the minute runs from when it concerns this route
    assert told.after(61) == [News.RAISED]


def test_what_is_shelved_is_told_again_when_it_is_no_more():
    told = Told(AT_ONCE._replace(repeat=5))
    told.on.raise_()
    told.after(1)
    told.on.shelve()
    assert told.after(60) == [News.RAISED]
    told.on.unshelve()
    assert told.after(1) == [News.RAISED, News.RAISED]


def test_what_was_shelved_before_it_was_told_is_told_once_when_it_is_no_more():
    told = Told()
    told.on.raise_()
    told.on.shelve()
    assert told.after(60) == []
    told.on.alarm.shelf = None  # it is seen before its transition is taken in
    told.look()
    told.on.wait(10)
    told.on.unshelve()
    told.on.told[-1].at = told.on.now - timedelta(seconds=10)
    assert told.after(20) == [News.RAISED]


def test_what_comes_and_goes_while_it_is_masked_is_never_told():
    told = Told(masked_by="power", is_masked=True)
    told.on.raise_()
    told.after(5)
    told.on.return_()
    told.follow()
    told.on.alarm.is_masked = False
    assert told.after(60) == []


def test_what_was_masked_and_is_active_is_told_when_it_is_no_more():
    told = Told(AT_ONCE._replace(after=60), masked_by="power", is_masked=True)
    told.on.raise_()
    assert told.after(300) == []
    told.on.alarm.is_masked = False
    assert told.after(40) == []  # it has waited for somebody only since it can be seen
    assert told.after(60) == [News.RAISED]


def test_what_was_told_and_is_retracted_is_told():
    told = Told()
    told.on.raise_()
    told.after(1)
    told.on.return_()
    told.after(1)
    told.on.retract()
    assert told.after(5) == [News.RAISED, News.OVER, News.RETRACTED]


def test_what_was_retracted_before_anybody_was_told_is_not():
    told = Told()
    told.on.raise_()
    told.on.retract()
    assert told.after(5) == []


def test_what_is_active_again_is_told_again():
    told = Told()
    told.on.raise_()
    told.after(1)
    told.on.return_()
    told.after(1)
    told.on.begin_again()
    assert told.after(5) == [News.RAISED, News.OVER, News.RAISED]


def test_quiet_hours_hold_back_and_let_through():
    night = QuietHours(time(11), time(13), below=4)
    told = Told(AT_ONCE._replace(quiet=night), severity=Severity.MEDIUM)
    told.on.raise_()
    assert told.due() == 3600
    assert told.after(10) == []
    told.on.rise(Severity.CRITICAL)
    assert told.after(1) == [News.RAISED]


def test_what_was_due_before_quiet_hours_and_not_told_waits_for_their_end():
    night = QuietHours(time(13), time(14), below=5)
    told = Told(AT_ONCE._replace(quiet=night))
    told.on.raise_()
    told.on.wait(3600)
    assert told.due() == 3600


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        (Match(), True),
        (Match(("SC-*",)), True),
        (Match(("SC-002", "SC-00?")), True),
        (Match(("sc-*",)), False),
        (Match(subsystem=("EPS",)), True),
        (Match(subsystem=("E*", "X")), True),
        (Match(subsystem=("AOCS",)), False),
        (Match(check=("STATE",)), False),
        (Match(check=("STATE", "LIMIT")), True),
        (Match(level=3), True),
        (Match(level=4), False),
    ],
)
def test_what_a_route_matches(match, holds):
    record = Happening(subsystem="EPS").alarm.record()
    assert match.holds(record) is holds
    assert match._replace(level=1).concerns(record) is (holds or match.level == 4)


STEPS = ("rise", "return_", "begin_again", "acknowledge", "comment", "shelve", "unshelve", "retract", "mask", "look")


def take(told: Told, step: str) -> None:
    """One step, if it can be taken now."""
    alarm, on = told.on.alarm, told.on
    is_over = alarm.episode.end is not None
    if step == "look":
        told.look()
    elif step == "mask":
        alarm.is_masked = not alarm.is_masked
    elif alarm.is_retracted:
        return
    elif step == "rise" and not is_over and alarm.episode.severity < 4:
        on.rise(tuple(Severity)[alarm.episode.severity])
    elif (step == "return_" and not is_over) or (step == "begin_again" and is_over):
        getattr(on, step)()
    elif step == "acknowledge" and not alarm.acknowledged and alarm.state != "CLOSED":
        on.acknowledge()
    elif (
        (step == "shelve" and not alarm.shelf)
        or (step == "unshelve" and alarm.shelf and not is_over)
        or step in {"comment", "retract"}
    ):
        getattr(on, step)()


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(STEPS), max_size=25),
    st.sampled_from([0, 40]),
    st.sampled_from([0, 7]),
    st.booleans(),
)
def test_in_the_end_everybody_knows_how_things_are(steps, after, repeat, waits):
    """Whatever happens, in whatever order it is looked at: what was told last is true, and nothing hidden was told."""
    told = Told(AT_ONCE._replace(after=after, repeat=repeat), severity=Severity.MEDIUM, waits=waits)
    told.on.raise_()
    for step in steps:
        told.on.wait(1)
        count = len(told.news)
        take(told, step)
        if len(told.news) > count:
            assert not told.on.alarm.shelf
            assert not told.on.alarm.is_masked
    alarm = told.on.alarm
    alarm.is_masked = False
    alarm.shelf = None
    told.after(120)
    progress, record = told.progress, alarm.record()
    if record.state == "ACTIVE_UNACKNOWLEDGED":
        # A shelf that ran out without a transition counts for what was shelved last.
        last_shelved = [one.transition for one in told.on.told if one.transition in {"SHELVED", "UNSHELVED"}][-1:]
        if last_shelved != ["SHELVED"] or not after:
            assert (progress.told_level, progress.told_end) == (record.severity.level, None)
    elif progress.told_level and record.state == "RETRACTED":
        assert progress.told_end == "RETRACTED"
    elif progress.told_level and record.end:
        assert progress.told_end == "RETURNED"
    assert progress.told_at is None or progress.told_at >= START
