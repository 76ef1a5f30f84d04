"""The demo's alarms: what its recording holds, and what a late dump makes of them."""

from datetime import UTC, datetime, timedelta

import msgspec
from rich.console import Console
from rich.table import Table

from missionops.cli.client import snapshot_reader
from missionops.cli.demo import alarm_tables, alarms, opssat
from missionops.cli.demo.alarms import AlarmRevision, FoundAlarm, FoundPeak
from missionops.domain import timestamp

AT = datetime(2021, 4, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDED = FoundAlarm("temp", "LIMIT", "HIGH", AT, AT, AT + HOUR, None, 3, FoundPeak(AT, 71.0), id="al_1", state="CLOSED")
ACTIVE = FoundAlarm("temp", "LIMIT", "MEDIUM", AT + 2 * HOUR, AT, None, None, 3, None, id="al_2", state="ACTIVE")


def changed(alarm: FoundAlarm, **changes: object) -> FoundAlarm:
    return msgspec.structs.replace(alarm, **changes)


def facts(*of: FoundAlarm) -> frozenset[FoundAlarm]:
    return frozenset(changed(one, id="", state="", merged_into=None) for one in of)


def shown(table: Table) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_what_the_dump_changes_is_told_and_what_only_counts_more_samples_is_not():
    counted = changed(ENDED, samples=4)
    moved, new = changed(ACTIVE, end=AT + 3 * HOUR), changed(ACTIVE, id="al_3", parameter="volt")
    compared = alarms.compare([ENDED, ACTIVE], [new, moved, counted], facts(counted, moved, new))
    assert list(compared.revisions) == [AlarmRevision(None, new), AlarmRevision(ACTIVE, moved)]
    assert list(compared.found) == [counted, new, moved]
    assert compared.is_exact


def test_an_alarm_too_many_or_a_sample_too_few_is_not_exact():
    assert not alarms.compare([], [ENDED], facts(ENDED, ACTIVE)).is_exact
    assert not alarms.compare([], [ENDED, ENDED], facts(ENDED)).is_exact
    assert not alarms.compare([], [changed(ENDED, samples=2)], facts(ENDED)).is_exact


def test_what_was_retracted_is_not_among_the_alarms():
    retracted = changed(ACTIVE, state="RETRACTED", merged_into="al_1")
    compared = alarms.compare([ENDED, ACTIVE], [ENDED, retracted], facts(ENDED))
    assert compared.is_exact
    assert "1 alarms" in shown(alarm_tables.found(compared, 6))
    assert "of 04-17 02:00: part of another" in shown(alarm_tables.revisions(compared))
    none = changed(retracted, merged_into=None)
    assert "of 04-17 02:00: was none" in shown(alarm_tables.revisions(alarms.compare([ACTIVE], [none], facts())))


def test_how_an_alarm_has_changed_is_said():
    began, worse = changed(ENDED, start=AT - HOUR), changed(ACTIVE, severity="HIGH")
    told = shown(alarm_tables.revisions(alarms.compare([ENDED, ACTIVE], [began, worse], facts(began, worse))))
    assert "began 04-16 23:00, not 04-17 00:00" in told
    assert "is HIGH, not MEDIUM" in told
    assert "04-17 02:00 to now" in shown(alarm_tables.revisions(alarms.compare([], [ACTIVE], facts(ACTIVE))))


def test_the_recording_holds_a_handful_of_alarms_and_the_dump_is_a_log_of_its_own():
    bodies = {}
    with snapshot_reader.opened(opssat.RECORDING) as recording:
        for batch in recording.batches(None):
            for item in batch.items:
                assert isinstance(item, snapshot_reader.FileEntry)
                bodies[item.place] = item.body
    found = alarms.expected(bodies.values())
    assert (len(found), sum(one.samples for one in found)) == (15, 7_107)

    first, last = alarms.DUMP.start, alarms.DUMP.stop - 1
    before, begins, ends, after = (
        timestamp.parse(msgspec.json.decode(bodies[line])["timestamp"]) for line in (first - 1, first, last, last + 1)
    )
    assert ends - begins < HOUR
    assert min(begins - before, after - ends) > HOUR / 2
