"""Cursors that somebody made up: refused, whatever is in them, and never a fault of ours."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nats.aio.client import Client

from missionops.app import Service
from missionops.operations import pagination
from missionops.operations.operation import Operation
from missionops.operations.registry import OPERATIONS

pytestmark = pytest.mark.shared_service

AT = "2025-01-01T00:00:00Z"
RANGE = {"from": AT, "to": AT}
REQUESTS: dict[str, dict[str, Any]] = {
    "anomalies.timeline": RANGE, "alarms.get": {"id": "al_1"}, "telemetry.series": RANGE | {"parameters": ["t"]},
    "telemetry.states": RANGE | {"parameters": ["t"]},
}  # fmt: skip
"""By operation, where an empty one says nothing."""

LISTINGS = [
    operation
    for operation in OPERATIONS
    if operation.request
    and any(field.name == "cursor" for field in msgspec.structs.fields(operation.request))
    and not operation.body_field  # the cursor of a preview, which is posted, is forged in tests/integration/ranges
]

TIMES = st.one_of(
    st.sampled_from(
        [
            AT, "2025-01-01T00:00:00", "1899-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59", "2199-12-31T23:59:59.999999Z", "1900-01-01T00:00:00+00:01", "2025-01-01", "",
        ]
    ),
    st.datetimes(timezones=st.sampled_from([None, UTC])).map(datetime.isoformat),
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(["", "\0", "a\0b", "x" * 300, "\ud800"]), st.text(max_size=5))
NUMBERS = st.one_of(st.sampled_from([-1, 2**31, 2**63 - 1, 2**63, 2**64, 1e300]), st.integers(), st.floats())
PARTS = st.one_of(TIMES, TEXTS, NUMBERS, st.none(), st.booleans(), st.lists(NUMBERS, max_size=2))
PLACES = st.one_of(
    st.tuples(TIMES, TEXTS), st.tuples(TIMES, TEXTS, TEXTS), st.tuples(TIMES, TEXTS, TEXTS, NUMBERS),
    st.lists(PARTS, max_size=5), st.dictionaries(TEXTS, PARTS, max_size=2), PARTS,
)  # fmt: skip
CURSORS = st.one_of(
    st.binary(max_size=40).map(lambda text: base64.urlsafe_b64encode(text).decode()), st.text(max_size=20)
)


def listing(operation: Operation) -> str:
    return operation.name + (" of SC-001" if operation.about_spacecraft else "")


def forged(place: object, of: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([of, place]).encode()).decode()


FORGED = st.sampled_from(LISTINGS).flatmap(
    lambda operation: st.tuples(
        st.just(operation), st.one_of(CURSORS, PLACES.map(lambda place: forged(place, listing(operation))))
    )
)


def test_there_are_listings():
    assert {"telemetry.list", "telemetry.analyze", "anomalies.list", "events.list"} <= {op.name for op in LISTINGS}


@pytest.fixture
async def http(service: Service, client: Client):
    await client.request("missionops.config.set.SC-001", b'{"parameters":{"t":{"warnHigh":1}}}', timeout=5)
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as found:
        yield found


@given(FORGED)
@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_a_forged_cursor_is_refused_or_a_place(
    http: httpx.AsyncClient, client: Client, cursor_for: tuple[Operation, str]
):
    operation, cursor = cursor_for
    request = REQUESTS.get(operation.name, {})
    subject = operation.subject.replace("*", "SC-001")
    body = json.dumps(request | {"cursor": cursor}).encode()
    over_nats = await client.request(subject, body, timeout=10)
    code = (over_nats.headers or {}).get("Nats-Service-Error-Code", "200")
    assert code in {"200", "400"} or (operation.name, code) == ("alarms.get", "404"), over_nats.data
    if "\ud800" in cursor:  # no query string holds that
        return
    [route] = operation.routes
    path, query = route.path, request | {"cursor": cursor}
    if "{id}" in path:
        path = path.replace("{id}", query.pop("id"))
    if operation.about_spacecraft and route.names_spacecraft and "{spacecraftId}" not in path:
        query["spacecraftId"] = "SC-001"
    over_http = await http.get(path.replace("{spacecraftId}", "SC-001"), params=query)
    assert (str(over_http.status_code), over_http.content) == (code, over_nats.data)


@pytest.mark.parametrize(
    "place",
    [
        [AT, "\0"], ["2025-01-01T00:00:00", "a"], ["1899-12-31T23:59:59Z", "a"], ["2200-01-01T00:00:00Z", "a"],
        ["0001-01-01T00:00:00+23:59", "a"], ["9999-12-31T23:59:59-23:59", "a"], [0, "a"], [AT], [AT, "a", "b"], {},
        None,
    ],
)  # fmt: skip
async def test_what_no_row_holds_is_refused(http: httpx.AsyncClient, place: Any):
    for path, name in (("/telemetry", "telemetry.list"), ("/events", "events.list")):
        query = {"spacecraftId": "SC-001", "cursor": forged(place, f"{name} of SC-001")}
        answer = await http.get(path, params=query)
        assert (answer.status_code, answer.json()["error"]["details"][0]["path"]) == (400, "cursor"), answer.text


@pytest.mark.parametrize("timestamp", ["1900-01-01T00:00:00Z", "2199-12-31T23:59:59.999999Z"])
async def test_a_place_at_either_end_of_time_is_one(http: httpx.AsyncClient, timestamp: str):
    cursor = pagination.written((datetime.fromisoformat(timestamp), "a"), "telemetry.list of SC-001")
    answer = await http.get("/telemetry", params={"spacecraftId": "SC-001", "cursor": cursor})
    assert (answer.status_code, answer.json()) == (200, [])


async def test_a_cursor_continues_its_own_listing_alone(http: httpx.AsyncClient, client: Client):
    """One of telemetry reads as a place among events, too, and before all of them: there would seem to be none."""
    for message in ("first", "second"):
        event = {"type": "INFO", "severity": "LOW", "message": message, "timestamp": AT}
        await client.request("missionops.events.record.SC-001", json.dumps(event).encode(), timeout=5)
    first = await http.get("/events", params={"spacecraftId": "SC-001", "limit": 1, "from": AT, "to": AT})
    cursor = first.headers["missionops-next-cursor"]
    body = json.dumps({"cursor": cursor}).encode()
    [second] = json.loads((await client.request("missionops.events.list.SC-001", body, timeout=5)).data)
    assert {first.json()[0]["message"], second["message"]} == {"first", "second"}
    refused = set()
    for operation in LISTINGS:
        for spacecraft_id in ("SC-001", "SC-002") if operation.about_spacecraft else ("",):
            if (operation.name, spacecraft_id) in {("events.list", "SC-001"), ("alarms.get", spacecraft_id)}:
                continue
            request = REQUESTS.get(operation.name, {}) | {"cursor": cursor}
            subject = operation.subject.replace("*", spacecraft_id)
            answer = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=5)).data)
            message = f"cursor is none that this service gave out for {operation.name}"
            assert answer["error"]["message"] == message + (f" of {spacecraft_id}" if spacecraft_id else "")
            refused.add(operation.name)
    assert {"events.list", "events.search", "telemetry.list", "telemetry.series", "fleet.status"} <= refused


@pytest.mark.parametrize("limit", ["1.0", "1e0", "1E0", "1.5"])
async def test_a_number_that_is_no_integer_is_refused_both_ways(http: httpx.AsyncClient, client: Client, limit: str):
    over_http = await http.get("/telemetry", params={"spacecraftId": "SC-001", "limit": limit})
    over_nats = await client.request("missionops.telemetry.list.SC-001", b'{"limit":%b}' % limit.encode(), timeout=5)
    assert over_http.status_code == 400
    refusals = over_http.json()["error"], json.loads(over_nats.data)["error"]
    assert [(refusal["code"], refusal["details"][0]["path"]) for refusal in refusals] == [
        ("invalid_request", "limit")
    ] * 2
