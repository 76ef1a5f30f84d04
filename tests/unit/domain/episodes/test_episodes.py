"""Section 2 of alarms.md, sentence by sentence; each test is named after one. The whole of it: test_any_order.py."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from missionops.domain import checks, config_document, history, limits
from missionops.domain import rule as rule_module
from missionops.domain.episodes.episode import Episode, Reading, unmonitored
from missionops.domain.history import AlarmInHistory, JudgedSnapshot
from missionops.domain.severity import Severity
from missionops.domain.timestamp import SECOND

Values = Mapping[str, Any]


def found(document: Mapping[str, Any], snapshots: Sequence[tuple[float, Values]]) -> list[AlarmInHistory]:
    """The alarms of snapshots, each given with its time in seconds."""
    rules = limits.compile_rules(document)
    return history.alarms([JudgedSnapshot(at(time), values, 1) for time, values in snapshots], {1: rules})


def at(time: float, identifier: str = "a") -> tuple[int, int, str]:
    return round(time * SECOND), round(time * SECOND), identifier


def of_p(rule: Mapping[str, Any], *values: Any) -> list[tuple[Any, ...]]:
    """Check, severity, start, raisedAt, end (s), reason and samples of the alarms of p, which comes each second."""
    snapshots = [(float(index), {"p": value}) for index, value in enumerate(values)]
    return [shown(one.check, one.episode) for one in found({"parameters": {"p": rule}}, snapshots)]


def shown(check: str, one: Episode) -> tuple[Any, ...]:
    end = None if one.end is None else one.end / SECOND
    return check, one.severity, one.start / SECOND, one.raised_at[0] / SECOND, end, one.reason, one.facts.samples


HIGH = {"watchHigh": 1, "warnHigh": 2, "critHigh": 3, "severeHigh": 4}


def test_a_sample_of_limit_is_a_number_and_any_other_value_begins_continues_and_ends_nothing():
    assert of_p(HIGH, 5, "text", None, True, 5, 0) == [("LIMIT", 4, 0, 0, 5, None, 2)]


def test_a_sample_of_state_is_a_text_a_boolean_or_a_number_where_the_rule_has_no_band():
    states = {"states": {"A": "LOW", "true": "HIGH", "3": "MEDIUM"}}
    assert of_p(states, "A", "B") == [("STATE", 1, 0, 0, 1, None, 1)]
    assert of_p(states, True, False) == [("STATE", 3, 0, 0, 1, None, 1)]
    assert of_p(states, 3, 4) == [("STATE", 2, 0, 0, 1, None, 1)]
    assert of_p(states | {"warnHigh": 9}, 3, 4) == []
    assert of_p(states | {"warnHigh": 9}, "A", 4, 5) == [("STATE", 1, 0, 0, None, None, 1)]


@pytest.mark.parametrize(("value", "level"), [(1, 0), (1.5, 1), (2.5, 2), (3.5, 3), (4.5, 4)])
def test_the_level_of_a_sample_is_the_severity_of_its_anomaly(value, level):
    assert [alarm[1] for alarm in of_p(HIGH, value)] == ([level] if level else [])


def test_change_is_the_size_of_the_change_since_the_number_before_strictly_above():
    rule = {"change": {"per": "sample", "warn": 2, "crit": 5}}
    assert of_p(rule, 0, 2, 4, 6) == []
    assert of_p(rule, 0, 3, "text", 9, 9) == [("CHANGE", 3, 1, 1, 4, None, 2)]


def test_change_per_second_is_divided_by_the_time_between():
    document = {"parameters": {"p": {"change": {"per": "second", "warn": 2}}}}
    assert found(document, [(0, {"p": 0}), (2, {"p": 4})]) == []
    assert len(found(document, [(0, {"p": 0}), (2, {"p": 4.5})])) == 1


def test_the_difference_of_two_integers_is_exact_else_doubles():
    rule = {"change": {"per": "sample", "warn": 1}}
    assert of_p(rule, 2**63, 2**63 + 1) == []
    assert of_p(rule, 2**63, 2**63 + 2) != []
    assert of_p(rule, 2.0**63, 2**63 + 2) == []  # as doubles they are equal
    assert len(of_p(rule, -1.7e308, 1.7e308)) == 1  # the difference is beyond a double


def test_the_number_before_is_at_most_within_earlier():
    document = {"parameters": {"p": {"change": {"per": "sample", "warn": 1, "within": 10}}}}
    assert len(found(document, [(0, {"p": 0}), (10, {"p": 5})])) == 1
    assert found(document, [(0, {"p": 0}), (10.000001, {"p": 5})]) == []


def test_the_number_before_is_of_an_earlier_time_and_the_last_by_id_of_several_at_one_time():
    rules = limits.compile_rules({"parameters": {"p": {"change": {"per": "sample", "warn": 1}}}})
    snapshots = [
        JudgedSnapshot(at(0, "a"), {"p": 9}, 1),
        JudgedSnapshot(at(0, "b"), {"p": 0}, 1),  # not compared with a
        JudgedSnapshot(at(1, "a"), {"p": 0}, 1),
    ]
    assert history.alarms(snapshots, {1: rules}) == []


def test_change_compares_with_a_number_whichever_version_judged_it():
    rules = {1: limits.compile_rules({}), 2: limits.compile_rules(
        {"parameters": {"p": {"change": {"per": "sample", "warn": 1}}}})}  # fmt: skip
    snapshots = [JudgedSnapshot(at(0), {"p": 0}, 1), JudgedSnapshot(at(1), {"p": 9}, 2)]
    assert [one.episode.start for one in history.alarms(snapshots, rules)] == [SECOND]


def test_raise_and_clear_of_change_are_its_own():
    rule = {"change": {"per": "sample", "warn": 1, "clear": {"samples": 2}}, "raise": {"samples": 9}}
    assert of_p(rule, 0, 5, 5, 5) == [("CHANGE", 2, 1, 1, 2, None, 1)]


def test_while_open_a_sample_counts_as_the_level_whose_limits_it_is_not_inside_of_by_the_deadband():
    rule = {"warnLow": 0, "warnHigh": 10, "critHigh": 20, "deadband": 2}
    assert of_p(rule, 11, 9, 8.5, 8) == [("LIMIT", 2, 0, 0, 3, None, 1)]
    assert of_p(rule, -1, 1, 1.5, 2) == [("LIMIT", 2, 0, 0, 3, None, 1)]
    assert of_p(rule, 9, 9) == []  # only while it is open
    assert of_p(rule, 11, 19, 19) == [("LIMIT", 2, 0, 0, None, None, 3)]  # no level above that of the episode


def test_an_episode_opens_at_the_first_sample_whose_run_has_enough_samples():
    assert of_p(HIGH | {"raise": {"samples": 3}}, 5, 5, 0, 5, 5, 5, 5) == [("LIMIT", 4, 3, 5, None, None, 4)]


def test_an_episode_opens_once_its_run_began_long_enough_before():
    assert of_p(HIGH | {"raise": {"seconds": 2}}, 5, 5, 5, 0) == [("LIMIT", 4, 0, 2, 3, None, 3)]


def test_severity_is_the_highest_level_whose_run_is_long_enough_and_rises_but_never_falls():
    rule = HIGH | {"raise": {"samples": 2}}
    assert of_p(rule, 3.5, 2.5) == [("LIMIT", 2, 0, 1, None, None, 2)]
    assert of_p(rule, 2.5, 2.5, 4.5, 4.5) == [("LIMIT", 4, 0, 1, None, None, 4)]
    assert of_p(rule, 4.5, 4.5, 1.5, 1.5) == [("LIMIT", 4, 0, 1, None, None, 4)]


def test_start_and_raised_at_do_not_move_when_severity_rises_and_the_limit_is_that_of_the_rise():
    (one,) = found({"parameters": {"p": HIGH}}, [(0, {"p": 1.5}), (1, {"p": 2}), (2, {"p": 3.5}), (3, {"p": 2.5})])
    assert (one.episode.start, one.episode.raised_at[0]) == (0, 0)
    assert [(rise.level, rise.position[0], rise.limit, rise.bound) for rise in one.episode.rises] == [
        (1, 0, "watchHigh", 1), (3, 2 * SECOND, "critHigh", 3),
    ]  # fmt: skip


def test_it_ends_at_the_first_sample_with_an_unbroken_quiet_run_and_end_is_the_first_of_that():
    rule = HIGH | {"clear": {"samples": 2, "seconds": 2}}
    assert of_p(rule, 5, 0, 5, 0, 0, 0) == [("LIMIT", 4, 0, 0, 3, None, 2)]
    (one,) = found({"parameters": {"p": rule}}, [(0, {"p": 5}), (1, {"p": 0}), (5, {"p": 0})])
    assert (one.episode.end, one.episode.closed_at) == (SECOND, at(5))


def test_a_run_goes_over_gaps_and_versions():
    rules = {1: limits.compile_rules({"parameters": {"p": HIGH | {"raise": {"samples": 3}}}}),
             2: limits.compile_rules({"parameters": {"p": {"warnHigh": 2, "raise": {"samples": 2}}}})}  # fmt: skip
    snapshots = [JudgedSnapshot(at(0), {"p": 5}, 1), JudgedSnapshot(at(90_000), {"p": 5}, 2)]
    (one,) = history.alarms(snapshots, rules)
    assert shown("", one.episode)[2:4] == (0, 90_000)
    assert one.episode.severity == 2


def test_a_snapshot_whose_version_or_when_has_not_the_check_ends_the_episode_and_every_run():
    rule = {"warnHigh": 1, "raise": {"samples": 2}, "when": [{"if": {"q": True}, "warnHigh": None}]}
    snapshots = [(0, {"p": 5}), (1, {"p": 5}), (2, {"p": 5, "q": True}), (3, {"p": 5}), (4, {"p": 5, "q": True})]
    (one,) = found({"parameters": {"p": rule}}, snapshots)
    assert shown(one.check, one.episode) == ("LIMIT", 2, 0, 1, 2, "unmonitored", 2)


def test_a_snapshot_that_does_not_carry_the_parameter_ends_nothing():
    rule = {"warnHigh": 1, "when": [{"if": {"q": True}, "warnHigh": None}]}
    (one,) = found({"parameters": {"p": rule}}, [(0, {"p": 5}), (1, {"q": True}), (2, {"p": None, "q": True})])
    assert one.episode.end is None


@pytest.mark.parametrize("kind", ["LIMIT", "STATE", "CHANGE", "STALE"])
def test_setting_a_version_without_the_check_ends_the_episode_at_that_time(kind):
    rule = {"warnHigh": 1, "states": {"A": "LOW"}, "change": {"per": "sample", "warn": 1}, "staleAfter": 1}
    check = limits.compile_rules({"parameters": {"p": rule}})["p"].own.checks[rule_module.PLACES[kind]]
    values: dict[str, list[Any]] = {"LIMIT": [5, 5], "STATE": ["A", "A"], "CHANGE": [0, 9], "STALE": [None, None, None]}
    fold = checks.KINDS[kind].fold()
    for index, value in enumerate(values[kind]):
        fold.step(Reading(at(index), value, check, 1))
    ended = fold.step(unmonitored(7 * SECOND, 2))
    assert ended
    assert (ended.end, ended.reason, fold.episode) == (7 * SECOND, "unmonitored", None)


def test_stale_counts_from_the_last_snapshot_with_the_parameter():
    document = {"parameters": {"p": {"staleAfter": 2}}}
    snapshots: list[tuple[float, Values]] = [(0, {"p": 1}), (1, {}), (2, {"p": None}), (3, {}), (4, {"p": 1})]
    (one,) = found(document, snapshots)
    assert shown(one.check, one.episode) == ("STALE", 2, 2, 3, 4, None, 0)
    assert (one.episode.facts.first, one.episode.facts.peak) == (None, None)


def test_whoever_was_out_of_contact_begins_anew():
    document = {"parameters": {"p": {"staleAfter": 2, "staleSeverity": "LOW"}}}
    assert found(document, [(0, {"p": 1}), (100, {}), (101, {}), (102, {})]) == []
    (one,) = found(document, [(0, {"p": 1}), (100, {}), (101, {}), (102.5, {})])
    assert (one.episode.severity, one.episode.start) == (Severity.LOW.level, 102 * SECOND)


def test_stale_counts_from_the_first_snapshot_under_such_a_rule_and_ends_as_unmonitored():
    rules = {1: limits.compile_rules({}), 2: limits.compile_rules({"parameters": {"p": {"staleAfter": 1}}})}
    snapshots = [JudgedSnapshot(at(time), {}, version) for time, version in
                 ((0, 1), (1, 1), (2, 2), (3, 2), (3.5, 2), (4, 1))]  # fmt: skip
    (one,) = history.alarms(snapshots, rules)
    assert shown(one.check, one.episode) == ("STALE", 2, 3, 3.5, 4, "unmonitored", 0)


def test_samples_counts_the_anomalies_and_peak_is_the_farthest_beyond_of_the_highest_level():
    rule = HIGH | {"clear": {"samples": 2}}
    snapshots = [(time, {"p": value}) for time, value in enumerate([2.5, 0, 3.5, 3.9, 3.9, 2.9, 0, 0])]
    (one,) = found({"parameters": {"p": rule}}, snapshots)
    facts = one.episode.facts
    assert facts.first
    assert facts.peak
    assert facts.last
    assert (facts.samples, facts.first.position, facts.peak.position) == (5, at(0), at(3))
    assert (facts.last.position, facts.level) == (at(7), 0)


@pytest.mark.parametrize(("timestamp", "received", "counts_at"), [
    (1_000, 400, 1_000), (1_001, 400, 400), (49, 60, 60), (50, 60, 50),
])  # fmt: skip
def test_time_is_received_at_where_the_clock_cannot_be_right(timestamp, received, counts_at):
    document = {"clock": {"ahead": 600, "from": "1970-01-01T00:00:50Z"}}
    clock = config_document.clock(document)
    assert clock.time(timestamp * SECOND, received * SECOND) == counts_at * SECOND


def test_without_a_clock_of_its_own_600_seconds_ahead_can_be_right_and_any_past():
    clock = config_document.clock({})
    assert (clock.time(600 * SECOND, 0), clock.time(600 * SECOND + 1, 0), clock.time(-(10**15), 0)) == (
        600 * SECOND, 0, -(10**15),
    )  # fmt: skip


def test_a_jump_of_the_clock_to_2107_and_back_leaves_no_alarm_behind():
    document = {"parameters": {"p": {"warnHigh": 1}}}
    rules, clock = limits.compile_rules(document), config_document.clock(document)
    year = 31_536_000 * SECOND
    told = [(SECOND, SECOND, 0), (137 * year, 2 * SECOND, 5), (3 * SECOND, 3 * SECOND, 0)]
    snapshots = [
        JudgedSnapshot((clock.time(time, received), time, "a"), {"p": value}, 1) for time, received, value in told
    ]
    (one,) = history.alarms(snapshots, {1: rules})
    assert shown("", one.episode)[2:5] == (2, 2, 3)


def test_a_quiet_fold_is_small_and_any_fold_goes_through_json():
    for kind in checks.KINDS.values():
        fold = kind.fold()
        assert kind.decode(msgspec.json.encode(fold)) == fold
