"""What people read: all that they need of one alarm, and of many the gravest, in bounded length."""

import pytest

from missionops.domain.notification import text
from missionops.domain.notification.progress import News
from missionops.domain.notification.text import Notification, NotificationDigest
from missionops.domain.severity import Severity
from tests.unit.domain.notification.alarms import Happening


def message(news: News, happening: Happening) -> Notification:
    digest = NotificationDigest()
    digest.add(news, happening.alarm.record())
    found = digest.message()
    assert found
    return found


def test_nothing_to_tell_is_no_message():
    assert NotificationDigest().message() is None


def test_one_alarm_says_all_that_is_needed():
    on = Happening(subsystem="EPS", documents=["eps-1", "eps-2"])
    on.alarm.cause.guidance = "Shed load.\nCall the power engineer."
    found = message(News.RAISED, on)
    assert found == Notification(
        "HIGH SC-001 temp 71.5 °C",
        "HIGH: SC-001 temp = 71.5 °C, limit critHigh 70 °C\n"
        "Parameter temp above critHigh 70\n"
        "Since 2025-01-01 00:00:00 UTC\n"
        "Subsystem: EPS\n"
        "Guidance: Shed load.\nCall the power engineer.\n"
        "Documents: eps-1, eps-2\n"
        f"Acknowledge: missionops acknowledge SC-001 {on.alarm.id}",
        level=3,
        alarms=1,
    )


def test_one_that_is_over_says_until_when_and_is_not_grave():
    on = Happening(waits=False)
    on.return_()
    found = message(News.OVER, on)
    assert (found.title, found.level) == ("OVER SC-001 temp (was HIGH)", 0)
    assert found.body == (
        "OVER (was HIGH): SC-001 temp = 71.5 °C, limit critHigh 70 °C\n"
        "Parameter temp above critHigh 70\n"
        "Since 2025-01-01 00:00:00 UTC, until 2026-01-01 12:00:00 UTC\n"
        "Now: 71.5 °C at 2025-01-01 00:00:00 UTC\n"
        f"Alarm: {on.alarm.id}"
    )


def test_one_that_came_and_went_is_as_grave_as_it_was():
    on = Happening()
    on.return_()
    found = message(News.RAISED, on)
    assert (found.title, found.level) == ("HIGH SC-001 temp 71.5 °C (over)", 3)
    assert "missionops acknowledge" in found.body


@pytest.mark.parametrize(
    ("news", "title"),
    [
        (News.RISEN, "NOW HIGH SC-001 temp 71.5 °C"),
        (News.WAITING, "UNACKNOWLEDGED HIGH SC-001 temp"),
        (News.RETRACTED, "RETRACTED SC-001 temp (was HIGH)"),
    ],
)
def test_titles(news, title):
    assert message(news, Happening()).title == title


def test_a_retracted_one_says_why():
    on = Happening()
    on.retract()
    assert message(News.RETRACTED, on).body.startswith("It was none: later telemetry has shown")
    on.alarm.merged_into = "al_other"
    assert "a part of al_other" in message(News.RETRACTED, on).body


def test_silence_and_staleness():
    silent = Happening(parameter="")
    silent.alarm.episode.facts.last = None
    assert message(News.RAISED, silent).title == "HIGH SC-001 is silent"
    assert message(News.RAISED, Happening(check="STALE")).title == "HIGH SC-001 temp is stale"


def test_what_telemetry_says_stands_on_one_line_and_is_cut():
    on = Happening(parameter="a\nb" + 200 * "c")
    found = message(News.RAISED, on)
    assert "\n" not in found.title
    assert len(found.title) <= 90
    assert "a b" in found.body


def test_many_say_the_gravest_and_how_many_more():
    digest = NotificationDigest()
    for number in range(1_000):
        severity = Severity.CRITICAL if number == 777 else Severity.LOW
        digest.add(News.RAISED, Happening(parameter=f"p{number}", severity=severity).alarm.record())
    on = Happening()
    on.return_()
    digest.add(News.OVER, on.alarm.record())
    found = digest.message()
    assert found
    assert found.title == "1,001 alarms, first: CRITICAL SC-001 p777 71.5 °C"
    lines = found.body.splitlines()
    assert lines[0] == "1,001 alarms: 1 CRITICAL, 999 LOW, 1 HIGH over."
    assert lines[1].startswith("CRITICAL SC-001 p777 71.5 °C (critHigh 70), since 2025-01-01 00:00:00 UTC, al_")
    assert "and 981 more" in lines
    assert (found.level, found.alarms) == (4, 1_001)
    assert len(found.body) <= text.MAX_BODY


def test_no_message_is_longer_than_its_bound():
    digest = NotificationDigest()
    for _ in range(30):
        on = Happening(parameter=256 * "p", description=4_096 * "d")
        on.alarm.cause.unit = 300 * "u"
        digest.add(News.RAISED, on.alarm.record())
    found = digest.message()
    assert found
    assert len(found.body) <= text.MAX_BODY
    on.alarm.cause.guidance = 4_096 * "g"
    on.alarm.cause.documents = 16 * [128 * "x"]
    assert len(message(News.RAISED, on).body) <= text.MAX_BODY
