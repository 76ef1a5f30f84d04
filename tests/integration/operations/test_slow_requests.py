"""What cannot be answered in time is refused in time, and leaves nothing behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.operations import dispatch
from missionops.operations.registry import OPERATIONS
from subscribers import middlewares
from tests.wait import PATIENCE, until_async

AT = "2025-01-01T00:00:00Z"
TABLES = "app.spacecraft, app.config, app.snapshot, app.anomaly, app.event, app.document, app.parameter_set, app.alarm"

REQUESTS: dict[str, dict[str, Any]] = {
    "anomalies.timeline": {"from": AT, "to": AT},
    "config.preview": {"config": {"parameters": {}}, "from": AT, "to": AT},
    "events.record": {"type": "INFO", "severity": "LOW", "message": "m"},
    "docs.create": {"title": "t", "body": "b"},
    "docs.get": {"documentId": "d"},
    "docs.search": {"q": "text"},
    "alarms.get": {"id": "al_1"},
    "alarms.acknowledge": {"ids": ["al_1"]},
    "alarms.comment": {"id": "al_1", "comment": "c"},
    "alarms.shelve": {"seconds": 60, "reason": "r"},
    "alarms.statistics": {"from": AT, "to": AT},
    "alarms.statisticsOf": {"from": AT, "to": AT},
    "telemetry.series": {"parameters": ["temp"], "from": AT, "to": AT},
    "telemetry.states": {"parameters": ["temp"], "from": AT, "to": AT},
}
"""By operation, where an empty one says nothing."""


@asynccontextmanager
async def locked(database: "asyncpg.Connection[asyncpg.Record]", tables: str = TABLES) -> AsyncIterator[None]:
    """Nobody else comes to any row of these tables."""
    async with database.transaction():
        await database.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        yield


class Response(NamedTuple):
    """What a caller is told: `done` without a message, or the error."""

    code: str
    message: str


async def ask(client: Client, name: str) -> Response:
    """Ask, for as long as it takes: while the tables are locked, only the service's own time limits end a request."""
    operation = next(one for one in OPERATIONS if one.name == name)
    subject = operation.subject.replace("*", "SC-001")
    reply = await client.request(subject, json.dumps(REQUESTS.get(name, {})).encode(), timeout=PATIENCE)
    told = json.loads(reply.data)
    return Response(told["error"]["code"], told["error"]["message"]) if "error" in told else Response("done", "")


async def waiting(database: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many queries of requests are waiting for a lock: those of ingest have a time limit of their own."""
    await database.execute("SELECT pg_stat_clear_snapshot()")  # which a transaction keeps
    return int(
        await database.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() "
            "AND query NOT LIKE '%SILENT%'"  # which the owner looks for each second
        )
    )


async def test_a_query_that_takes_too_long_is_cancelled_and_said_to_be_unavailable(
    service: Service, client: Client, database
):
    # Health says what is wrong, and dead letters are read from their stream.
    names = [one.name for one in OPERATIONS if one.name != "health" and not one.name.startswith("deadletters.")]
    async with locked(database):
        async with httpx.AsyncClient(base_url=service.http_url, timeout=PATIENCE) as http:
            answers, over_http, _ = await asyncio.gather(
                asyncio.gather(*(ask(client, name) for name in names)),
                http.get("/events?spacecraftId=SC-001"),
                ask(client, "health"),
            )
        assert [name for name, answer in zip(names, answers, strict=True) if answer.code != "unavailable"] == []
        assert (over_http.status_code, over_http.json()["error"]["code"]) == (503, "unavailable")

        async def none_waits() -> bool:
            return not await waiting(database)

        await until_async(none_waits, "the end of the queries")
    assert {(await ask(client, name)).code for name in names} <= {"done", "not_found"}


async def test_many_more_than_can_be_answered_are_told_so_in_time(service: Service, client: Client, database):
    """64 at a time wait 2 s for one of 8 connections: only 2 x 64 + 8 get there before the time of all 500 is over."""
    async with locked(database, "app.event"):
        answers = await asyncio.gather(*(ask(client, "events.list") for _ in range(500)))
    assert {answer.code for answer in answers} == {"unavailable"}
    in_vain = [answer for answer in answers if "would take too long" not in answer.message]
    assert len(in_vain) <= 2 * 64 + 8
    assert dispatch.TIME < 5
    assert (await ask(client, "events.list")).code == "done"


async def test_requests_are_refused_where_they_would_take_too_much_memory(
    service: Service, client: Client, database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(middlewares, "HELD_BYTES", 3 * middlewares.REQUEST_BYTES)
    async with locked(database):
        requests = (client.request("missionops.events.list.SC-001", b"{}", timeout=PATIENCE) for _ in range(5))
        replies = [asyncio.create_task(request) for request in requests]
        refused, _ = await asyncio.wait(replies, return_when=asyncio.FIRST_COMPLETED)
        first = json.loads(refused.pop().result().data)["error"]
        assert (first["code"], first["message"]) == ("unavailable", dispatch.BUSY.message)
        await asyncio.gather(*replies)
    assert (await ask(client, "events.list")).code == "done"
