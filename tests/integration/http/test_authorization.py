"""Who may do what over HTTP: every route for every role, and what a token that is limited to some spacecraft sees."""

import asyncio
import secrets
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from missionops.app import Service
from missionops.domain import token
from missionops.domain.access import Role
from missionops.http import service_routes
from missionops.http.routes import OFFERED
from missionops.settings import Settings
from tests import stored_alarms
from tests.stored_alarms import alarm

AT, LATER = "2025-01-01T00:00:00Z", "2025-01-01T00:10:00Z"
ALARM = f"al_{'a' * 32}"
LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}
EVENT = {"spacecraftId": "A", "type": "INFO", "severity": "LOW", "message": "Hello"}
SNAPSHOT = {"timestamp": AT, "parameters": {"temp": 50}}


class Wanted(NamedTuple):
    """A request that works."""

    path: str
    query: Any = None
    body: Any = None


OF_A, DURING = {"spacecraftId": "A"}, {"from": AT, "to": LATER}
REQUESTS = {
    "GET /spacecraft/{spacecraftId}/config": Wanted("/spacecraft/A/config"),
    "PUT /spacecraft/{spacecraftId}/config": Wanted("/spacecraft/A/config", body=LIMITS),
    "GET /spacecraft/{spacecraftId}/config/versions": Wanted("/spacecraft/A/config/versions"),
    "GET /spacecraft/{spacecraftId}/config/check": Wanted("/spacecraft/A/config/check"),
    "POST /spacecraft/{spacecraftId}/config/preview": Wanted("/spacecraft/A/config/preview", DURING, LIMITS),
    "GET /telemetry": Wanted("/telemetry", OF_A),
    "GET /telemetry/series": Wanted("/telemetry/series", OF_A | DURING | {"parameters": "temp"}),
    "GET /telemetry/states": Wanted("/telemetry/states", OF_A | DURING | {"parameters": "temp"}),
    "GET /telemetry/latest": Wanted("/telemetry/latest", OF_A),
    "GET /telemetry/analyze": Wanted("/telemetry/analyze", OF_A),
    "GET /anomalies": Wanted("/anomalies", OF_A),
    "GET /anomalies/timeline": Wanted("/anomalies/timeline", OF_A | DURING),
    "PUT /spacecraft/{spacecraftId}": Wanted("/spacecraft/A", body={"name": "One"}),
    "GET /spacecraft/{spacecraftId}": Wanted("/spacecraft/A"),
    "GET /spacecraft": Wanted("/spacecraft"),
    "GET /spacecraft/{spacecraftId}/status": Wanted("/spacecraft/A/status"),
    "POST /events": Wanted("/events", body=EVENT),
    "GET /events": Wanted("/events", OF_A),
    "GET /anomalies/search": Wanted("/anomalies/search"),
    "GET /events/search": Wanted("/events/search"),
    "GET /dead-letters": Wanted("/dead-letters"),
    "GET /dead-letters/{sequence}": Wanted("/dead-letters/1"),
    "POST /dead-letters/replay": Wanted("/dead-letters/replay", body={"sequences": [1]}),
    "POST /docs": Wanted("/docs", body={"title": "Battery", "body": "Warm it.", "spacecraftId": "A"}),
    "GET /docs/{documentId}": Wanted("/docs/about-a"),
    "GET /docs/search": Wanted("/docs/search", {"q": "battery"}),
    "POST /telemetry": Wanted("/telemetry", body=SNAPSHOT | OF_A),
    "POST /telemetry/batch": Wanted("/telemetry/batch", body=OF_A | {"snapshots": [SNAPSHOT]}),
    "GET /fleet": Wanted("/fleet"),
    "GET /alarms": Wanted("/alarms", OF_A),
    "GET /alarms/search": Wanted("/alarms/search"),
    "GET /alarms/active": Wanted("/alarms/active"),
    "GET /alarms/{id}": Wanted(f"/alarms/{ALARM}"),
    "GET /alarms/shelves": Wanted("/alarms/shelves"),
    "GET /alarms/statistics": Wanted("/alarms/statistics", DURING),
    "POST /alarms/acknowledge": Wanted("/alarms/acknowledge", body={"ids": [ALARM]}),
    "POST /alarms/{id}/comments": Wanted(f"/alarms/{ALARM}/comments", body={"comment": "Seen"}),
    "POST /alarms/shelve": Wanted("/alarms/shelve", body=OF_A | {"seconds": 60, "reason": "Test"}),
    "POST /alarms/unshelve": Wanted("/alarms/unshelve", body=OF_A),
    "GET /access": Wanted("/access"),
    "GET /changes": Wanted("/changes"),
    "GET /metrics": Wanted("/metrics"),
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"http_auth": "tokens"})


@pytest.fixture
async def admin(clients, client, database_url) -> httpx.AsyncClient:
    """Somebody who may everything, after there is something of three spacecraft and of no one."""
    http = await clients.holding(Role.ADMIN)
    await client.jetstream().publish("deadletters.telemetry.A", b"no snapshot")
    for name in "ABC":
        about_it = {"spacecraftId": name}
        await http.put(f"/spacecraft/{name}/config", json=LIMITS)
        snapshots = [
            {"timestamp": f"2025-01-01T00:00:0{second}Z", "parameters": {"temp": 50}, "id": name} for second in range(5)
        ]
        assert (await http.post("/telemetry/batch", json=about_it | {"snapshots": snapshots})).status_code == 201
        document = about_it | {"id": f"about-{name.lower()}", "title": "Battery", "body": "battery " * ord(name)}
        assert (await http.post("/docs", json=document)).status_code == 201
        await http.post("/events", json=EVENT | about_it | {"id": f"event-{name}"})
    assert (await http.post("/docs", json={"id": "all", "title": "Batteries", "body": "All."})).status_code == 201
    await stored_alarms.store(database_url, *(alarm(name, "bus") for name in "BC"), alarm("A", "bus", id=ALARM))
    return http


async def ask(http: httpx.AsyncClient, route: str) -> httpx.Response:
    wanted = REQUESTS[route]
    return await http.request(route.partition(" ")[0], wanted.path, params=wanted.query, json=wanted.body)


def error(response: httpx.Response) -> tuple[int, str]:
    """Its status and code, of an error that looks as the contract says."""
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "details"]
    return response.status_code, body["error"]["code"]


def needed() -> dict[str, Role]:
    """The role that each route needs."""
    routes = {f"{route.method} {route.path}": operation.role for operation, route in OFFERED}
    return routes | {f"GET {page.path}": page.role for page in service_routes.PAGES if page.role}


def test_there_is_a_request_for_every_route():
    assert set(REQUESTS) == set(needed())


@pytest.mark.usefixtures("admin")
async def test_every_route_asks_for_a_token(clients, issue, revoke, database):
    nobody = clients.showing(None)
    wrong = [
        clients.showing(token)
        for token in (
            "nonsense",
            str(token.made(secrets.token_bytes(40))),
            await expired(database),
            await issue("revoked", Role.ADMIN),
            (await issue("other", Role.ADMIN))[:-64] + "0" * 64,  # a known key with another secret
        )
    ]
    basic = clients.showing(None)
    basic.headers["Authorization"] = "Basic YWRtaW46YWRtaW4="
    await revoke("revoked")
    for route in REQUESTS:
        for http in (nobody, basic):
            refused = await ask(http, route)
            assert (error(refused), refused.headers["www-authenticate"]) == ((401, "unauthenticated"), "Bearer"), route
    answers = await asyncio.gather(*(ask(http, route) for route in REQUESTS for http in wrong))
    for refused in answers:
        assert error(refused) == (401, "unauthenticated")
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def expired(database: "asyncpg.Connection[asyncpg.Record]") -> str:
    made = token.made(secrets.token_bytes(40))
    await database.execute(
        "INSERT INTO app.token (name, key, digest, role, created_at, expires_at) "
        "VALUES ('expired', $1, $2, 'admin', '2020-01-01', '2021-01-01')",
        made.key,
        made.digest,
    )
    return str(made)


@pytest.mark.usefixtures("admin")
async def test_every_route_asks_for_its_role(clients):
    holders = {role: await clients.holding(role) for role in Role}
    for route, role in needed().items():
        for held, http in holders.items():
            answer = await ask(http, route)
            if held.includes(role):
                is_ended = route == "POST /alarms/unshelve" and answer.status_code == 404  # by the one before
                assert answer.status_code in {200, 201} or is_ended, (route, held, answer.text)
            else:
                assert error(answer) == (403, "forbidden"), (route, held)
                assert f"needs the role {role}" in answer.json()["error"]["message"]


async def test_what_is_open_tells_strangers_little(clients):
    stranger, reader = clients.showing(None), await clients.holding(Role.READER)
    limited, wrong = await clients.holding(Role.READER, "A"), clients.showing("nonsense")
    for page in service_routes.PAGES:
        if page.role is None:
            assert (await stranger.get(page.path)).status_code == 200
    for http in (stranger, limited, wrong):
        assert (await http.get("/health/ready")).json() == {"status": "ready"}
    assert "ingest" in (await reader.get("/health/ready")).json()
    assert (await stranger.get("/nothing")).status_code == 404


async def test_listings_hold_those_alone_to_which_a_token_is_limited(clients, admin: httpx.AsyncClient):
    limited = await clients.holding(Role.READER, "A", "C", "unknown")
    listed = (await limited.get("/spacecraft")).json()
    everything = (await admin.get("/spacecraft")).json()
    assert (everything["total"], listed["total"], listed["count"]) == (3, 2, 2)
    assert listed["items"] == [item for item in everything["items"] if item["spacecraftId"] != "B"]
    pages = [(await limited.get("/spacecraft", params={"limit": 1, "offset": offset})).json() for offset in range(3)]
    assert [[item["spacecraftId"] for item in page["items"]] for page in pages] == [["A"], ["C"], []]
    assert {page["total"] for page in pages} == {2}


async def test_searches_find_what_is_within_reach_and_as_many_as_were_asked_for(clients, admin: httpx.AsyncClient):
    limited = await clients.holding(Role.READER, "A", "C")

    async def found(http: httpx.AsyncClient, **query: Any) -> list[str]:
        return [document["id"] for document in (await http.get("/docs/search", params=query)).json()]

    for q in ("battery", "batter", "attery"):  # by words, and by parts of them
        everything = await found(admin, q=q)
        assert {"about-a", "about-b", "about-c"} <= set(everything)
        for limit in (1, 2, 3, 50):
            within = [name for name in everything if name != "about-b"]
            assert await found(limited, q=q, limit=limit) == within[:limit]
    assert await found(limited, q="battery", spacecraftId="A") == ["about-a"]
    assert error(await limited.get("/docs/search", params={"q": "battery", "spacecraftId": "B"})) == (403, "forbidden")
    assert (await limited.get("/docs/about-a")).status_code == 200
    assert (await limited.get("/docs/all")).status_code == 200
    assert error(await limited.get("/docs/about-b")) == (404, "not_found")


async def test_pages_are_the_same_for_whoever_is_limited_to_what_they_are_about(clients, admin):
    limited = await clients.holding(Role.READER, "A")
    for path in ("/telemetry", "/anomalies", "/telemetry/analyze", "/anomalies/timeline", "/events"):
        query = OF_A | (DURING if path.endswith(("analyze", "timeline")) else {"limit": 2})
        seen: list[tuple[bytes, str | None]] = []
        for http in (admin, limited):
            cursor, answers = None, []
            while True:
                page = await http.get(path, params=query | ({"cursor": cursor} if cursor else {}))
                assert page.status_code == 200
                answers.append(page.content)
                cursor = page.headers.get("missionops-next-cursor")
                if cursor is None:
                    break
            seen.append((b"\n".join(answers), cursor))
        assert seen[0] == seen[1]
        assert b'"A"' in seen[0][0]


CHECKED_INSIDE = {
    "spacecraft.list", "docs.create", "docs.get", "docs.search", "telemetry.take", "telemetry.takeBatch",
    "anomalies.search", "events.search", "deadletters.list", "deadletters.get", "deadletters.replay",
    "fleet.status", "alarms.search", "alarms.active", "alarms.shelves", "alarms.statistics",
}  # fmt: skip
"""Operations about no one spacecraft: each looks itself at what a token reaches, as other tests here show."""


@pytest.mark.usefixtures("admin")
async def test_all_else_is_refused_whether_it_is_there_or_not(clients):
    limited = await clients.holding(Role.ADMIN, "A", "C")
    for operation, route in OFFERED:
        if operation.about_spacecraft and route.names_spacecraft:
            wanted = REQUESTS[f"{route.method} {route.path}"]
            for other in ("B", "unknown"):
                query, body = (
                    fields | {"spacecraftId": other} if "spacecraftId" in (fields or ()) else fields
                    for fields in (wanted.query, wanted.body)
                )
                path = wanted.path.replace("/A", f"/{other}")
                refused = await limited.request(route.method, path, params=query, json=body)
                assert error(refused) == (403, "forbidden"), (path, other)
            assert (await ask(limited, f"{route.method} {route.path}")).status_code in {200, 201}
    about_no_one = {operation.name for operation, _ in OFFERED if not operation.about_spacecraft}
    assert about_no_one == CHECKED_INSIDE
    assert error(await limited.get("/metrics")) == (403, "forbidden")
    fleet = await limited.get("/events", params={"spacecraftId": "_fleet"})
    assert error(fleet) == (403, "forbidden")


async def test_nothing_is_written_out_of_reach(clients, admin: httpx.AsyncClient, client, database):
    limited = await clients.holding(Role.ADMIN, "A", "C")
    before = await state(database, client)
    document = {"title": "Battery", "body": "Other."}
    for path, body in (
        ("/telemetry", SNAPSHOT | {"spacecraftId": "B"}),
        ("/telemetry/batch", {"spacecraftId": "B", "snapshots": [SNAPSHOT]}),
        ("/telemetry/batch", {"spacecraftId": "A", "snapshots": [SNAPSHOT, SNAPSHOT | {"spacecraftId": "B"}]}),
        ("/events", EVENT | {"spacecraftId": "B"}),
        ("/docs", document | {"spacecraftId": "B"}),
        ("/docs", document),  # about no one spacecraft, so about all
        ("/docs", document | {"spacecraftId": "B", "id": "about-a", "overwrite": True}),
    ):
        assert error(await limited.post(path, json=body)) == (403, "forbidden"), (path, body)
    for taken in ("about-b", "all"):
        for overwrite in (False, True):
            wanted = document | {"spacecraftId": "A", "id": taken, "overwrite": overwrite}
            refused = await limited.post("/docs", json=wanted)
            assert error(refused) == (409, "conflict")
            assert refused.json()["error"]["message"] == f"The document id {taken} is taken; choose another"
    assert await state(database, client) == before
    overwritten = document | {"spacecraftId": "C", "id": "about-a", "overwrite": True}
    assert (await limited.post("/docs", json=overwritten)).status_code == 201
    assert (await admin.get("/docs/about-a")).json()["spacecraftId"] == "C"


async def state(database: Any, client: Any) -> tuple[Any, ...]:
    """What a write would change."""
    info = await client.jetstream().stream_info("TELEMETRY")
    return (
        info.state.last_seq,
        await database.fetch("SELECT * FROM app.document ORDER BY id"),
        await database.fetch("SELECT id FROM app.event ORDER BY id"),
    )


async def test_the_openapi_document_says_what_each_route_needs(service: Service, clients):
    document = (await clients.showing(None).get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    roles = needed()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            role = roles.get(f"{method.upper()} {path}")
            assert operation.get("security") == (None if role is None else [{"token": [role]}]), path
            assert ({"401", "403"} <= set(operation["responses"])) == (role is not None), path
    ready = document["paths"]["/health/ready"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert [choice["$ref"].rpartition("/")[2] for choice in ready["anyOf"]] == ["Health", "Readiness"]


@pytest.mark.usefixtures("admin")
async def test_the_fleet_of_a_limited_token_has_no_other_spacecraft_not_even_in_its_counts(clients):
    limited = await clients.holding(Role.READER, "A", "unknown")
    found = (await limited.get("/fleet")).json()
    assert [item["spacecraftId"] for item in found["items"]] == ["A"]
    assert found["counts"] == {"CRITICAL": 1}


async def test_access_says_who_asks(clients):
    limited = await clients.holding(Role.OPERATOR, "C", "A")
    found = (await limited.get("/access")).json()
    expected = {"role": "operator", "spacecraft": ["A", "C"], "auth": "tokens"}
    assert {name: found[name] for name in expected} == expected
    assert found["name"].startswith("operator-")
    everyone = (await (await clients.holding(Role.READER)).get("/access")).json()
    assert (everyone["role"], everyone["spacecraft"]) == ("reader", None)
