"""What the ingest path says of itself: counts, and when a trouble is over."""

from missionops.ingest.status import Histogram, IngestStatus


def test_a_histogram_counts_by_the_first_bound_that_is_not_below() -> None:
    found = Histogram(1, 10)
    for value in (0, 1, 2, 10, 11):
        found.note(value)
    assert (found.counts, found.sum) == ([2, 2, 1], 24)


def test_trouble_is_over_when_something_is_handled_and_not_before() -> None:
    progress = IngestStatus(role="owner", trouble="away", sequence=7)
    began = progress.moved_at
    progress.move(7)  # the next attempt begins where the last one did
    assert (progress.is_ready, progress.moved_at) == (False, began)
    progress.move(8)
    assert progress.is_ready
    assert progress.moved_at > began


def test_only_an_owner_has_a_lease() -> None:
    progress = IngestStatus(role="owner")
    progress.renew(30)
    assert 29 < progress.lease <= 30
    progress.role = "standby"
    assert progress.lease == 0
