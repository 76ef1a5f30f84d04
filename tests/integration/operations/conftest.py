"""Who asks, and who publishes, for tests of operations."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.aio.client import Client

from missionops.app import Service
from tests.wait import PATIENCE


@pytest.fixture
def ask(service: Service, client: Client) -> Callable[..., Awaitable[Any]]:
    """A request; its response, which must be no error."""

    async def ask(subject: str, **request: Any) -> Any:
        reply = await client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=6)
        assert not (reply.headers or {}).get("Nats-Service-Error-Code"), reply.data
        return json.loads(reply.data)

    return ask


@pytest.fixture
def ask_page(service: Service, client: Client) -> Callable[..., Awaitable[tuple[Any, str | None]]]:
    """A request; its response, and the cursor that continues it."""

    async def ask_page(subject: str, **request: Any) -> tuple[Any, str | None]:
        reply = await client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=6)
        return json.loads(reply.data), (reply.headers or {}).get("Missionops-Next-Cursor")

    return ask_page


@pytest.fixture
def publish(service: Service, client: Client) -> Callable[..., Awaitable[None]]:
    async def publish(spacecraft_id: str, at: datetime | None = None, **parameters: Any) -> None:
        """Publish a snapshot of now, or of another time, and wait until it is stored."""
        body = {"timestamp": (at or datetime.now(UTC)).isoformat(), "parameters": parameters}
        expected = service.ingest_status.stored + 1
        await client.request(f"telemetry.{spacecraft_id}", json.dumps(body).encode())
        async with asyncio.timeout(PATIENCE):
            while service.ingest_status.stored < expected:
                await service.ingest_status.until_moved()

    return publish
