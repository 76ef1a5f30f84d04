"""Alarms in the database, and every way to ask for them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx
import pytest

from missionops.domain.alarm import Alarm
from tests import stored_alarms


class Reply(NamedTuple):
    """A reply over NATS."""

    body: Any
    status: int
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.body["error"]["code"]


Ask = Callable[..., Awaitable[Reply]]
Store = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def ask(service, client) -> Ask:
    async def ask(subject: str, **request: Any) -> Reply:
        reply = await client.request(f"missionops.alarms.{subject}", json.dumps(request).encode(), timeout=6)
        headers = reply.headers or {}
        return Reply(json.loads(reply.data), int(headers.get("Nats-Service-Error-Code", 200)), headers)

    return ask


@pytest.fixture
async def http(service) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP without tokens."""
    async with httpx.AsyncClient(base_url=service.http_url, timeout=10) as found:
        yield found


@pytest.fixture
def store(database_url: str) -> Store:
    async def store(*found: Alarm) -> list[str]:
        return await stored_alarms.store(database_url, *found)

    return store


@pytest.fixture
def transitions(database) -> Callable[[str], Awaitable[list[tuple[str, str | None, int]]]]:
    """What happened to an alarm: transition, by and revision."""

    async def transitions(identifier: str) -> list[tuple[str, str | None, int]]:
        rows = await database.fetch(
            "SELECT transition, by, revision FROM app.alarm_transition WHERE alarm_id = $1 ORDER BY number", identifier
        )
        return [tuple(row) for row in rows]

    return transitions
