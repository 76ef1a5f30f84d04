"""The fleet: what is wrong with each spacecraft, whether it is still heard, and how much an operator has to do."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.alarming import Craft

pytestmark = pytest.mark.shared_service


@pytest.fixture
async def craft(client, service) -> Craft:
    """One with an anomaly, and with a rule that checks nothing."""
    found = Craft(client, service, {"parameters": {"temp": {"critHigh": 70}, "never": {"critHigh": 1}}})
    await found.configure()
    await found.report(temp=99)
    await found.standing(1)
    return found


async def test_a_row_says_what_is_wrong_whether_all_is_checked_and_how_many_anomalies_there_are(
    page: Page, craft: Craft, client, service
):
    calm = Craft(client, service)
    await calm.report(temp=20)
    await page.goto(f"/#/?q={craft.id}")
    row = page.get_by_role("row", name=craft.id)
    await expect(row.locator(".states")).to_have_text("CriticalPartly checked")
    for part in ("hour", "day"):
        await expect(row.locator(f".count-bar .{part}")).to_have_attribute("d", "M0 8h4.8")  # a 13th is one anomaly
    await page.goto(f"/#/?q={calm.id}")
    row = page.get_by_role("row", name=calm.id)
    await expect(row.locator(".states")).to_have_text("No limits")
    await expect(row.locator(".count-bar .day")).to_have_attribute("d", "M0 8h0.0")
    await expect(page.locator(".statistics summary")).to_contain_text("per 10 min")


async def test_rows_are_reached_and_opened_by_keys(page: Page, craft: Craft):
    await page.goto(f"/#/?q={craft.id}")
    await expect(page.get_by_role("row", name=craft.id)).to_be_visible()
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name=craft.id, exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=craft.id)).to_be_visible()
    await expect(page.locator(".parameters")).to_be_visible()
    await page.keyboard.press("k")
    await expect(page.get_by_role("rowheader").get_by_role("link", name="temp", exact=True)).to_be_focused()
    await page.locator(".craft-alarms").get_by_role("link", name="temp").click()
    await expect(page.get_by_text("Parameter temp above critHigh 70")).to_be_visible()  # the alarm itself


@pytest.mark.parametrize("address", ["/?kiosk#/", "/#/?kiosk"])
async def test_a_wall_display_has_a_clock_and_nothing_to_click(page: Page, craft: Craft, address: str):
    await page.goto(address)
    await expect(page.get_by_role("row", name=craft.id)).to_be_visible()
    await expect(page.locator("button.clock")).to_have_text(re.compile(r"\d\d:\d\d:\d\d UTC"))
    await expect(page.get_by_role("button", name="Sound off")).to_be_visible()  # it says that it is silent
    for hidden in ("nav", ".who", ".craft"):
        await expect(page.locator(f"#frame {hidden}")).to_be_hidden()


@pytest.mark.parametrize("address", ["/#/?state=NONE&n=-3&q={}", "/#/events?sc={}&type=NONE&severity=NONE&n=x"])
async def test_an_old_link_with_words_that_nobody_knows_still_opens(page: Page, craft: Craft, address: str):
    await page.goto(address.format(craft.id))
    await expect(page.get_by_role("row", name=craft.id).first).to_be_visible()
    await expect(page.locator("main > .trouble")).to_be_hidden()


async def test_a_wall_display_is_reached_from_the_list_of_keys_and_shows_the_same(page: Page, craft: Craft):
    await page.goto(f"/#/?q={craft.id}")
    row = page.get_by_role("row", name=craft.id)
    await expect(row).to_be_visible()
    await page.keyboard.press("?")
    await page.get_by_role("link", name="This page as a wall display").click()
    await expect(page.locator("#frame nav")).to_be_hidden()
    await expect(row).to_be_visible()
    assert page.url.endswith(f"#/?q={craft.id}&kiosk=1")
