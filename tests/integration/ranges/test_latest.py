"""Latest values: against a plain reference over random data, of rare parameters, and with clocks that are wrong."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import nats.errors
import pytest
from hypothesis import strategies as st

from missionops.domain.alarm import Alarm
from missionops.domain.severity import Severity
from missionops.operations import latest_reading
from tests import stored_alarms, stored_telemetry
from tests.integration.ranges.conftest import NUMBERS, Snapshot, compare_examples, severity_of
from tests.stored_alarms import alarm
from tests.wait import until_async

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)
AHEAD = timedelta(seconds=600)
LATER = datetime(2025, 6, 1, tzinfo=UTC)


async def latest(ask: Any, spacecraft_id: str, **request: Any) -> dict[str, Any]:
    found, _ = await ask.page("latest", spacecraft_id, **request)
    assert "error" not in found, found
    names = [one["name"] for one in found["parameters"]]
    assert names == sorted(set(names))
    return {one["name"]: one for one in found["parameters"]}


def expected(history: Sequence[Snapshot], received: datetime, at: datetime | None) -> Mapping[str, list[Any]]:
    """For each parameter its reports (time, timestamp, index, value), newest first."""
    found: dict[str, list[Any]] = {}
    for index, (when, values) in enumerate(history):
        time = received if when > received + AHEAD else when
        for name, value in values.items():
            if value is not None and (at is None or time <= at):
                found.setdefault(name, []).append((time, when, index, value))
    return {name: sorted(reports, key=lambda one: one[:3], reverse=True)[:21] for name, reports in found.items()}


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 12),
    st.sampled_from([-0.0, 2**64 - 1, "SAFE", True, None]),
)  # fmt: skip


@st.composite
def histories(draw: Any) -> Any:
    offsets = st.one_of(st.integers(0, 60), st.integers(0, 10**7), st.sampled_from([10**8, 5 * 10**9]))
    history = [
        (START + timedelta(seconds=draw(offsets)), values)
        for values in draw(st.lists(st.dictionaries(st.sampled_from(NUMBERS), VALUES), min_size=1, max_size=80))
    ]
    at = draw(st.sampled_from([None, START + timedelta(seconds=30), START + timedelta(days=20)]))
    known = draw(st.lists(st.sampled_from(NUMBERS), unique=True))
    return history, known, at, draw(st.lists(st.integers(0, 2), max_size=3))


async def test_it_is_what_a_plain_reading_finds(ask, store):
    async def compared(history: Any, known: Any, at: datetime | None, versions: Any) -> None:
        spacecraft_id = await store(history, names=known, versions=versions, received_at=LATER)
        found = await latest(ask, spacecraft_id, **({"at": at} if at else {}))
        reports = expected(history, LATER, at)
        assert {name for name, one in found.items() if one["timestamp"] is not None} == set(reports)
        for name, newest in reports.items():
            check(found[name], newest, versions, at)

    await compare_examples(histories(), compared, 80)


def check(one: Any, newest: list[Any], versions: Sequence[int], at: datetime | None) -> None:
    time, when, index, value = newest[0]
    assert (one["value"], datetime.fromisoformat(one["timestamp"])) == (value, when)
    assert one["previous"] == (newest[1][3] if len(newest) > 1 else None)
    intervals = [(later[0] - earlier[0]).total_seconds() for later, earlier in pairwise(newest)]
    assert one["every"] == (pytest.approx(median(intervals)) if intervals else None)
    version = versions[index % len(versions)] if versions else 0
    assert (one["version"], one["severity"]) == (version or None, severity_of(value, version))
    if len(newest) < 3 or not median(intervals):
        assert one["isStale"] is None
    elif at is not None:
        assert one["isStale"] is ((at - time).total_seconds() > 3 * median(intervals))


async def test_of_limits_it_says_what_judged_the_value(ask, store):
    spacecraft_id = await store([(START, {"a": 10, "b": 3, "c": 1})], versions=[2])
    found = await latest(ask, spacecraft_id)
    assert found["a"]["limits"] == {"warnHigh": 5, "critHigh": 9}
    assert (found["a"]["severity"], found["b"]["severity"], found["a"]["version"]) == ("HIGH", None, 2)
    assert (found["b"]["limits"], found["c"]["limits"]) == ({"warnHigh": 5, "critHigh": 9}, None)


async def test_it_names_the_alarm_that_is_active_or_was_then(ask, store, database_url):
    spacecraft_id = await store([(START, {"a": 10, "b": 3}), (START + timedelta(minutes=2), {"a": 1, "b": 3})])

    def of(parameter: str, **options: Any) -> Alarm:
        return alarm(spacecraft_id, parameter, **options)

    moments = [(START + timedelta(minutes=minute)).isoformat() for minute in range(4)]
    over, other = of("a", start=moments[0], end=moments[1]), of("b", start=moments[0], check="STATE")
    worst = of("b", start=moments[2], severity=Severity.CRITICAL)
    retracted = of("a", start=moments[0], is_retracted=True)
    await stored_alarms.store(database_url, over, other, worst, retracted)
    now = await latest(ask, spacecraft_id)
    assert (now["a"]["alarmId"], now["b"]["alarmId"]) == (None, worst.id)
    then = await latest(ask, spacecraft_id, at=moments[0])
    assert (then["a"]["alarmId"], then["b"]["alarmId"]) == (over.id, other.id)


async def test_some_parameters_are_asked_for_by_name(ask, store):
    spacecraft_id = await store([(START, {"a": 1, "b": 2, "c": "x"})])
    assert set(await latest(ask, spacecraft_id, parameters=["c", "a", "none"])) == {"a", "c"}
    assert await latest(ask, "nobody") == {}


async def test_what_had_no_value_yet_is_left_out(ask, store):
    history = [(START, {"a": 1, "b": None}), (START + timedelta(1), {"b": "x", "c": 3})]
    spacecraft_id = await store(history)
    assert set(await latest(ask, spacecraft_id)) == {"a", "b", "c"}
    assert set(await latest(ask, spacecraft_id, at=START)) == {"a"}
    assert await latest(ask, spacecraft_id, at=START - timedelta(1)) == {}


async def test_a_rare_parameter_is_found_among_many_snapshots(ask, store, database):
    """One in a set of its own, one that has room in every snapshot, and one that has none in any set."""
    spacecraft_id = await store([(START - timedelta(days=1), {"often": 1.5, "sparse": 7})], names=["often", "sparse"])
    await stored_telemetry.generate(
        database, spacecraft_id, ["often", "other"], START, count=30_000, every=timedelta(seconds=1)
    )
    await stored_telemetry.add(database, spacecraft_id, [(START - timedelta(days=2), {"own": 5, "text": "on"})])
    await database.execute("ANALYZE app.snapshot")
    found = await latest(ask, spacecraft_id)
    assert {name: one["value"] for name, one in found.items() if name not in {"often", "other"}} == {
        "sparse": 7, "own": 5, "text": "on",
    }  # fmt: skip
    assert datetime.fromisoformat(found["often"]["timestamp"]) == START + timedelta(seconds=29_999)
    assert found["often"]["every"] == 1


async def test_of_what_was_reported_long_ago_the_roll_ups_say_where_it_is(ask, store, database, monkeypatch):
    monkeypatch.setattr(latest_reading, "_SCANNED", (8, 64))
    long_ago = [
        (START + timedelta(seconds=number), {"often": 1, **({"rare": number} if number == 500 else {})})
        for number in range(1_000)
    ]
    later = [(START + timedelta(days=3, seconds=number), {"often": 1}) for number in range(200)]
    spacecraft_id = await store([*long_ago, *later], names=["often", "rare"])
    assert {name: one["value"] for name, one in (await latest(ask, spacecraft_id)).items()} == {
        "often": 1, "rare": None,
    }  # fmt: skip
    assert await database.fetchval("SELECT app.rebuild_roll_ups($1)", spacecraft_id)
    waiting = "SELECT count(*) FROM app.stale_hour WHERE spacecraft_id = $1"

    async def is_done() -> bool:
        return not await database.fetchval(waiting, spacecraft_id)

    await until_async(is_done, "the roll-ups")
    found = await latest(ask, spacecraft_id)
    assert {name: one["value"] for name, one in found.items()} == {"often": 1, "rare": 500}
    assert datetime.fromisoformat(found["rare"]["timestamp"]) == START + timedelta(seconds=500)
    found = await latest(ask, spacecraft_id, at=START + timedelta(days=2))
    assert found["rare"]["value"] == 500
    # Of 401 snapshots 64 are looked at: nobody can say that it had no value.
    assert (await latest(ask, spacecraft_id, at=START + timedelta(seconds=400)))["rare"]["value"] is None
    assert set(await latest(ask, spacecraft_id, at=START + timedelta(seconds=40))) == {"often"}


async def test_a_clock_that_is_ahead_or_reset_does_not_hide_what_is_new(ask, store, database):
    spacecraft_id = await store([(datetime(2199, 1, 1, tzinfo=UTC), {"a": 1})], received_at=START)
    await stored_telemetry.add(database, spacecraft_id, [(START + timedelta(1), {"a": 2})])
    found = await latest(ask, spacecraft_id)
    assert (found["a"]["value"], found["a"]["previous"]) == (2, 1)
    reset = [(datetime(1970, 1, 1, tzinfo=UTC), {"a": 3})]
    await stored_telemetry.add(database, spacecraft_id, reset, received_at=START + timedelta(2))
    assert (await latest(ask, spacecraft_id))["a"]["value"] == 2
    query = "INSERT INTO app.spacecraft (spacecraft_id, config_version) VALUES ($1, 1)"
    await database.execute(query, spacecraft_id)
    document = b'{"clock": {"from": "2000-01-01T00:00:00Z"}}'
    await database.execute("INSERT INTO app.config VALUES ($1, 1, $2, 'manual', 'test')", spacecraft_id, document)
    found = await latest(ask, spacecraft_id)
    assert (found["a"]["value"], found["a"]["previous"]) == (3, 2)
    assert found["a"]["timestamp"] == "1970-01-01T00:00:00Z"


async def test_what_is_newest_by_a_clock_that_is_some_minutes_ahead_is_the_latest(ask, store):
    now = datetime.now(UTC)
    history = [(now + timedelta(minutes=minutes), {"a": minutes}) for minutes in (-5, 0, 5, 30)]
    found = await latest(ask, await store(history, received_at=now))
    # 30 minutes are more than a clock may be ahead: that value counts at its reception.
    assert [found["a"][name] for name in ("value", "previous", "timestamp")] == [
        5, 30, (now + timedelta(minutes=5)).isoformat().replace("+00:00", "Z"),
    ]  # fmt: skip
    found = await latest(ask, await store(history, received_at=now), at=now + timedelta(minutes=1))
    assert (found["a"]["value"], found["a"]["previous"]) == (30, 0)


async def test_ten_thousand_parameters_are_no_hindrance(ask, store, service):
    names = [f"p{number:04}" for number in range(10_000)]
    history = [(START + number * timedelta(seconds=1), dict.fromkeys(names, number)) for number in range(30)]
    spacecraft_id = await store(history)

    async def is_too_large() -> bool:
        found, _ = await ask.page("latest", spacecraft_id)
        assert found["error"]["code"] in {"too_large", "unavailable"}
        return found["error"]["code"] == "too_large"

    # It takes a second of CPU, so on a busy machine there may be no response within five.
    await until_async(is_too_large, "the refusal", ignore=(nats.errors.TimeoutError,))
    found = await latest(ask, spacecraft_id, parameters=names[:1_000])
    assert {one["value"] for one in found.values()} == {29}
