"""Which rules judge telemetry, and why the others do not."""

from datetime import UTC, datetime, timedelta

import pytest

from missionops.domain import parameter_set
from missionops.domain.parameter_set import Value
from missionops.domain.rule_coverage import COUNTED, RuleCoverage

NOW = datetime(2025, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY, LONG_AGO = NOW - timedelta(hours=1), NOW - timedelta(days=3)


def coverage(*snapshots: tuple[datetime, dict[str, Value | None]]) -> RuleCoverage:
    """What the rule of `p` met in snapshots, newest first, each with when it was received."""
    found = RuleCoverage({"p"}, lambda _, value: parameter_set.is_number(value), NOW - DAY)
    for received_at, values in snapshots:
        found.add(received_at, received_at, values)
    return found


@pytest.mark.parametrize(
    ("snapshots", "why"),
    [
        ([], "never seen"),
        ([(TODAY, {"q": 1})], "never seen"),
        ([(TODAY, {"p": 1})], None),
        ([(TODAY, {"p": "71.5"})], "text"),
        ([(TODAY, {"p": True})], "text"),
        ([(TODAY, {"p": None})], "no value"),
        ([(TODAY, {"p": None}), (TODAY, {"p": "x"})], "text"),
        ([(TODAY, {"p": "x"}), (TODAY, {"p": 1})], None),
        ([(TODAY, {"q": 1}), (LONG_AGO, {"p": 1})], "not for long"),
        ([(TODAY, {"p": "x"}), (LONG_AGO, {"p": 1})], "text"),
        ([(TODAY, {"p": None}), (LONG_AGO, {"p": 1})], "no value"),
        ([(LONG_AGO, {"q": 1}), (LONG_AGO, {"p": 1})], None),  # silent: nothing else came either
    ],
)
def test_why(snapshots: list[tuple[datetime, dict[str, Value | None]]], why: str | None) -> None:
    found = coverage(*snapshots)
    assert found.why_not("p", reported=()) == why
    assert found.works("p") == (why is None)


def test_what_was_reported_before_the_snapshots_that_are_read() -> None:
    assert coverage((TODAY, {"q": 1})).why_not("p", reported={"p", "q"}) == "not for long"


def test_the_last_value_is_the_newest_that_is_one() -> None:
    use = coverage((TODAY, {"p": None}), (TODAY - DAY / 2, {"p": 2}), (LONG_AGO, {"p": 1})).uses["p"]
    assert (use.last_value, use.last_timestamp, use.met) == (2, TODAY - DAY / 2, 2)
    assert coverage((TODAY, {"p": "x" * 1_000})).uses["p"].last_value == "x" * 256 + "…"


def test_only_the_newest_are_counted() -> None:
    found = RuleCoverage({"p"}, lambda _, value: parameter_set.is_number(value), NOW - DAY)
    for _ in range(COUNTED + 5):
        found.add(TODAY, TODAY, {"p": 1})
    assert found.uses["p"].met == COUNTED
