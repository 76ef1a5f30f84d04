"""The status of the ingest path: counts in its registry, and when a trouble is over."""

from prometheus_client import CollectorRegistry

from missionops.broker import streams
from missionops.ingest.status import OUTGOING_STREAMS, IngestStatus


def test_a_batch_is_counted_once_and_what_never_occurred_is_zero() -> None:
    registry = CollectorRegistry()
    status = IngestStatus(registry)
    for _ in range(2):
        status.count_batch(
            messages=10,
            seconds=0.02,
            stored=8,
            duplicates=1,
            severities={"HIGH": 3},
            dead_letter_codes={"malformed": 1},
        )
    assert registry.get_sample_value("missionops_snapshots_stored_total") == 16 == status.stored
    assert registry.get_sample_value("missionops_batch_messages_bucket", {"le": "10.0"}) == 2
    assert registry.get_sample_value("missionops_batch_messages_bucket", {"le": "1.0"}) == 0
    assert registry.get_sample_value("missionops_anomalies_total", {"severity": "HIGH"}) == 6
    assert registry.get_sample_value("missionops_anomalies_total", {"severity": "MEDIUM"}) == 0
    assert (status.anomalies, status.dead_letters) == ({"HIGH": 6}, {"malformed": 2})


def test_two_services_in_one_process_count_for_themselves() -> None:
    first, second = IngestStatus(CollectorRegistry()), IngestStatus(CollectorRegistry())
    first.count_interruption()
    assert (first.interruptions, second.interruptions) == (1, 0)


def test_the_count_of_lost_messages_is_that_of_the_checkpoint() -> None:
    status = IngestStatus()
    status.restore_lost(7)
    status.count_lost(2)
    assert status.lost == 9
    status.restore_lost(9)
    assert status.lost == 9


def test_trouble_is_over_when_something_is_handled_and_not_before() -> None:
    status = IngestStatus()
    status.role, status.trouble, status.sequence = "owner", "away", 7
    began = status.moved_at
    status.move(7)  # the next attempt begins where the last one did
    assert (status.is_ready, status.moved_at) == (False, began)
    status.move(8)
    assert status.is_ready
    assert status.moved_at > began


def test_only_an_owner_has_a_lease() -> None:
    status = IngestStatus()
    status.role = "owner"
    status.renew(30)
    assert 29 < status.lease <= 30
    status.role = "standby"
    assert status.lease == 0


def test_every_stream_that_the_service_publishes_to_is_counted() -> None:
    assert set(OUTGOING_STREAMS) == streams.OUTGOING.keys()
