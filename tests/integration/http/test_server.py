"""The HTTP server as a part of the service: if it ends before the service, that is logged, and the rest goes on."""

import asyncio
import logging

import pytest

from missionops import app
from missionops.settings import Settings
from tests.wait import until_async


async def test_a_server_that_ends_is_logged_and_the_service_still_stops(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    others = asyncio.all_tasks()  # such as those of a service that tests share
    async with app.running(settings) as service:
        await service.until_ready()
        [server] = [task for task in asyncio.all_tasks() - others if "Server.serve" in repr(task.get_coro())]
        server.cancel()
        sentence = "HTTP is not served any more: start the service again"
        await until_async(lambda: sentence in caplog.text, "the line in the log")
        [record] = [record for record in caplog.records if record.getMessage() == sentence]
        assert record.levelno == logging.CRITICAL
        assert service.ingest_status.is_ready
    assert caplog.text.count(sentence) == 1


async def test_a_server_that_is_told_to_stop_is_not_logged(settings, caplog):
    async with app.running(settings) as service:
        await service.until_ready()
    assert "HTTP is not served any more" not in caplog.text
