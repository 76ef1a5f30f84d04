"""Rules are compiled once for each version of a config, and never serve another one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from nats.aio.client import Client

from missionops.app import Service
from missionops.operations import compiled_limits
from tests.wait import until_async

AT = "2025-01-01T00:00:00Z"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rules each compilation had."""
    seen: list[int] = []
    compiled = compiled_limits.compiled

    async def counted(document: Mapping[str, Any]) -> Any:
        found = await compiled(document)
        seen.append(len(found))
        return found

    monkeypatch.setattr(compiled_limits, "compiled", counted)
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
    compilations.clear()  # that of the check
    asked = [ask(client, f"{name}.A") for name in ("spacecraft.status", "telemetry.analyze") for _ in range(20)]
    answers = await asyncio.gather(*asked)
    assert compilations == [1]
    assert {answer["monitoring"] for answer in answers[:20]} == {"ACTIVE"}
    assert [[found["configVersion"] for found in answer] for answer in answers[20:]] == [[1]] * 20

    await config(client, "A", "t", high=10)
    assert await ask(client, "telemetry.analyze.A") == []
    await config(client, "A", "other")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "NOT_CONFIGURED"
    await config(client, "A", "t", "other")
    assert [found["configVersion"] for found in await ask(client, "telemetry.analyze.A")] == [4]


async def test_what_was_not_asked_for_lately_is_forgotten(
    service: Service, client: Client, compilations: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compiled_limits, "_MOST", 3 * compiled_limits._EMPTY + 3)
    for name in ("A", "B", "C", "D"):
        await config(client, name, "t")
    compilations.clear()
    for name in ("A", "B", "C", "A", "D", "A", "C", "B"):  # D makes B go, and B then D
        await ask(client, f"spacecraft.status.{name}")
    assert len(compilations) == 5
    await ask(client, "spacecraft.status.C")
    assert len(compilations) == 5
    await ask(client, "spacecraft.status.D")
    assert len(compilations) == 6


async def test_a_parameter_that_is_reported_later_counts(service: Service, client: Client):
    await config(client, "A", "t")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "SILENT"
    await stored(client, "A")
    assert (await ask(client, "spacecraft.status.A"))["monitoring"] == "ACTIVE"
