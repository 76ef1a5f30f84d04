"""Every operation over NATS, over HTTP and from the command line: the same cases, the same answers."""

import asyncio
import contextlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx
import pytest
from nats.aio.client import Client

from missionops import cli
from missionops.app import Service
from missionops.domain.access import Role
from missionops.operations import intake
from missionops.operations.operation import Operation, Route
from missionops.operations.registry import OPERATIONS
from tests import stored_alarms
from tests.stored_alarms import alarm
from tests.wait import PATIENCE, until_async

ALARM, NO_ALARM = f"al_{'1' * 32}", f"al_{'0' * 32}"
AT, LATER = "2025-01-01T00:00:00Z", "2025-01-01T00:10:00Z"
LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}, "mission": "test"}
EVENT = {"type": "INFO", "severity": "LOW", "message": "Hello", "timestamp": AT, "id": "ev-1"}
DOCUMENT = {"title": "Battery", "body": "Warm it.", "id": "battery", "tags": ["eps"], "spacecraftId": "SC-001"}

# What two calls, one after the other, cannot agree about.
OF_THE_MOMENT = {
    "updatedAt", "version", "lag", "lagSeconds", "rollUps", "waitingSpans", "sequence", "at", "until", "revision",
    "comments",
}  # fmt: skip


class Reply(NamedTuple):
    """An answer, whichever way it came."""

    status: int
    body: Any
    cursor: str | None


class Command(NamedTuple):
    """How the command line asks for an operation."""

    words: str
    """`*` stands for the spacecraft's id."""
    fields: Mapping[str, str] = {}
    """The option of each field of the request; none where it stands alone, and `@` before one that names a file."""
    takes_document: bool = False
    """Whether the request is what a file holds."""


ANOMALY_FILTERS = {
    "limit": "--limit", "minSeverity": "--min-severity", "parameter": "--parameter", "from": "--from", "to": "--to",
}  # fmt: skip
EVENT_FILTERS = {
    "limit": "--limit", "types": "--type", "minSeverity": "--min-severity", "q": "--search", "from": "--from",
    "to": "--to",
}  # fmt: skip

ALARM_FILTERS = {
    "limit": "--limit", "state": "--state", "minSeverity": "--min-severity", "parameter": "--parameter",
    "check": "--check", "from": "--from", "to": "--to",
}  # fmt: skip

COMMANDS: Mapping[str, Command] = {
    "config.get": Command("get-config *", {"version": "--version"}),
    "config.set": Command("set-config * --yes", takes_document=True),
    "config.versions": Command("list-configs *", {"limit": "--limit"}),
    "config.check": Command("check-config *"),
    "config.preview": Command("preview-config *", {"config": "@--file", "from": "--from", "to": "--to"}),
    "telemetry.list": Command(
        "list-telemetry --spacecraft-id *", {"limit": "--limit", "from": "--from", "to": "--to"}
    ),
    "telemetry.analyze": Command(
        "analyze-telemetry --spacecraft-id *", {"limit": "--limit", "from": "--from", "to": "--to"}
    ),
    "telemetry.series": Command(
        "series *", {"parameters": "", "from": "--from", "to": "--to", "points": "--points"},
    ),
    "telemetry.states": Command("states *", {"parameters": "", "from": "--from", "to": "--to"}),
    "telemetry.latest": Command("latest *", {"parameters": "", "at": "--at"}),
    "anomalies.list": Command("list-anomalies --spacecraft-id *", ANOMALY_FILTERS),
    "anomalies.search": Command("list-anomalies", ANOMALY_FILTERS),
    "anomalies.timeline": Command("list-anomalies --spacecraft-id *", {"from": "--from", "to": "--to"}),
    "alarms.list": Command("list-alarms --spacecraft-id *", ALARM_FILTERS),
    "alarms.search": Command("list-alarms", ALARM_FILTERS | {"q": "--search"}),
    "alarms.active": Command(
        "list-alarms --standing",
        {"limit": "--limit", "minSeverity": "--min-severity", "subsystem": "--subsystem", "q": "--search"},
    ),
    "alarms.get": Command("show-alarm *", {"id": ""}),
    "alarms.acknowledge": Command("acknowledge *", {"ids": "", "comment": "--comment", "by": "--by"}),
    "alarms.comment": Command("comment *", {"id": "", "comment": "", "by": "--by"}),
    "alarms.shelve": Command(
        "shelve *", {"parameter": "--parameter", "check": "--check", "reason": "--reason", "by": "--by"}
    ),
    "alarms.unshelve": Command("unshelve *", {"parameter": "--parameter", "check": "--check", "by": "--by"}),
    "alarms.shelves": Command("list-shelves"),
    "alarms.statistics": Command("alarm-statistics", {"from": "--from", "to": "--to"}),
    "alarms.statisticsOf": Command("alarm-statistics *", {"from": "--from", "to": "--to"}),
    "spacecraft.register": Command("register *", {"name": "--name", "missionType": "--mission-type"}),
    "spacecraft.get": Command("get-spacecraft *"),
    "spacecraft.list": Command("list-spacecraft", {"limit": "--limit"}),
    "spacecraft.status": Command("status *"),
    "fleet.status": Command("fleet", {"limit": "--limit", "q": "--search", "state": "--state"}),
    "events.record": Command(
        "record-event *",
        {
            "message": "", "type": "--type", "severity": "--severity", "timestamp": "--timestamp",
            "metadata": "--metadata", "id": "--id",
        },
    ),
    "events.list": Command("list-events --spacecraft-id *", EVENT_FILTERS),
    "events.search": Command("list-events", EVENT_FILTERS),
    "deadletters.list": Command(
        "dead-letters list", {"limit": "--limit", "spacecraftId": "--spacecraft-id"},
    ),
    "deadletters.get": Command("dead-letters show", {"sequence": ""}),
    "deadletters.replay": Command("dead-letters replay"),
    "docs.create": Command(
        "create-doc",
        {
            "title": "--title", "body": "@--file", "spacecraftId": "--spacecraft-id", "category": "--category",
            "tags": "--tag", "id": "--id",
        },
    ),
    "docs.get": Command("get-doc", {"documentId": ""}),
    "docs.search": Command(
        "search-docs",
        {
            "q": "--query", "limit": "--limit", "spacecraftId": "--spacecraft-id", "category": "--category",
            "tag": "--tag",
        },
    ),
    "health": Command("health"),
    "telemetry.take": Command("publish *", takes_document=True),
    "telemetry.takeBatch": Command("ingest-telemetry --spacecraft-id *", takes_document=True),
}  # fmt: skip

# By operation: a spacecraft's id where it is about one, and the request.
CASES: Mapping[str, list[tuple[str, Any]]] = {
    "config.get": [
        ("SC-001", {}),
        ("SC-001", {"version": 1}),
        ("SC-001", {"version": 9}),
        ("SC-001", {"version": 0}),
        ("SC-002", {}),
        ("unknown", {}),
        ("a b", {}),
    ],
    "config.set": [
        ("SC-001", LIMITS),
        ("SC-001", {}),
        ("SC-001", []),
        ("SC-001", {"parameters": {"temp": {"warnHigh": 45, "critHigh": 40}}}),
        ("SC-001", {"parameters": {"temp": {"warnhigh": 45}}}),
        ("SC-001", {"config": LIMITS, "spacecraftId": "SC-001", "version": 1}),
        ("SC-001", {"config": LIMITS, "spacecraftId": "SC-002"}),
        ("SC-001", {"parameters": {"Temp": {"warnHigh": 45}, "mode": {"warnHigh": 1}, "temp": {}}}),
        ("SC-001", {"temp": {"warnHigh": 45}}),
        ("SC-001", {"clock": {"ahead": -1, "late": 1}, "silentAfter": 59}),
    ],
    "config.versions": [
        ("SC-001", {}),
        ("SC-001", {"limit": 1}),
        ("SC-001", {"limit": 0}),
        ("SC-001", {"cursor": "none"}),
        ("SC-002", {}),
        ("unknown", {}),
    ],
    "config.check": [("SC-001", {}), ("SC-002", {}), ("unknown", {})],
    "config.preview": [
        ("SC-001", {"config": {"parameters": {"temp": {"warnHigh": 50}}}, "from": AT, "to": LATER}),
        ("SC-001", {"config": {"parameters": {"temp": {"warnHigh": 50, "critHigh": 40}}}, "from": AT, "to": LATER}),
        ("SC-001", {"config": {}, "from": LATER, "to": AT}),
        ("unknown", {"config": LIMITS, "from": AT, "to": LATER}),
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
        ("SC-001", {"from": "soon", "to": LATER}),
        ("unknown", {}),
    ],
    "telemetry.series": [
        ("SC-001", {"parameters": ["temp", "mode", "none"], "from": AT, "to": LATER, "points": 100}),
        ("SC-001", {"parameters": ["temp"], "from": AT, "to": LATER, "points": 3}),
        ("SC-001", {"parameters": ["temp"], "from": LATER, "to": AT, "points": 3}),
        ("SC-001", {"parameters": ["temp"], "from": AT, "to": LATER, "points": 0}),
        ("SC-001", {"parameters": ["temp"], "from": AT}),
        ("SC-001", {"from": AT, "to": LATER}),
        ("unknown", {"parameters": ["temp"], "from": AT, "to": LATER, "points": 100}),
    ],
    "telemetry.states": [
        ("SC-001", {"parameters": ["mode", "temp", "none"], "from": AT, "to": LATER}),
        ("SC-001", {"parameters": ["mode"], "from": LATER, "to": AT}),
        ("SC-001", {"parameters": ["mode"], "from": AT}),
        ("SC-001", {"parameters": ["mode"], "from": AT, "to": LATER, "cursor": "none"}),
        ("unknown", {"parameters": ["mode"], "from": AT, "to": LATER}),
    ],
    "telemetry.latest": [
        ("SC-001", {"at": LATER}),
        ("SC-001", {"at": AT, "parameters": ["temp", "none"]}),
        ("SC-001", {"parameters": ["temp"]}),
        ("SC-001", {"at": "soon"}),
        ("unknown", {}),
    ],
    "anomalies.list": [
        ("SC-001", {}),
        ("SC-001", {"limit": 1}),
        ("SC-001", {"limit": 1001}),
        ("SC-001", {"minSeverity": "MEDIUM", "parameter": "temp", "from": AT}),
        ("SC-001", {"minSeverity": "WORSE"}),
        ("SC-001", {"to": AT}),
        ("unknown", {}),
    ],
    "anomalies.search": [
        ("", {}),
        ("", {"limit": 2, "minSeverity": "HIGH", "to": LATER}),
        ("", {"parameter": "none"}),
        ("", {"from": "soon"}),
        ("", {"limit": 0}),
        ("", {"cursor": "none"}),
        ("", {"spacecraftId": "SC-001"}),
    ],
    "anomalies.timeline": [("SC-001", {"from": AT, "to": LATER}), ("SC-001", {"from": AT}), ("SC-001", {})],
    "alarms.list": [
        ("SC-001", {}),
        ("SC-001", {"state": "ACTIVE", "limit": 1}),
        ("SC-001", {"minSeverity": "HIGH", "check": "LIMIT", "parameter": "bus", "from": AT, "to": LATER}),
        ("SC-001", {"state": "OPEN"}),
        ("SC-001", {"check": "OTHER"}),
        ("SC-001", {"from": LATER, "to": AT}),
        ("unknown", {}),
    ],
    "alarms.search": [
        ("", {}),
        ("", {"q": "volt"}),
        ("", {"state": "UNACKNOWLEDGED", "limit": 1}),
        ("", {"limit": 0}),
        ("", {"cursor": "none"}),
        ("", {"spacecraftId": "SC-001"}),
    ],
    "alarms.active": [
        ("", {}),
        ("", {"limit": 1}),
        ("", {"minSeverity": "CRITICAL", "q": "none"}),
        ("", {"subsystem": "EPS"}),
        ("", {"limit": 1001}),
        ("", {"cursor": "none"}),
    ],
    "alarms.get": [("SC-001", {"id": ALARM}), ("SC-001", {"id": NO_ALARM}), ("SC-001", {"id": ALARM, "cursor": "x"})],
    "alarms.acknowledge": [
        ("SC-001", {"ids": [ALARM], "comment": "Seen", "by": "alice"}),
        ("SC-001", {"ids": [NO_ALARM, ALARM], "revisions": {ALARM: 9}}),
        ("SC-001", {"ids": []}),
        ("SC-001", {"ids": [ALARM], "revisions": {NO_ALARM: 1}}),
        ("SC-001", {}),
    ],
    "alarms.comment": [
        ("SC-001", {"id": ALARM, "comment": "Seen", "by": "alice"}),
        ("SC-001", {"id": NO_ALARM, "comment": "Seen"}),
        ("SC-001", {"id": ALARM, "comment": "x" * 1_000_000}),
        ("SC-001", {"id": ALARM, "comment": ""}),
    ],
    "alarms.shelve": [
        ("SC-001", {"parameter": "temp", "seconds": 60, "reason": "Test", "by": "alice"}),
        ("SC-001", {"parameter": None, "seconds": 60, "reason": "Test", "by": "alice"}),
        ("SC-001", {"check": "LIMIT", "seconds": 60, "reason": "Test", "by": "alice"}),
        ("SC-001", {"seconds": 2_592_001, "reason": "For ever"}),
        ("SC-001", {"seconds": 60, "reason": ""}),
        ("SC-001", {"parameter": "temp", "check": "SILENT", "seconds": 60, "reason": "Test"}),
        ("SC-001", {"parameter": None, "check": "LIMIT", "seconds": 60, "reason": "Test"}),
        ("SC-001", {}),
    ],
    "alarms.unshelve": [
        ("SC-001", {"parameter": "none"}),
        ("SC-001", {}),
        ("SC-001", {"parameter": "temp", "check": "SILENT"}),
        ("SC-001", {"seconds": 60}),
    ],
    "alarms.shelves": [("", {}), ("", {"cursor": "none"}), ("", {"limit": 1})],
    "alarms.statistics": [
        ("", {"from": AT, "to": "2199-01-01T00:00:00Z"}),
        ("", {"from": AT, "to": AT, "spacecraftId": "SC-001"}),
        ("", {"from": AT, "to": AT, "spacecraftId": "a b"}),
        ("", {"from": AT}),
        ("", {"from": LATER, "to": AT}),
    ],
    "alarms.statisticsOf": [
        ("SC-001", {"from": AT, "to": "2199-01-01T00:00:00Z"}),
        ("SC-001", {"from": LATER, "to": AT}),
        ("unknown", {"from": AT, "to": AT}),
    ],
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
    "fleet.status": [
        ("", {}),
        ("", {"limit": 1}),
        ("", {"limit": 1001}),
        ("", {"q": "tWo"}),
        ("", {"state": "SILENT"}),
        ("", {"state": "FINE"}),
        ("", {"cursor": "nonsense"}),
    ],
    "events.record": [
        ("SC-001", EVENT),
        ("SC-001", EVENT | {"message": "Other"}),
        ("SC-001", EVENT | {"type": "PARTY"}),
        ("SC-001", EVENT | {"metadata": {"depth": [1, None, {"a": "b"}]}, "id": "ev-2"}),
        ("SC-001", {}),
        ("a b", EVENT),
    ],
    "events.list": [
        ("SC-001", {}),
        ("SC-001", {"limit": 1}),
        ("SC-001", {"limit": "x"}),
        ("unknown", {}),
        ("_fleet", {}),
        ("SC-001", {"types": ["INFO"], "minSeverity": "LOW", "q": "hello", "from": AT, "to": LATER}),
        ("SC-001", {"types": ["PARTY"]}),
    ],
    "events.search": [
        ("", {}),
        ("", {"limit": 1}),
        ("", {"types": ["INFO", "CONFIG_CHANGED"], "limit": 2}),
        ("", {"q": "nothing like it"}),
        ("", {"minSeverity": "WORSE"}),
        ("", {"from": LATER, "to": AT}),
    ],
    "deadletters.list": [
        ("", {}),
        ("", {"limit": 1}),
        ("", {"spacecraftId": "SC-001"}),
        ("", {"spacecraftId": "unknown"}),
        ("", {"spacecraftId": "a b"}),
        ("", {"limit": 0}),
        ("", {"cursor": "none"}),
    ],
    "deadletters.get": [
        ("", {"sequence": 1}),
        ("", {"sequence": 2}),
        ("", {"sequence": 999}),
        ("", {"sequence": 0}),
        ("", {"sequence": "one"}),
    ],
    "deadletters.replay": [
        ("", {"sequences": [2, 999, 2]}),
        ("", {"sequences": []}),
        ("", {"sequences": [0]}),
        ("", {}),
    ],
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
        ("", {"q": "warm", "tag": "none"}),
        ("", {"q": "warm", "limit": 51}),
        ("", {}),
    ],
    "health": [("", {})],
}

SNAPSHOT = {"timestamp": AT, "parameters": {"temp": 46, "mode": "CRUISE", "heater": True, "n": 2**64 - 1, "x": 1e-7}}

# Telemetry goes into the stream over NATS, and is a request over HTTP: one snapshot, or several.
TAKEN: Mapping[str, list[Any]] = {
    "telemetry.take": [
        SNAPSHOT,
        SNAPSHOT | {"id": "own"},
        SNAPSHOT | {"timestamp": "2025-01-01T00:00:00.1234567+01:00", "more": [1]},
        SNAPSHOT | {"timestamp": "2025-01-01T00:00:00"},
        SNAPSHOT | {"parameters": {"temp": None}},
        SNAPSHOT | {"parameters": {"": 1}},
        SNAPSHOT | {"id": ""},
        {"timestamp": AT},
    ],
    "telemetry.takeBatch": [
        [],
        [SNAPSHOT],
        [SNAPSHOT | {"id": f"s{number}"} for number in range(3)],
        [SNAPSHOT, SNAPSHOT],
    ],
}


@pytest.fixture
async def told(service: Service, client: Client, database_url: str) -> None:
    """Something to ask for, unless it is there already."""
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        if (await http.get("/spacecraft/SC-001/config")).status_code == 200:
            return
        await http.put("/spacecraft/SC-001/config", json=LIMITS)
        snapshots = [
            {"timestamp": f"2025-01-01T00:{minute:02}:00Z", "parameters": {"temp": 40 + 2 * minute, "mode": "CRUISE"}}
            for minute in range(10)
        ]
        batch = await http.post("/telemetry/batch", json={"spacecraftId": "SC-001", "snapshots": snapshots})
        assert batch.status_code == 201
        await http.put("/spacecraft/SC-002", json={"name": "Two"})
        await http.post("/events", json=EVENT | {"spacecraftId": "SC-001"})
        await stored_alarms.store(
            database_url,
            alarm(parameter="bus", id=ALARM, documents=["battery"]),
            alarm(parameter="volt", subsystem="EPS", end=LATER),
            alarm("SC-002"),
        )
        shelf = {"spacecraftId": "SC-002", "seconds": 3600, "reason": "Test", "by": "alice"}
        assert (await http.post("/alarms/shelve", json=shelf)).status_code == 200
        await http.post("/docs", json=DOCUMENT)
        await http.post("/docs", json=DOCUMENT | {"id": "fleet", "spacecraftId": None})
        # Letter 1 is text; letter 2 is not, and cannot be replayed as its subject names no spacecraft.
        await client.publish("telemetry.SC-001", b"no snapshot")
        await client.publish("telemetry._x", b"\x91\xff")
        async with asyncio.timeout(PATIENCE):
            while len((await http.get("/dead-letters")).json()) < 2:
                await asyncio.sleep(0.02)


def test_every_operation_has_cases_and_a_command():
    assert set(CASES) == {operation.name for operation in OPERATIONS}
    assert set(TAKEN) == {operation.name for operation in intake.OPERATIONS}
    assert set(COMMANDS) == set(CASES) | set(TAKEN)


IN_MODULE = pytest.mark.shared_service(scope="module")


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "operation",
    [pytest.param(one, marks=IN_MODULE if one.role is Role.READER else (), id=one.name) for one in OPERATIONS],
)
async def test_all_ways_answer_alike(service: Service, client: Client, nats_url: str, tmp_path, operation: Operation):
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as http:
        for spacecraft_id, request in CASES[operation.name]:
            if " " in spacecraft_id:
                continue  # NATS has no such subject
            over_nats = await by_nats(client, operation, spacecraft_id, request)
            for route in operation.routes:
                over_http = await by_http(http, route, spacecraft_id, request)
                assert settled(over_http, route) == settled(over_nats, route), request
            if has_command(operation, spacecraft_id, request):
                done = await by_command(operation, spacecraft_id, request, nats_url, tmp_path)
                check_command(done, over_nats)


@pytest.mark.usefixtures("told")
async def test_an_id_that_is_none_is_refused_over_http_too(service: Service):
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        for operation in OPERATIONS:
            for route in operation.routes:
                if operation.about_spacecraft and route.names_spacecraft:
                    refused = await by_http(http, route, "a b", CASES[operation.name][0][1])
                    assert refused.status == 400
                    assert refused.body["error"]["details"][0]["path"] == "spacecraftId"


async def test_health_is_the_same_over_both(service: Service, client: Client):
    async def are_alarms_known() -> bool:
        reply = await client.request("missionops.health", timeout=6)
        return json.loads(reply.data)["ingest"]["alarms"] is not None

    await until_async(are_alarms_known, "the first look of the alarm worker")
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        ready = await http.get("/health/ready")
    reply = await client.request("missionops.health", timeout=6)
    assert without_moments(ready.json()) == without_moments(json.loads(reply.data))


@pytest.mark.parametrize("operation", intake.OPERATIONS, ids=lambda operation: operation.name)
async def test_telemetry_is_taken_in_alike(
    service: Service, client: Client, nats_url: str, tmp_path, operation: Operation
):
    dead = await client.subscribe("deadletters.telemetry.*")
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as http:
        for number, given in enumerate(TAKEN[operation.name]):
            expected = await stored_by_http(http, operation.routes[0], f"H-{number}", given)
            await client.jetstream().publish(f"telemetry.N-{number}", json.dumps(given).encode())
            done = await by_command(operation, f"C-{number}", given, nats_url, tmp_path)
            if isinstance(expected, list):
                assert done.code == 0
                assert await until_stored(http, f"N-{number}", len(expected)) == expected
                assert await until_stored(http, f"C-{number}", len(expected)) == expected
            else:
                letter = await dead.next_msg(PATIENCE)
                assert (letter.headers or {})["Missionops-Error"] == expected
                assert done.code == 1
                assert expected in done.err


async def by_nats(client: Client, operation: Operation, spacecraft_id: str, request: Any) -> Reply:
    subject = operation.subject.replace("*", spacecraft_id)
    reply = await client.request(subject, json.dumps(request).encode(), timeout=6)
    headers = reply.headers or {}
    status = int(headers.get("Nats-Service-Error-Code", 200))
    return Reply(status, json.loads(reply.data), headers.get("Missionops-Next-Cursor"))


async def by_http(http: httpx.AsyncClient, route: Route, spacecraft_id: str, request: Any) -> Reply:
    fields = dict(request) if isinstance(request, dict) else request
    path = route.path.replace("{spacecraftId}", spacecraft_id)
    for name in re.findall("{([A-Za-z]+)}", path):
        path = path.replace(f"{{{name}}}", str(fields.pop(name)))
    if spacecraft_id and route.names_spacecraft and "{spacecraftId}" not in route.path:
        fields["spacecraftId"] = spacecraft_id
    if route.method == "GET":
        query = {name: ",".join(value) if isinstance(value, list) else value for name, value in fields.items()}
        response = await http.get(path, params=query)
    elif name := next((one.body_field for one in OPERATIONS if route in one.routes), None):
        document = fields.pop(name)
        response = await http.request(route.method, path, params=fields, json=document)
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


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


WITH_DEFAULTS = {"telemetry.series", "telemetry.states", "alarms.statistics", "alarms.statisticsOf"}
"""Operations whose commands have defaults of their own."""


def has_command(operation: Operation, spacecraft_id: str, request: Any) -> bool:
    """Whether the command line can say that: it knows no cursors, as it goes on over the pages by itself."""
    command = COMMANDS[operation.name]
    if command.takes_document:
        return True
    if operation.name == "anomalies.list" and request.get("limit", 0) > 1000:
        return False  # which is several pages
    ends = len(request.keys() & {"from", "to"})
    if (operation.name, ends) in {("anomalies.timeline", 0), ("anomalies.timeline", 1), ("telemetry.analyze", 1)}:
        return False  # which is the command of the list, or takes one end alone
    if operation.name == "telemetry.latest" and not request:
        return False  # of an unknown spacecraft it says a sentence
    if operation.name in WITH_DEFAULTS and not request.keys() >= command.fields.keys():
        return False
    return request.keys() <= command.fields.keys()


async def by_command(operation: Operation, spacecraft_id: str, request: Any, nats_url: str, directory: Path) -> Done:
    """A command, in a thread of its own."""
    command = COMMANDS[operation.name]
    given = ["--file", file(directory, json.dumps(request))] if command.takes_document else []
    if not command.takes_document:
        given = [word for name, value in request.items() for word in words(command.fields[name], value, directory)]
    as_json = [] if operation in intake.OPERATIONS else ["--json"]
    line = [*command.words.replace("*", spacecraft_id).split(" "), *given, *as_json, "--server", nats_url]
    return await asyncio.to_thread(run, line)


def words(option: str, value: Any, directory: Path) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from words(option, one, directory)
        return
    if option.startswith("@"):
        value = file(directory, value if isinstance(value, str) else json.dumps(value))
    yield from [option.removeprefix("@")] if option else []
    yield value if isinstance(value, str) else json.dumps(value)


def file(directory: Path, text: str) -> str:
    path = directory / "given"
    path.write_text(text)
    return str(path)


def run(line: list[str]) -> Done:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with patch("sys.argv", ["missionops", *line]), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def check_command(done: Done, told: Reply) -> None:
    """That a command said the same as NATS: what it refuses by itself, NATS refuses too."""
    if done.code == 2:
        assert told.status == 400
    elif done.code == 1:
        assert told.status != 200, done
        assert told.body["error"]["message"] in done.err
        assert not done.out
    else:
        body, out = told.body, json.loads(done.out)
        if isinstance(body, dict) and "items" in body and isinstance(out, list):
            body = body["items"]  # all there is, without its bookkeeping
        assert (told.status, without_moments(out)) == (200, without_moments(body))


async def stored_by_http(http: httpx.AsyncClient, route: Route, spacecraft_id: str, given: Any) -> list[Any] | str:
    """What is stored of telemetry that came over HTTP; what is wrong with it if it is refused."""
    body = {"snapshots": given} if isinstance(given, list) else given
    response = await http.post(route.path, json=body | {"spacecraftId": spacecraft_id})
    if response.status_code == 400:
        (fault,) = response.json()["error"]["details"]
        return f"{fault['path'] or 'body'}: {fault['message']}"
    assert response.status_code == 201
    return await until_stored(http, spacecraft_id, 0)


async def until_stored(http: httpx.AsyncClient, spacecraft_id: str, count: int) -> list[Any]:
    """What is stored, once there are so many, but for whose and since when."""

    async def found() -> tuple[Any] | None:
        stored = (await http.get("/telemetry", params={"spacecraftId": spacecraft_id})).json()
        return (stored,) if len(stored) >= count else None

    (stored,) = await until_async(found, f"{count} snapshots of {spacecraft_id}")
    return [{name: one[name] for name in ("id", "timestamp", "parameters")} for one in stored]
