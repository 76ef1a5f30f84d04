"""Lists over all spacecraft, and the filters of lists: each that is given has to hold."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from missionops.domain.access import Role
from missionops.store import anomaly_search, partitions
from tests.wait import until_async

START = datetime(2025, 1, 1, tzinfo=UTC)
LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}, "volt": {"critLow": 5}}}


def at(second: int) -> str:
    return (START + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


@pytest.fixture
async def stored(ask_page, client, service) -> None:
    """Ten anomalies of A and B each, at the same times, in turn MEDIUM and HIGH; one event of each, and of none."""
    for name in "AB":
        await ask_page(f"config.set.{name}", **LIMITS)
        snapshots = [
            {"timestamp": at(second), "parameters": {"temp": 50 + 30 * (second % 2)}, "id": "s"} for second in range(9)
        ]
        snapshots.append({"timestamp": at(9), "parameters": {"volt": 1}, "id": "s"})
        await client.request(f"telemetry.{name}", json.dumps(snapshots).encode())
        await ask_page(
            f"events.record.{name}", type="INFO", severity="LOW", message=f"Pass of {name} 100%", timestamp=at(1)
        )
        await ask_page(f"events.record.{name}", type="CONTACT_LOST", severity="HIGH", message="Lost", timestamp=at(2))

    async def are_stored() -> bool:
        found, _ = await ask_page("anomalies.search", limit=1000)
        return len(found) == 20

    await until_async(are_stored, "the anomalies")


async def pages(ask_page, subject: str, **request) -> list[Any]:
    items, cursor = await ask_page(subject, **request)
    while cursor:
        more, cursor = await ask_page(subject, **request, cursor=cursor)
        items += more
    return items


@pytest.mark.usefixtures("stored")
async def test_a_search_holds_each_anomaly_of_all_spacecraft_once_newest_first(ask_page):
    whole, _ = await ask_page("anomalies.search", limit=1000)
    assert [(one["timestamp"], one["spacecraftId"]) for one in whole] == [
        (at(second), name) for second in reversed(range(10)) for name in "BA"
    ]
    for limit in (1, 3, 20):
        assert await pages(ask_page, "anomalies.search", limit=limit) == whole


@pytest.mark.usefixtures("stored")
async def test_each_filter_of_anomalies_has_to_hold(ask_page):
    def second(one: dict[str, Any]) -> int:
        return int((datetime.fromisoformat(one["timestamp"]) - START).total_seconds())

    for request, seconds in (
        ({"minSeverity": "HIGH"}, {1, 3, 5, 7, 9}),
        ({"minSeverity": "MEDIUM"}, set(range(10))),
        ({"minSeverity": "CRITICAL"}, set()),
        ({"parameter": "volt"}, {9}),
        ({"parameter": "other"}, set()),
        ({"from": at(7)}, {7, 8, 9}),
        ({"to": at(1)}, {0, 1}),
        ({"from": at(2), "to": at(4), "minSeverity": "HIGH"}, {3}),
    ):
        of_all = await pages(ask_page, "anomalies.search", limit=2, **request)
        assert {(one["spacecraftId"], second(one)) for one in of_all} == {(n, s) for n in "AB" for s in seconds}
        of_one = await pages(ask_page, "anomalies.list.A", limit=2, **request)
        assert [one for one in of_all if one["spacecraftId"] == "A"] == of_one
    refused, _ = await ask_page("anomalies.list.A", **{"from": at(2), "to": at(1)})
    assert refused["error"]["details"][0]["path"] == "to"


@pytest.mark.usefixtures("stored")
async def test_each_filter_of_events_has_to_hold(ask_page):
    configs = [("A", "CONFIG_CHANGED"), ("B", "CONFIG_CHANGED")]
    for request, expected in (
        ({"types": ["CONTACT_LOST"]}, [("A", "CONTACT_LOST"), ("B", "CONTACT_LOST")]),
        ({"types": ["CONTACT_LOST", "INFO"], "to": at(1)}, [("A", "INFO"), ("B", "INFO")]),
        ({"minSeverity": "HIGH"}, [("A", "CONTACT_LOST"), ("B", "CONTACT_LOST")]),
        ({"q": "pass OF a"}, [("A", "INFO")]),
        ({"q": "100%"}, [("A", "INFO"), ("B", "INFO")]),
        ({"q": "1_0"}, []),
        ({"from": "2026-01-01T00:00:00Z"}, configs),
    ):
        found = await pages(ask_page, "events.search", limit=1, **request)
        assert sorted((one["spacecraftId"], one["type"]) for one in found) == expected, request
        of_one = await pages(ask_page, "events.list.B", limit=1, **request)
        assert [one for one in found if one["spacecraftId"] == "B"] == of_one


class TestTokens:
    """What a token that is limited to some spacecraft finds."""

    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"http_auth": "tokens"})

    @pytest.mark.usefixtures("stored")
    async def test_a_search_finds_what_its_caller_may_see(self, ask_page, clients):
        await ask_page("docs.create", title="All", body="All.")  # an event of no single spacecraft
        admin, limited = await clients.holding(Role.READER), await clients.holding(Role.READER, "B", "C")
        for path in ("/anomalies/search", "/events/search"):
            everything = (await admin.get(path, params={"limit": 100})).json()
            assert {one["spacecraftId"] for one in everything} >= {"A", "B"}
            found = (await limited.get(path, params={"limit": 100})).json()
            assert found == [one for one in everything if one["spacecraftId"] == "B"]
        assert None in {one["spacecraftId"] for one in everything}


async def test_a_list_of_types_stands_between_commas_over_http(ask_page, stored, service):
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        found = await http.get("/events/search", params={"types": "CONTACT_LOST,INFO"})
        assert {one["type"] for one in found.json()} == {"CONTACT_LOST", "INFO"}
        wrong = await http.get("/events/search", params={"types": "PARTY"})
        assert (wrong.status_code, wrong.json()["error"]["details"][0]["path"]) == (400, "types.0")


@pytest.mark.parametrize(
    ("query", "spacecraft", "index"),
    [
        (anomaly_search._NEWEST_OF_ONE, "'A'", "anomaly_\\w+_pkey"),
        (anomaly_search._NEWEST_OF_SEVERAL, "NULL", "anomaly_\\w+_timestamp_spacecraft_id_idx"),
        (anomaly_search._NEWEST_OF_SEVERAL, "'{A,B}'", "anomaly_\\w+_timestamp_spacecraft_id_idx"),
    ],
)
async def test_a_search_reads_by_index_in_the_order_of_time(database, query, spacecraft, index):
    now = await database.fetchval("SELECT now()")
    await partitions.ensure(database, partitions.ANOMALY, [(now - timedelta(days=days)).date() for days in range(16)])
    await database.execute(
        """
        INSERT INTO app.anomaly
        SELECT CASE WHEN n % 3 = 0 THEN 'A' ELSE 'B' END, now() - n * interval '1 minute', 's', 'p', 'WARN_HIGH',
               'MEDIUM', 1, now(), '{}', 0, 0, n, 0
        FROM generate_series(1, 20000) AS n
        """
    )
    await database.execute("ANALYZE app.anomaly")
    since = partitions.recent_since()
    values = [spacecraft, "'1900-01-01Z'", "'2199-12-31Z'", "now()", "''", "''", "''", "NULL", "NULL", "10"]
    await database.execute("PREPARE newest AS " + query.format(period=f">= '{since}'"))
    plan = "\n".join([row[0] for row in await database.fetch(f"EXPLAIN EXECUTE newest ({', '.join(values)})")])
    assert re.search(f"Index Scan Backward using {index}", plan), plan
    assert "Seq Scan on anomaly_" not in plan or "rows=0" in plan or "rows=1 " in plan, plan
    assert "Incremental Sort" in plan, plan
