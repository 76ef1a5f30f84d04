"""Late telemetry: which alarm goes on as which episode, and how little of a history is read for it."""

from random import Random

import pytest

from missionops.domain.episodes.episode import Episode, Facts, Reading, Rise
from missionops.domain.limits import compile_rules
from missionops.domain.recompute.matching import GoesOn, Retracted, match
from missionops.domain.timestamp import SECOND
from tests.unit.domain.episodes.engine import Engine


def at(time: int) -> tuple[int, int, str]:
    return time * SECOND, time * SECOND, "a"


def episode(start: int, end: int | None, severity: int = 2, raised: int | None = None) -> Episode:
    rise = Rise(severity, at(start if raised is None else raised), "warnHigh", 1, 1)
    one = Episode(start * SECOND, at(start), [rise], Facts())
    if end is not None:
        one.close(at(end), end * SECOND)
    return one


def going_on(old: Episode, now: Episode) -> GoesOn:
    becomes = match({"old": old}, [now]).alarms["old"]
    assert isinstance(becomes, GoesOn)
    return becomes


def test_an_alarm_goes_on_as_the_first_episode_that_overlaps_it():
    new = [episode(0, 2), episode(4, 6), episode(7, 9)]
    matching = match({"a": episode(3, 8)}, new)
    becomes = matching.alarms["a"]
    assert isinstance(becomes, GoesOn)
    assert (becomes.episode, matching.new) == (new[1], [new[0], new[2]])


def test_it_reaches_to_the_sample_at_which_its_end_was_known():
    old = episode(0, 5)
    old.end = 3 * SECOND
    assert isinstance(match({"a": old}, [episode(5, 7)]).alarms["a"], GoesOn)
    assert match({"a": old}, [episode(6, 7)]).alarms["a"] == Retracted(None)


@pytest.mark.parametrize(
    ("old", "now"),
    [
        (episode(1, None, 3), episode(1, None, 2)),  # its severity fell
        (episode(1, None), episode(0, None, raised=1)),  # start
        (episode(1, None, raised=2), episode(1, None, raised=3)),  # raisedAt
        (episode(1, 5), episode(1, 4)),  # end
        (episode(1, 5), episode(1, None)),  # active again
    ],
)
def test_what_changed_otherwise_than_by_rising_and_returning_is_revised(old, now):
    assert going_on(old, now).is_revised


def test_rising_and_returning_are_no_revision():
    assert going_on(episode(1, None, 2), episode(1, 5, 3)) == GoesOn(
        episode(1, 5, 3), is_revised=False, has_risen=True, has_returned=True, is_active_again=False
    )


def test_samples_peak_and_last_alone_are_no_revision():
    now = episode(1, 5)
    now.facts.samples = 9
    becomes = going_on(episode(1, 5), now)
    assert (becomes.is_revised, becomes.has_risen, becomes.has_returned) == (False, False, False)


def test_without_such_an_episode_it_is_retracted():
    assert match({"a": episode(1, 3)}, [episode(5, 6)]).alarms == {"a": Retracted(None)}


def test_where_several_go_on_as_one_the_earliest_stays_and_the_others_are_merged_into_it():
    becomes = match({"b": episode(4, 5), "a": episode(1, 2), "c": episode(7, None)}, [episode(1, None)]).alarms
    assert isinstance(becomes["a"], GoesOn)
    assert (becomes["b"], becomes["c"]) == (Retracted("a"), Retracted("a"))


def readings(values: list[int], rule: dict[str, object]) -> list[Reading]:
    check = compile_rules({"parameters": {"p": rule}})["p"].own.limit
    return [Reading(at(index), value, check, 1) for index, value in enumerate(values)]


def test_late_readings_in_a_long_standing_alarm_read_a_few_rows_and_never_its_whole_length():
    random = Random(1)
    told = readings([0, *[5] * 20_000], {"warnHigh": 1})
    late = random.sample(range(2, 19_990), 100)
    engine = Engine("LIMIT")
    engine.take(one for index, one in enumerate(told) if index not in set(late))
    for index in late:
        engine.take([told[index]])
        engine.work_off()
    assert engine.read <= 3 * len(late)
    assert len(engine.alarms) == 1


def test_a_late_nominal_sample_splits_an_alarm_which_goes_on_as_the_earlier_part():
    told = readings([0, 5, 5, 0, 5, 5, 0], {"warnHigh": 1})
    engine = Engine("LIMIT")
    engine.take(one for index, one in enumerate(told) if index != 3)
    engine.take([told[3]])
    engine.work_off()
    assert [(number, one.start, one.end) for number, one in sorted(engine.alarms.items())] == [
        (0, 1 * SECOND, 3 * SECOND), (1, 4 * SECOND, 6 * SECOND),
    ]  # fmt: skip
    assert [one.facts.samples for one in engine.counted()] == [2, 2]


def test_a_late_sample_that_breaks_a_run_takes_back_the_rise_that_the_run_made_later():
    rule: dict[str, object] = {"watchHigh": 1, "critHigh": 3, "raise": {"samples": 3}}
    told = readings([2, 2, 2, 5, 2, 5, 5, 2], rule)
    engine = Engine("LIMIT")
    engine.take(one for index, one in enumerate(told) if index != 4)
    assert [one.severity for one in engine.alarms.values()] == [3]
    engine.take([told[4]])
    engine.work_off()
    assert [one.severity for one in engine.alarms.values()] == [1]
