"""Whoever is cancelled while he waits for NATS ends, even if the answer comes at that very moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from missionops.broker import client as nats_client


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    client = Client()
    nats_client.guard(client)
    await client.connect(nats_url, pending_size=1024)
    yield client
    await client.close()


async def test_an_answer_does_not_outrun_it(client: Client) -> None:
    waiting = asyncio.ensure_future(client.flush())
    answered = client._process_pong

    async def answer_and_cancel() -> None:
        await answered()
        waiting.cancel()

    client._process_pong = answer_and_cancel  # type: ignore[method-assign]
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_a_full_buffer_does_not_swallow_it(client: Client) -> None:
    waiting = asyncio.ensure_future(client.publish("telemetry.SC-001", bytes(client._max_pending_size + 1)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
