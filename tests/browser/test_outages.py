"""The page while the service, or its database, is away: it says so, acts on nothing old, and heals by itself."""

import asyncio
import json
import os
import re
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from missionops.embedded.postgres import PostgresServer
from missionops.settings import Settings
from missionops.store import migrate
from tests.system import installed
from tests.system.installed import Place, Running

LOST = 12_000
"""Milliseconds in which a page says that its link is lost: ten seconds, and one look a second."""
BACK = 30_000


class Process:
    """`missionops serve` on one port, as a process that is killed, stopped and started again."""

    def __init__(self, place: Place, settings: Settings) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._place = place
        self._settings = settings
        self.running: Running

    async def start(self) -> None:
        found = self._settings
        secret = found.nats_password.get_secret_value() if found.nats_password else ""
        self.running = self._place.start(
            "serve", MISSIONOPS_NATS_URL=found.nats_url, MISSIONOPS_NATS_USER=found.nats_user or "",
            MISSIONOPS_NATS_PASSWORD=secret, MISSIONOPS_DATABASE_URL=found.database_url,
            MISSIONOPS_HTTP_PORT=str(self._port), MISSIONOPS_LEASE="1",
        )  # fmt: skip
        await asyncio.to_thread(self.running.said, "missionops serves")

    async def kill(self) -> None:
        self.running.signal(signal.SIGKILL)
        await asyncio.to_thread(self.running.end)

    async def report(self, **parameters: Any) -> None:
        """One snapshot of SC-001, stored."""
        body = {"spacecraftId": "SC-001", "timestamp": datetime.now(UTC).isoformat(), "parameters": parameters}
        async with httpx.AsyncClient(timeout=10) as http:
            while (await http.post(f"{self.url}/telemetry", json=body)).status_code != httpx.codes.CREATED:
                await asyncio.sleep(0.1)


@pytest.fixture
def place() -> Iterator[Place]:
    with installed.place() as found:
        yield found


@pytest.fixture
async def process(place: Place, settings: Settings) -> Process:
    return await monitoring(Process(place, settings))


async def monitoring(found: Process) -> Process:
    """The service with an alarm of SC-001."""
    await found.start()
    limits = {"parameters": {name: {"critHigh": 70} for name in ("temp", "volt")}}
    async with httpx.AsyncClient(timeout=10) as http:
        assert (await http.put(f"{found.url}/spacecraft/SC-001/config", json=limits)).is_success
    await found.report(temp=99)
    return found


@asynccontextmanager
async def showing(browser: Browser, process: Process) -> AsyncIterator[Page]:
    """A page of that service."""
    context = await browser.new_context(base_url=process.url)
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    await context.close()
    assert errors == []


@pytest.fixture
async def page(browser: Browser, process: Process) -> AsyncIterator[Page]:
    async with showing(browser, process) as opened:
        yield opened


async def test_a_service_that_dies_or_stands_still_is_noticed_and_the_page_heals(page: Page, process: Process):
    await page.goto("/#/alarms")
    await expect(page.locator("tr.alarm")).to_have_count(1)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    banner = page.locator("#banner")
    process.running.signal(signal.SIGSTOP)
    await expect(banner).to_contain_text("LINK LOST", timeout=LOST)
    await expect(page.locator(".link")).to_contain_text("LINK LOST")
    await page.keyboard.press("j")
    await page.keyboard.press("a")
    await expect(page.get_by_text("The link to the service is lost, and what is shown is old")).to_be_visible()
    process.running.signal(signal.SIGCONT)
    await expect(banner).to_be_hidden(timeout=BACK)
    await page.keyboard.press("Escape")

    await process.kill()
    await expect(banner).to_contain_text("LINK LOST", timeout=LOST)
    await expect(page.locator("tr.alarm")).to_have_count(1)  # what is there stays, and looks old
    await process.start()
    await process.report(temp=99, volt=99)
    await expect(banner).to_be_hidden(timeout=BACK)
    await expect(page.locator("tr.alarm")).to_have_count(2)  # what happened meanwhile is there, once
    await expect(page).to_have_title("(2▼) Alarms · missionops")


async def test_a_draft_of_limits_outlives_an_outage_and_is_checked_after_it(page: Page, process: Process):
    await page.goto("/#/sc/SC-001/limits")
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    await page.get_by_label("Warning high", exact=True).fill("50")
    await expect(page.get_by_text("Draft: 1 change, no fault.")).to_be_visible()
    await page.get_by_role("button", name="Put version 2 in force …").click()
    await page.get_by_label("Why").fill("Warmer")
    await process.kill()
    await expect(page.locator("#banner")).to_contain_text("LINK LOST", timeout=LOST)
    await page.get_by_label("Why").press("Enter")
    await expect(page.get_by_text("The link to the service is lost, and what is shown is old")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_label("Critical high", exact=True).fill("80")
    await expect(page.get_by_text(re.compile(r"not checked: The service cannot be reached\.$"))).to_be_visible()
    await expect(page.get_by_role("button", name="Put version 2 in force …")).to_be_disabled()
    await page.get_by_role("button", name="Try on stored telemetry").click()
    await expect(page.get_by_role("region", name="Try")).to_contain_text("stopped: The service cannot be reached.")
    await process.start()
    await expect(page.get_by_text("Draft: 2 changes, no fault.")).to_be_visible(timeout=BACK)
    await page.get_by_role("button", name="Put version 2 in force …").click()
    await page.get_by_label("Why").fill("Warmer")
    await page.get_by_label("Why").press("Enter")
    await expect(page.get_by_text("Version 2 is in force.").first).to_be_visible()


@pytest.fixture
async def postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of the test's own, in a place that is open to the account that runs it, with a short path."""
    with tempfile.TemporaryDirectory(prefix="out-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)  # noqa: PTH101, S103 - see above
        server = PostgresServer(Path(directory) / "postgres", durable=False)
        await server.start()
        yield server
        await server.stop()


async def test_a_database_that_is_away_is_not_the_same_as_no_data(
    browser: Browser, place: Place, settings: Settings, postgres: PostgresServer
):
    await postgres.create_database("mission")
    await migrate.apply(postgres.dsn("mission"))
    own = settings.model_copy(update={"database_url": postgres.dsn("mission")})
    process = await monitoring(Process(place, own))
    async with showing(browser, process) as page:
        await page.goto("/#/alarms")
        await expect(page.locator("tr.alarm")).to_have_count(1)
        await postgres.stop()
        await expect(page.locator(".link")).to_contain_text("database away", timeout=BACK)
        await expect(page.locator("#banner")).to_contain_text("Database away: ")
        await expect(page.locator("tr.alarm")).to_have_count(1)
        await expect(page.get_by_text("No alarm stands")).to_be_hidden()
        await postgres.start()
        await expect(page.get_by_text("live", exact=True)).to_be_visible(timeout=BACK)
        await process.report(temp=99, volt=99)
        await expect(page.locator("tr.alarm")).to_have_count(2)
        await allow_connections(postgres, allowed=False)  # those that are open already stay
        await expect(page.locator(".link")).to_contain_text("database away", timeout=BACK)
        await allow_connections(postgres, allowed=True)
        await expect(page.get_by_text("live", exact=True)).to_be_visible(timeout=BACK)


async def allow_connections(postgres: PostgresServer, *, allowed: bool) -> None:
    """What an administrator does for maintenance."""
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    await connection.execute(f"ALTER DATABASE mission ALLOW_CONNECTIONS {allowed}")
    await connection.close()


async def test_ten_open_pages_do_not_hold_up_a_service_that_stops(browser: Browser, page: Page, process: Process):
    contexts = [await browser.new_context(base_url=process.url) for _ in range(9)]  # each with a stream of its own
    pages = [page, *[await context.new_page() for context in contexts]]
    for each in pages:
        await each.goto("/#/alarms")
        await expect(each.get_by_text("live", exact=True)).to_be_visible()
    began = time.monotonic()
    process.running.signal(signal.SIGTERM)
    done = await asyncio.to_thread(process.running.end)
    assert time.monotonic() - began < installed.busy(5)
    assert (done.code, "Traceback" in done.err) == (0, False), done.err
    for context in contexts:
        await context.close()


async def test_a_tab_that_slept_for_an_hour_catches_up_once(page: Page, process: Process):
    await page.clock.install()
    await page.goto("/#/alarms")
    await expect(page.locator("tr.alarm")).to_have_count(1)
    await page.clock.pause_at(datetime.fromtimestamp(time.time() + 60, UTC))
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    for number in range(20):
        await process.report(temp=99 + number)
    await process.report(temp=99, volt=99)
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: false, configurable: true })")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    await page.clock.fast_forward(3_600_000)
    await page.clock.resume()
    await expect(page.locator("tr.alarm")).to_have_count(2)
    await expect(page.get_by_text("live", exact=True)).to_be_visible(timeout=LOST)
    assert len(requests) < 30, json.dumps(requests)
