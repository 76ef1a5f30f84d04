"""A fresh machine: the installed command alone, and what its page says to type next."""

import asyncio
import re
import shlex
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.system import installed
from tests.system.installed import Place


@pytest.fixture
def place() -> Iterator[Place]:
    with installed.place() as found:
        yield found


async def test_what_the_empty_fleet_says_to_type_brings_the_first_spacecraft(browser: Browser, place: Place):
    up = await asyncio.to_thread(place.up, "--ephemeral")
    lines = [line.split() for line in up.err.splitlines() if not line.startswith('{"time"')]
    assert lines[1] == ["Open", up.http]  # the page's address comes first
    page = await browser.new_page()
    await page.goto(up.http)
    await expect(page.get_by_text("No spacecraft yet.")).to_be_visible()
    command = re.sub("^missionops ", "", await page.locator("main code").first.inner_text())
    done = await asyncio.to_thread(place.run, *shlex.split(command), MISSIONOPS_NATS_URL=up.nats)
    assert done.code == 0, done
    await expect(page.get_by_role("row", name="SC-001")).to_be_visible()
    await page.close()
    assert (await asyncio.to_thread(up.stop)).code == 0
