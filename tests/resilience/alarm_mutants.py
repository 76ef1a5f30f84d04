"""Mutants of the finding of alarms: planted in the running process, each found by a check that takes a second."""

from typing import NamedTuple

from tests.resilience import edits
from tests.resilience.edits import Change


class AlarmMutant(NamedTuple):
    """A broken promise about alarms."""

    name: str
    change: Change
    check: str
    """The one of `tests/integration/alarms/test_mutants.py` that finds it."""


_NOTHING = edits.instead("pass")
_NEVER = edits.if_is(value=False)
_LEVEL_FOLD = "missionops.domain.episodes.level_fold"
_ENGINE = "missionops.ingest.alarms.engine"
_ALARM = "missionops.domain.alarm"

ALARM_MUTANTS = (
    AlarmMutant(
        "counts a run on over nominal samples",
        Change(
            _LEVEL_FOLD,
            "LevelFold._advance",
            edits.assigns("runs"),
            edits.instead(
                "self.runs = [run.longer(time) if level >= each else run for each, run in zip(LEVELS, self.runs)]"
            ),
        ),
        "episodes_in_any_order",
    ),
    AlarmMutant(
        "ends a span although a run is under way",
        Change(
            "missionops.domain.recompute.span",
            "Span.add",
            edits.all_of(edits.is_if, edits.uses("is_settled")),
            edits.instead("if reading.position <= self.until: return False"),
        ),
        "episodes_in_any_order",
    ),
    AlarmMutant(
        "takes the number after a late one for what it was",
        Change(
            "missionops.domain.checks.change", "ChangeFold.is_past", edits.uses("before"), edits.instead("return True")
        ),
        "episodes_in_any_order",
    ),
    AlarmMutant(
        "takes the worst sample of the part that was folded again for that of the alarm",
        Change(
            "missionops.domain.recompute.joined_facts",
            "joined",
            edits.assigns("peaks"),
            edits.before("all_facts = all_facts[:1] if episode.facts.peak else all_facts"),
        ),
        "episodes_in_any_order",
    ),
    AlarmMutant(
        "does not mark late samples",
        Change(_ENGINE, "AlarmEngine._take", edits.calls("marks_of"), _NOTHING),
        "late_samples",
    ),
    AlarmMutant(
        "does not mark what it failed to find",
        Change(_ENGINE, "AlarmEngine.take", edits.all_of(edits.calls("_mark"), edits.lacks("pop")), _NOTHING),
        "after_a_failure",
    ),
    AlarmMutant(
        "removes marks though more of the spacecraft came meanwhile",
        Change(_ENGINE, "AlarmEngine._finish", edits.all_of(edits.is_if, edits.uses("was_known")), _NEVER),
        "more_while_marks_are_worked_off",
    ),
    AlarmMutant(
        "keeps an acknowledgement when severity rises",
        Change(_ALARM, "Alarm.go_on", edits.all_of(edits.is_if, edits.uses("is_active_again")), _NEVER),
        "acknowledged_and_worse",
    ),
    AlarmMutant(
        "leaves gaps between revisions",
        Change(_ALARM, "Alarm.tell", edits.adds_to("revision"), edits.instead("self.revision += 2")),
        "revisions",
    ),
    AlarmMutant(
        "does not tell that an alarm goes on with one that waits",
        Change(
            "missionops.ingest.alarms.writing",
            "write",
            edits.all_of(edits.is_if, edits.uses("_WAITING")),
            _NEVER,
        ),
        "merged_with_one_that_waits",
    ),
)
