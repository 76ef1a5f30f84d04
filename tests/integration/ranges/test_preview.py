"""Previews of configs: what one would have found in stored telemetry, beside what was found."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from missionops.domain import config_document, history, limits, rule, timestamp
from missionops.domain.history import JudgedSnapshot
from missionops.operations import preview, preview_cursor
from tests import stored_telemetry
from tests.integration.ranges.conftest import Hurried

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Previewer:
    def __init__(self, client: Any) -> None:
        self.client = client

    async def page(self, spacecraft_id: str, config: Any, **more: Any) -> tuple[Any, str | None]:
        request = {"config": config, "from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat(), **more}
        subject = f"missionops.config.preview.{spacecraft_id}"
        reply = await self.client.request(subject, json.dumps(request).encode(), timeout=6)
        return json.loads(reply.data), (reply.headers or {}).get("Missionops-Next-Cursor")

    async def pages(self, spacecraft_id: str, config: Any, **more: Any) -> list[Any]:
        found, cursor = await self.page(spacecraft_id, config, **more)
        pages = [found]
        while cursor:
            assert not found["complete"], found
            found, cursor = await self.page(spacecraft_id, config, cursor=cursor, **more)
            pages.append(found)
        assert found["complete"], found
        return pages


@pytest.fixture
def previewer(service, client) -> Previewer:
    return Previewer(client)


async def test_one(previewer, store):
    values = [20, 46, 47, 20, 71, 20]
    spacecraft_id = await store([(START + n * SECOND, {"a": value, "mode": "ON"}) for n, value in enumerate(values)])
    [found] = await previewer.pages(spacecraft_id, {"parameters": {"a": {"warnHigh": 45, "critHigh": 70}}})
    print(json.dumps(found, indent=1))
    assert 0
