"""Limits are compiled once for each version of a config, for batches and requests, and never serve another one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.ingest import limits_cache
from tests.wait import until_async

AT = "2025-01-01T00:00:00Z"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rules each compilation of a stored config had."""
    seen: list[int] = []
    compiled = limits_cache._compiled

    async def counted(document: Mapping[str, Any]) -> Any:
        found = await compiled(document)
        seen.append(len(found))
        return found

    monkeypatch.setattr(limits_cache, "_compiled", counted)
    return seen


async def ask(client: Client, subject: str, body: Any = None) -> Any:
    reply = await client.request(f"missionops.{subject}", json.dumps(body or {}).encode(), timeout=5)
    assert "Nats-Service-Error-Code" not in (reply.headers or {}), reply.data
    return json.loads(reply.data)


async def config(client: Client, spacecraft_id: str, *names: str, high: float = 1) -> None:
    await ask(client, f"config.set.{spacecraft_id}", {"parameters": {name: {"warnHigh": high} for name in names}})


async def stored(client: Client, spacecraft_id: str) -> None:
    body = {"timestamp": AT, "parameters": {"t": 5}}
    await client.jetstream().publish(f"telemetry.{spacecraft_id}", json.dumps(body).encode())
    await until_async(lambda: ask(client, f"telemetry.list.{spacecraft_id}"), "the snapshot")


@pytest.mark.usefixtures("service")
async def test_each_version_is_compiled_once_however_many_ask(client: Client, compilations: list[int]):
    await stored(client, "A")
    await config(client, "A", "t")
    await ask(client, "spacecraft.status.A")
    compilations.clear()
    await config(client, "A", "t", high=2)
    asked = [ask(client, f"{name}.A") for name in ("spacecraft.status", "telemetry.analyze") for _ in range(20)]
    answers = await asyncio.gather(*asked)
    assert compilations == [1]
    assert {answer["monitoring"] for answer in answers[:20]} == {"ACTIVE"}
    assert [[found["configVersion"] for found in answer] for answer in answers[20:]] == [[2]] * 20

    await config(client, "A", "t", high=10)
    assert await ask(client, "telemetry.analyze.A") == []
    await config(client, "A", "other")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "NOT_CONFIGURED"
    await config(client, "A", "t", "other")
    assert [found["configVersion"] for found in await ask(client, "telemetry.analyze.A")] == [5]


async def test_what_was_not_asked_for_lately_is_forgotten(
    service: Service, client: Client, compilations: list[int], monkeypatch: pytest.MonkeyPatch
):
    """There are two generations; the older one is forgotten when the younger one is full."""
    monkeypatch.setattr(limits_cache, "_MOST_VERSIONS", 1)
    for high, name in enumerate("ABCDE"):
        await config(client, name, "t", high=high)
    for name in "ABA":  # the first two are a generation, and A is of the next one, too
        await ask(client, f"spacecraft.status.{name}")
    assert len(compilations) == 2
    await ask(client, "spacecraft.status.C")  # which fills it: B is forgotten
    await ask(client, "spacecraft.status.A")
    assert len(compilations) == 3
    await ask(client, "spacecraft.status.B")
    assert len(compilations) == 4


async def test_equal_documents_are_compiled_once(service: Service, client: Client, compilations: list[int]):
    for name in "AB":
        await config(client, name, "t")
        await ask(client, f"spacecraft.status.{name}")
    assert compilations == [1]
    await config(client, "B", "t", high=2)
    await ask(client, "spacecraft.status.B")
    assert compilations == [1, 1]


async def test_batches_and_requests_share_what_is_compiled(service: Service, client: Client, compilations: list[int]):
    await config(client, "A", "t")
    await stored(client, "A")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "ACTIVE"
    assert compilations == [1]


async def test_a_parameter_that_is_reported_later_counts(service: Service, client: Client):
    await config(client, "A", "t")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "SILENT"
    await stored(client, "A")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "ACTIVE"
