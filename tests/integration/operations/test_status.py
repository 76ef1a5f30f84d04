"""Status when a spacecraft's clock is wrong: by reception too, and what silence means."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from missionops.domain import timestamp
from missionops.domain.snapshot import Snapshot
from missionops.ingest import record
from missionops.ingest.alarms.in_order import JudgedEntries
from missionops.ingest.batch import BatchEntry, Delivery
from missionops.store import database as databases
from missionops.store import status
from tests.wait import until_async

SC = "SC-001"
LIMITS = {"parameters": {"bus_v": {"critLow": 6, "warnLow": 7}}}


@pytest.fixture
def publish(publish):
    async def publish_bus_voltage(at: datetime, bus_v: float = 4.9) -> None:
        await publish(SC, at, bus_v=bus_v)

    return publish_bus_voltage


TIMES: dict[str, datetime | timedelta] = {
    "a clock that was reset": datetime(2000, 1, 1, 0, 0, 12, tzinfo=UTC),
    "three minutes ahead": timedelta(minutes=3),
    "nearly a day ahead": timedelta(hours=23),
    "more than a day ahead": timedelta(hours=25),
    "more than a day ago": timedelta(hours=-25),
    "nearly two days ago": timedelta(hours=-47),
    "the end of 32 bits": datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC),
}


@pytest.mark.parametrize("time", TIMES)
async def test_a_critical_value_counts_by_its_reception_whatever_its_timestamp(ask, publish, time):
    found = TIMES[time]
    at = found if isinstance(found, datetime) else datetime.now(UTC) + found
    await ask(f"config.set.{SC}", **LIMITS)
    healthy = datetime.now(UTC) - timedelta(minutes=1)
    await publish(healthy, bus_v=7.4)
    await publish(at)
    status = await ask(f"spacecraft.status.{SC}")
    assert status["anomalies"] == {"last1h": 1, "last6h": 1, "last24h": 1}
    assert (status["overallStatus"], status["highestSeverityLast24h"]) == ("CRITICAL", "HIGH")
    received = timestamp.parse(status["lastReceivedAt"])
    assert abs(received - datetime.now(UTC)) < timedelta(seconds=30)
    assert status["clockOffset"] == pytest.approx((received - at).total_seconds(), abs=1e-6)
    newest = max(healthy, at) if at < received + timedelta(seconds=600) else healthy
    assert status["lastTelemetryTimestamp"] == newest.isoformat().replace("+00:00", "Z")


async def test_what_was_detected_long_ago_counts_no_more(ask, publish, database_url):
    await ask(f"config.set.{SC}", **LIMITS)
    await publish(datetime(2000, 1, 1, tzinfo=UTC))
    await publish(datetime.now(UTC))
    await publish(datetime.now(UTC) + timedelta(hours=8))
    async with databases.connected(database_url) as connection:
        for hours, expected in (
            (0.1, (3, 3, 3)),
            (2, (0, 3, 3)),
            (7, (0, 0, 3)),
            (8.5, (1, 1, 3)),
            (25, (0, 0, 1)),
            (33, (0, 0, 0)),
        ):
            async with connection.transaction():
                found = await status.of_one(connection, SC, datetime.now(UTC) + timedelta(hours=hours))
            assert (found.last_hour, found.last_six_hours, found.last_day) == expected


async def test_misdated_anomalies_are_listed_once_and_removed_after_a_day(ask, publish, database):
    await ask(f"config.set.{SC}", **LIMITS)
    await publish(datetime(2000, 1, 1, tzinfo=UTC))
    await publish(datetime.now(UTC))
    assert await database.fetchval("SELECT count(*) FROM app.misdated_anomaly") == 1
    await database.execute(
        "UPDATE app.misdated_anomaly SET \"timestamp\" = '1970-01-01Z', detected_at = detected_at - interval '26 hours'"
    )
    await database.execute(
        "UPDATE app.checkpoint SET epoch = epoch + 1"
    )  # the next session prunes with its first batch
    await publish(datetime.now(UTC) + timedelta(seconds=1))
    assert await database.fetchval("SELECT count(*) FROM app.misdated_anomaly") == 0


async def test_the_config_says_how_far_a_clock_may_be_ahead(ask, publish):
    await ask(f"config.set.{SC}", clock={"ahead": 7200}, **LIMITS)
    now = datetime.now(UTC).replace(microsecond=0)
    await publish(now + timedelta(hours=1))
    await publish(now + timedelta(hours=3))
    status = await ask(f"spacecraft.status.{SC}")
    assert status["lastTelemetryTimestamp"] == f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert status["anomalies"]["last1h"] == 2


async def test_a_spacecraft_whose_every_timestamp_is_ahead_has_no_last_one(ask, publish):
    await publish(datetime(2106, 1, 1, tzinfo=UTC))
    status = await ask(f"spacecraft.status.{SC}")
    assert status["lastTelemetryTimestamp"] is None
    assert status["lastReceivedAt"] is not None
    assert status["monitoring"] == "NOT_CONFIGURED"


async def test_a_duplicate_was_received_too(ask, publish, client, database):
    at = datetime.now(UTC)
    await publish(at)
    first = (await ask(f"spacecraft.status.{SC}"))["lastReceivedAt"]
    body = {"timestamp": at.isoformat(), "parameters": {"bus_v": 4.9}}
    sequence = json.loads((await client.request(f"telemetry.{SC}", json.dumps(body).encode())).data)["seq"]
    handled = "SELECT sequence >= $1 FROM app.checkpoint"
    await until_async(lambda: database.fetchval(handled, sequence), f"message {sequence}")
    assert (await ask(f"spacecraft.status.{SC}"))["lastReceivedAt"] > first


async def test_silence_is_counted_from_reception_and_as_the_config_says(ask, publish, database):
    await publish(datetime(2000, 1, 1, tzinfo=UTC))
    assert (await ask(f"spacecraft.status.{SC}"))["monitoring"] == "NOT_CONFIGURED"
    for silent_after, hours, expected in (
        (None, 23, "ACTIVE"),
        (None, 25, "SILENT"),
        (7200, 1, "ACTIVE"),
        (7200, 3, "SILENT"),
    ):
        await ask(f"config.set.{SC}", **LIMITS, **({"silentAfter": silent_after} if silent_after else {}))
        await database.execute("UPDATE app.reception SET last_received_at = now() - make_interval(hours => $1)", hours)
        assert (await ask(f"spacecraft.status.{SC}"))["monitoring"] == expected


@pytest.mark.shared_service
@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"clock": 600}, "clock"),
        ({"clock": {"ahead": "600"}}, "clock.ahead"),
        ({"clock": {"ahead": -1}}, "clock.ahead"),
        ({"clock": {"ahead": True}}, "clock.ahead"),
        ({"silentAfter": 59}, "silentAfter"),
        ({"silentAfter": None}, "silentAfter"),
    ],
)
async def test_a_clock_or_a_silence_that_is_no_number_of_seconds_is_refused(service, client, document, path):
    reply = await client.request(f"missionops.config.set.{SC}", json.dumps(document).encode(), timeout=6)
    error = json.loads(reply.data)["error"]
    assert (error["code"], [detail["path"] for detail in error["details"]]) == ("invalid_request", [path])


def entry(time: int, received: int) -> BatchEntry:
    delivery = Delivery(b"SC-001", 1, received * 1_000_000_000, b"", None, b"")
    return BatchEntry(Snapshot((SC, time * 1_000_000, "a"), {}), delivery, 0, received * 1_000_000)


@pytest.mark.parametrize(
    ("entries", "ahead", "expected"),
    [
        ([entry(100, 100), entry(90, 101)], 10, 100),
        ([entry(110, 100)], 10, 110),
        ([entry(111, 100)], 10, None),
        ([entry(111, 100), entry(50, 101)], 10, 50),
        ([entry(111, 100), entry(112, 102)], 10, 112),
        ([entry(111, 100), entry(110, 105)], 10, 110),
        ([entry(5, 0)], 4.5, None),
    ],
)
def test_the_newest_timestamp_is_not_ahead_of_its_own_reception(entries, ahead, expected):
    judged = JudgedEntries(entries, [entry.snapshot.identity[1] for entry in entries])
    found = record.newest_timestamp(judged, ahead)
    assert found == (None if expected is None else expected * 1_000_000)
