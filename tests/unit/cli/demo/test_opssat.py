"""The demo's comparison with the mission's own fault-detection log."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from missionops.cli.client import snapshot_reader
from missionops.cli.demo import opssat
from missionops.cli.demo.opssat import Comparison, FoundAnomaly, ReceivedAnomalies
from missionops.domain import anomaly, limits
from missionops.domain.snapshot import Snapshot
from missionops.wire import decoder

RECEIVER, CAMERA, STAR_TRACKER = opssat.DEVICES
AT = datetime(2020, 11, 15, 1, tzinfo=UTC)
NOTHING = ReceivedAnomalies()


def heard(*said: tuple[str, str, datetime]) -> ReceivedAnomalies:
    found = ReceivedAnomalies()
    for parameter, kind, at in said:
        stamp = at.isoformat().replace("+00:00", "Z")
        found.add(FoundAnomaly(f"ts_1:{parameter}:{kind}", stamp, parameter, 1.0, "HIGH", "…"))
    return found


def test_a_camera_fault_is_one_of_the_optical_receiver_too():
    log = {RECEIVER.label: {AT}, CAMERA.label: {AT}}
    comparisons = opssat.compare(log, heard(("I_PD6_THETA", "CRIT_HIGH", AT)))
    assert comparisons == [
        Comparison(RECEIVER, logged=1, found=1, missed=0, extra=0),
        Comparison(CAMERA, logged=1, found=1, missed=0, extra=0),
        Comparison(STAR_TRACKER, logged=0, found=0, missed=0, extra=0),
    ]
    assert all(comparison.is_exact for comparison in comparisons)


def test_what_is_missed_and_what_is_extra_are_both_counted():
    later = AT + timedelta(seconds=5)
    receiver, *_ = opssat.compare({RECEIVER.label: {AT}}, heard(("I_PD6_THETA", "WARN_HIGH", later)))
    assert receiver == Comparison(RECEIVER, logged=1, found=0, missed=1, extra=1)
    assert not receiver.is_exact


@pytest.mark.parametrize(("parameter", "kind"), [("I_PD6_THETA", "CRIT_LOW"), ("I_PD1_THETA", "CRIT_HIGH")])
def test_other_anomalies_are_no_fault_of_a_device(parameter: str, kind: str):
    assert opssat.compare({}, heard((parameter, kind, AT))) == opssat.compare({}, NOTHING)


def test_nothing_counts_that_is_later_than_the_log():
    assert opssat.compare({}, heard(("I_PD3_THETA", "CRIT_HIGH", opssat.END_OF_LOG))) == opssat.compare({}, NOTHING)


def test_an_anomaly_that_comes_twice_is_noticed():
    assert heard(("I_PD3_THETA", "CRIT_HIGH", AT)).repeated == 0
    assert heard(("I_PD3_THETA", "CRIT_HIGH", AT), ("I_PD3_THETA", "CRIT_HIGH", AT)).repeated == 1


def test_the_log_is_the_mission_s():
    log = opssat.read_log()
    assert {label: len(moments) for label, moments in log.items()} == {
        RECEIVER.label: 2294,
        CAMERA.label: 914,
        STAR_TRACKER.label: 575,
    }


def test_judging_the_sample_finds_exactly_what_the_mission_found():
    rules = limits.compile_rules(msgspec.json.decode(opssat.LIMITS.read_bytes()))
    found = ReceivedAnomalies()
    for snapshot in _sample():
        for said in anomaly.judge(snapshot, rules, 1, snapshot.identity[1]):
            found.add(msgspec.json.decode(msgspec.json.encode(said), type=FoundAnomaly))
    assert dict(found.severities) == {"HIGH": 2084, "MEDIUM": 5574}
    assert found.repeated == 0
    comparisons = opssat.compare(opssat.read_log(), found)
    assert [(comparison.found, comparison.missed, comparison.extra) for comparison in comparisons] == [
        (2294, 0, 0),
        (914, 0, 0),
        (575, 0, 0),
    ]


def _sample():
    with snapshot_reader.opened(opssat.RECORDING) as recording:
        for batch in recording.batches(None):
            for item in batch.items:
                assert isinstance(item, snapshot_reader.FileEntry)
                [snapshot] = decoder.decode(item.spacecraft_id, item.body)
                assert isinstance(snapshot, Snapshot)
                yield snapshot
