"""axe finds no violation of WCAG 2.2 A and AA on any page, in both themes, empty and full."""

import json

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.addresses import PAGES
from tests.browser.alarming import Craft

_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
async def told(service, client) -> None:
    """A spacecraft in trouble, its event and its document."""
    limits = {"parameters": {"temp": {"critHigh": 70}}}
    await client.request("missionops.config.set.SC-001", json.dumps(limits).encode(), timeout=5)
    snapshot = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 99}}
    await client.request("telemetry.SC-001", json.dumps(snapshot).encode(), timeout=5)
    document = {"title": "Battery", "body": "Warm it.", "spacecraftId": "SC-001"}
    await client.request("missionops.docs.create", json.dumps(document).encode(), timeout=5)


async def check(page: Page) -> None:
    await expect(page.locator("main[aria-busy=false]")).to_be_visible()
    results = await Axe().run(page, options=_RULES)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("name", PAGES)
async def test_empty(page: Page, theme: str, name: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await page.goto(PAGES[name])
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await check(page)


@pytest.mark.usefixtures("told")
async def test_full(page: Page, theme: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for name, address in PAGES.items():
        await page.goto(address)
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        if name != "Service":
            await expect(page.locator("main").get_by_text("SC-001").filter(visible=True).first).to_be_visible()
        await check(page)
    await page.keyboard.press("?")
    await check(page)


async def test_alarms_of_every_kind_one_of_them_and_their_dialogs(page: Page, client, service, theme: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    craft = Craft(client, service)
    await craft.configure()
    await craft.report(30, temp=50, volt=3.45, mode="SAFE", rate=1)
    await craft.report(20, temp=50, volt=3.6, mode="SAFE", rate=100)
    alarms = await craft.standing(4)
    await craft.request("alarms.acknowledge", {"ids": [alarms[0]["id"]], "by": "alice", "comment": "Seen"})
    await craft.request("alarms.shelve", {"parameter": "rate", "seconds": 600, "reason": "Test", "by": "bob"})
    await page.goto("/#/alarms?tab=shelved")
    await expect(page.get_by_role("button", name="Unshelve")).to_be_visible()
    await check(page)
    await page.goto(f"/#/alarms/{alarms[0]['id']}")
    await expect(page.get_by_role("heading", name=craft.id)).to_be_visible()
    await check(page)
    await page.goto("/#/alarms")
    await expect(page.locator("tr.alarm")).to_have_count(3)
    await page.locator("summary").first.click()
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await check(page)
    await page.keyboard.press("s")
    await expect(page.get_by_role("dialog", name="Shelve")).to_contain_text("It would hide 1")
    await check(page)
    await page.keyboard.press("Escape")
    await expect(page.locator("tr.alarm a.open").first).to_be_focused()  # a dialog gives the focus back
    await page.keyboard.press("/")
    await page.keyboard.type(craft.id)
    await expect(page.get_by_role("option", name=craft.id).first).to_be_visible()
    await check(page)
