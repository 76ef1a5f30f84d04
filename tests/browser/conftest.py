"""A real browser on a real service: Debian's Chromium, one for each worker, a context of its own for each test."""

import re
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from missionops.app import Service

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")

expect.set_options(timeout=20_000)  # a machine with much to do

# What the policy of the page refuses is said where the fixture below hears it.
_REPORTS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("refused", event.violatedDirective, event.blockedURI));
"""


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("NOT TESTED IN A BROWSER: there is no chromium (apt-get install chromium)")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=[*_FLAGS])
        yield started
        await started.close()


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def page(browser: Browser, service: Service) -> AsyncIterator[Page]:
    """A page that asks nobody but the service, and has nothing to complain of."""
    context = await browser.new_context(base_url=service.http_url, viewport={"width": 1280, "height": 720})
    await context.add_init_script(_REPORTS)
    opened = await context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        is_health = message.location.get("url", "").endswith("/health/ready")  # with 503 it says that it is not ready
        is_expected = is_health or re.search("status of (400|401|409)|net::ERR", message.text)  # of tests themselves
        if message.type in {"error", "warning"} and not is_expected:
            complaints.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((service.http_url, "data:")):
            complaints.append(request.url)

    opened.on("console", heard)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", asked)
    yield opened
    await opened.unroute_all(behavior="ignoreErrors")  # what a test answers itself may still be on its way
    await context.close()
    assert complaints == []
