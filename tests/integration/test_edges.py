"""Every operation over NATS and over HTTP: the same cases, the same answers."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.operations.operation import Operation, Route
from missionops.operations.table import OPERATIONS

AT, LATER = "2025-01-01T00:00:00Z", "2025-01-01T00:10:00Z"
LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}, "mission": "test"}
EVENT = {"type": "INFO", "severity": "LOW", "message": "Hello", "timestamp": AT, "id": "ev-1"}
DOCUMENT = {"title": "Battery", "body": "Warm it.", "id": "battery", "tags": ["eps"], "spacecraftId": "SC-001"}

# What two calls, one after the other, cannot agree about.
OF_THE_MOMENT = {"updatedAt", "version", "lag", "sequence"}


class Reply(NamedTuple):
    """An answer, whichever way it came."""

    status: int
    body: Any
    cursor: str | None


# By operation: a spacecraft's id where it is about one, and the request.
CASES: Mapping[str, list[tuple[str, Any]]] = {
    "config.get": [("SC-001", {}), ("unknown", {}), ("a b", {})],
    "config.set": [
        ("SC-001", LIMITS),
        ("SC-001", {}),
        ("SC-001", []),
        ("SC-001", {"parameters": {"temp": {"warnHigh": 45, "critHigh": 40}}}),
        ("SC-001", {"parameters": {"temp": {"warnhigh": 45}}}),
    ],
    "telemetry.list": [
        ("SC-001", {}),
        ("SC-001", {"limit": 3}),
        ("SC-001", {"from": AT, "to": LATER, "limit": 1000}),
        ("SC-001", {"from": LATER, "to": AT}),
        ("SC-001", {"limit": 0}),
        ("SC-001", {"cursor": "none"}),
        ("SC-001", {"nothing": "x"}),
        ("unknown", {}),
    ],
    "telemetry.analyze": [
        ("SC-001", {}),
        ("SC-001", {"limit": 2}),
        ("SC-001", {"from": AT, "to": LATER}),
        ("SC-001", {"from": AT}),
        ("SC-001", {"from": "today", "to": LATER}),
        ("unknown", {}),
    ],
    "anomalies.list": [("SC-001", {}), ("SC-001", {"limit": 1}), ("SC-001", {"limit": 1001}), ("unknown", {})],
    "anomalies.timeline": [("SC-001", {"from": AT, "to": LATER}), ("SC-001", {"from": AT}), ("SC-001", {})],
    "spacecraft.register": [
        ("SC-001", {"name": "One", "missionType": "LEO"}),
        ("SC-001", {}),
        ("SC-001", {"name": ""}),
        ("SC-001", {"name": "a\0b"}),
        ("SC-001", {"colour": "red"}),
        ("-", {}),
    ],
    "spacecraft.get": [("SC-001", {}), ("unknown", {})],
    "spacecraft.list": [("", {}), ("", {"limit": 1, "offset": 1}), ("", {"limit": 0}), ("", {"offset": -1})],
    "spacecraft.status": [("SC-001", {}), ("unknown", {})],
    "events.record": [
        ("SC-001", EVENT),
        ("SC-001", EVENT | {"message": "Other"}),
        ("SC-001", EVENT | {"type": "PARTY"}),
        ("SC-001", EVENT | {"metadata": {"depth": [1, None, {"a": "b"}]}, "id": "ev-2"}),
        ("SC-001", {}),
        ("a b", EVENT),
    ],
    "events.list": [("SC-001", {}), ("SC-001", {"limit": 1}), ("SC-001", {"limit": "x"}), ("unknown", {})],
    "docs.create": [
        ("", DOCUMENT),
        ("", DOCUMENT | {"body": "Cool it."}),
        ("", DOCUMENT | {"id": "search"}),
        ("", DOCUMENT | {"spacecraftId": "a b"}),
        ("", {"title": "x"}),
    ],
    "docs.get": [("", {"documentId": "battery"}), ("", {"documentId": "unknown"}), ("", {"documentId": "-"})],
    "docs.search": [
        ("", {"q": "warm"}),
        ("", {"q": "100%_\"'", "spacecraftId": "SC-001"}),
        ("", {"q": "warm", "category": "none"}),
        ("", {"q": "warm", "limit": 51}),
        ("", {}),
    ],
    "health": [("", {})],
}


@pytest.fixture
async def told(service: Service, client: Client) -> None:
    """Something to ask for."""
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        await http.put("/spacecraft/SC-001/config", json=LIMITS)
        snapshots = [
            {"timestamp": f"2025-01-01T00:{minute:02}:00Z", "parameters": {"temp": 40 + 2 * minute, "mode": "CRUISE"}}
            for minute in range(10)
        ]
        batch = await http.post("/telemetry/batch", json={"spacecraftId": "SC-001", "snapshots": snapshots})
        assert batch.status_code == 201
        await http.put("/spacecraft/SC-002", json={"name": "Two"})
        await http.post("/events", json=EVENT | {"spacecraftId": "SC-001"})
        await http.post("/docs", json=DOCUMENT)


def test_every_operation_has_cases():
    assert set(CASES) == {operation.name for operation in OPERATIONS}


@pytest.mark.usefixtures("told")
async def test_both_edges_answer_alike(service: Service, client: Client):
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as http:
        for operation in OPERATIONS:
            for spacecraft_id, request in CASES[operation.name]:
                for route in operation.routes:
                    if not is_token(spacecraft_id):
                        continue  # NATS has no such subject
                    over_nats = await by_nats(client, operation, spacecraft_id, request)
                    over_http = await by_http(http, route, spacecraft_id, request)
                    assert settled(over_http, route) == settled(over_nats, route), (operation.name, request)


def is_token(spacecraft_id: str) -> bool:
    return " " not in spacecraft_id


@pytest.mark.usefixtures("told")
async def test_an_id_that_is_none_is_refused_over_http_too(service: Service):
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        for operation in OPERATIONS:
            for route in operation.routes:
                if operation.about_spacecraft:
                    refused = await by_http(http, route, "a b", CASES[operation.name][0][1])
                    assert refused.status == 400
                    assert refused.body["error"]["details"][0]["path"] == "spacecraftId"


async def test_health_is_the_same_over_both(service: Service, client: Client):
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        ready = await http.get("/health/ready")
    reply = await client.request("missionops.health", timeout=6)
    assert without_moments(ready.json()) == without_moments(json.loads(reply.data))


async def by_nats(client: Client, operation: Operation, spacecraft_id: str, request: Any) -> Reply:
    subject = operation.subject.replace("*", spacecraft_id)
    reply = await client.request(subject, json.dumps(request).encode(), timeout=6)
    headers = reply.headers or {}
    status = int(headers.get("Nats-Service-Error-Code", 200))
    return Reply(status, json.loads(reply.data), headers.get("Missionops-Next-Cursor"))


async def by_http(http: httpx.AsyncClient, route: Route, spacecraft_id: str, request: Any) -> Reply:
    fields = dict(request) if isinstance(request, dict) else request
    path = route.path.replace("{spacecraftId}", spacecraft_id)
    if "{documentId}" in path:
        path = path.replace("{documentId}", fields.pop("documentId"))
    if spacecraft_id and "{spacecraftId}" not in route.path:
        fields["spacecraftId"] = spacecraft_id
    if route.method == "GET":
        response = await http.get(path, params=fields)
    else:
        response = await http.request(route.method, path, json=fields)
    return Reply(response.status_code, response.json(), response.headers.get("missionops-next-cursor"))


def settled(reply: Reply, route: Route) -> Reply:
    """A reply without what cannot agree; a query's text cannot say which type was meant."""
    body = without_moments(reply.body)
    if reply.status == 400 and route.method == "GET":
        body = [detail["path"] for detail in body["error"]["details"]]
    return Reply(200 if reply.status == route.status else reply.status, body, reply.cursor)


def without_moments(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_moments(inner) for name, inner in value.items() if name not in OF_THE_MOMENT}
    if isinstance(value, list):
        return [without_moments(inner) for inner in value]
    return value
