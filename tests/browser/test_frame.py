"""What surrounds every page: counts, sound, clock, keys, who we are; and that all tabs share one stream of changes."""

import asyncio
import itertools
import json
import re

import pytest
from playwright.async_api import Page, Route, expect

from missionops.domain.access import Role
from missionops.settings import Settings
from tests.browser.alarming import Craft, request


@pytest.fixture
async def craft(client, service) -> Craft:
    found = Craft(client, service)
    await found.configure()
    return found


async def test_the_frame_counts_what_waits_and_the_title_and_the_icon_say_so(page: Page, craft: Craft):
    await page.goto("/")
    await expect(page).to_have_title("Fleet · missionops")
    plain = await page.locator("#icon").get_attribute("href")
    await craft.report(temp=50, volt=4)
    await expect(page).to_have_title("(1◆) Fleet · missionops")
    await craft.report(temp=80, volt=3, mode="SAFE")
    await expect(page).to_have_title("(3▼) Fleet · missionops")
    assert await page.locator("#icon").get_attribute("href") != plain
    counts = page.get_by_role("group", name="What needs attention")
    await counts.get_by_role("link", name="2 HIGH to acknowledge").click()
    await expect(page.locator("tr.alarm")).to_have_count(3)
    await craft.request("alarms.shelve", {"seconds": 60, "reason": "Test"})
    await expect(counts).to_contain_text("3 shelved")
    await expect(page).to_have_title("Alarms · missionops")


@pytest.mark.parametrize("width", [1280, 1440, 1920])
async def test_the_frame_is_one_line_whatever_waits(page: Page, craft: Craft, width: int):
    await page.set_viewport_size({"width": width, "height": 720})
    await craft.report(temp=99, volt=3, mode="SAFE", rate=1)
    await craft.report(temp=99, volt=3.45, mode="SAFE", rate=100)
    await craft.request("alarms.shelve", {"parameter": "temp", "seconds": 60, "reason": "Test"})
    await page.goto(f"/#/sc/{craft.id}")
    counts = page.get_by_role("group", name="What needs attention")
    await expect(counts).to_contain_text("1 shelved")
    await expect(page.locator(".link")).to_contain_text("live")
    parts = page.locator("#frame").locator(".name, .craft, nav a, .counts > *, .right > *")
    spans = await parts.evaluate_all(
        "(all) => all.map((each) => each.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    )
    seen = [span for span in spans if span[1] > span[0]]
    assert all(one[1] <= other[0] + 1 for one, other in itertools.pairwise(seen)), seen
    assert seen[-1][1] <= width


async def test_a_new_alarm_is_said_once_and_sounds_where_sound_is_on(page: Page, craft: Craft):
    await page.add_init_script("""
        window.tones = 0;
        const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (...given) { window.tones += 1; return start.apply(this, given); };
    """)
    await craft.report(temp=80)
    await craft.standing(1)
    await page.goto("/#/events")
    await expect(page).to_have_title("(1▼) Events · missionops")
    attention = page.locator("#attention")
    await expect(attention).to_be_empty()  # it was there before
    await craft.report(temp=80, volt=3)
    await expect(attention).to_contain_text(f"New High alarm: {craft.id}, Parameter volt below critLow 3.2.")
    assert await page.evaluate("tones") == 0  # off until it is clicked
    await page.get_by_role("button", name="Sound off").click()
    await expect(page.get_by_role("button", name="Sound on")).to_have_attribute("aria-pressed", "true")
    tried = await page.evaluate("tones")
    await craft.report(temp=80, volt=3, mode="SAFE")
    await expect(attention).to_contain_text("New Critical alarm")
    assert await page.evaluate("tones") == tried + 4
    await craft.report(temp=80, volt=3, mode="NOMINAL")  # what is over makes no sound
    await expect(page.get_by_role("group", name="What needs attention")).to_be_visible()
    await page.get_by_role("button", name="Sound on").click()
    await expect(page.get_by_role("button", name="Sound off")).to_be_visible()


async def test_go_to_anything_and_the_day_of_the_year(page: Page, craft: Craft):
    await craft.report(temp=20)
    await page.goto("/")
    await expect(page.get_by_role("row", name=craft.id)).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("hist")
    await page.get_by_role("option", name="History of alarms").wait_for()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("From")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type(craft.id)
    await page.get_by_role("option", name=craft.id).wait_for()
    await page.keyboard.press("Enter")  # the same page, of that spacecraft
    await expect(page.get_by_role("button", name=craft.id)).to_be_visible()
    assert f"sc={craft.id}" in page.url
    await page.keyboard.press("/")
    await page.keyboard.type("tem")
    await page.get_by_role("option", name=f"{craft.id} temp").wait_for()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Go to")).to_be_hidden()
    clock = page.locator("button.clock")
    await clock.click()
    await expect(clock).to_have_text(re.compile(r"^\d{4}-\d{3} \d\d:\d\d:\d\d UTC$"))
    await clock.click()


async def test_enter_goes_to_what_fits_the_text_as_it_is_and_not_as_it_was(page: Page, craft: Craft):
    await craft.report(temp=20)
    await page.goto("/#/events")
    await expect(page.get_by_role("heading", name="Events")).to_be_visible()
    typed = asyncio.Event()

    async def late(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await page.route(f"**/fleet?q={craft.id}*", late)
    await page.keyboard.press("/")
    await page.get_by_role("option", name=craft.id).wait_for()  # of no text: the pages come first
    await page.keyboard.type(craft.id)
    await page.keyboard.press("Enter")
    typed.set()
    await expect(page.get_by_role("button", name=craft.id)).to_be_visible()
    assert f"/#/events?sc={craft.id}" in page.url


async def test_eight_tabs_share_one_stream_and_each_stays_up_to_date(page: Page, craft: Craft):
    await craft.report(temp=20, volt=4, mode="NOMINAL", rate=1)
    tabs = [page, *[await page.context.new_page() for _ in range(7)]]
    for tab in tabs:
        await tab.goto("/")
        await expect(tab.get_by_role("row", name=craft.id)).to_contain_text("Nominal")
        await expect(tab.get_by_text("live", exact=True)).to_be_visible()
    await craft.report(temp=99)
    for tab in tabs:
        await expect(tab).to_have_title("(1▼) Fleet · missionops")
    for tab in tabs[1:]:
        await tab.close()
    await craft.report(temp=20)
    await craft.report(temp=20, volt=3)
    await expect(page).to_have_title("(2▼) Fleet · missionops")


async def test_without_a_shared_worker_each_tab_has_its_own_stream(page: Page, craft: Craft):
    await page.add_init_script("delete window.SharedWorker")
    await page.goto("/")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await craft.report(temp=99)
    await expect(page).to_have_title("(1▼) Fleet · missionops")


class TestWithTokens:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"http_auth": "tokens"})

    async def test_a_reader_of_one_spacecraft_sees_no_other_and_no_button_that_fails(self, page: Page, client, issue):
        for name in ("SC-001", "SC-002"):
            await request(client, f"missionops.config.set.{name}", {"parameters": {"temp": {"critHigh": 70}}})
            body = {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 99}}
            await request(client, f"telemetry.{name}", body)
            await request(client, f"missionops.alarms.shelve.{name}", {"parameter": "x", "seconds": 99, "reason": "y"})
        token = await issue("console", Role.READER, "SC-001")
        await page.goto("/#/alarms")
        await page.get_by_label("Token").fill(token)
        await page.keyboard.press("Enter")
        await expect(page.locator("tr.alarm")).to_have_count(1)
        await expect(page).to_have_title("(1▼) Alarms · missionops")  # not in counts either
        for control in ("checkbox", "textbox"):
            assert await page.locator("main").get_by_role(control).count() == 0
        for name in ("Acknowledge", "Shelve …", "Unshelve", "Comment only"):
            assert await page.get_by_role("button", name=name, exact=True).count() == 0
        await page.keyboard.press("?")
        assert "acknowledge" not in await page.get_by_role("dialog").inner_text()
        await page.keyboard.press("Escape")
        pages = ["SC-001"]
        for address in ("/#/alarms?tab=shelved", "/#/alarms?tab=history", "/#/"):
            await page.goto(address)
            await expect(page.locator("main tbody:visible tr")).to_have_count(1)
            pages.append(await page.content())
        await page.keyboard.press("/")
        await page.keyboard.type("SC")
        await expect(page.get_by_role("option")).to_have_count(1)
        pages.append(await page.content())
        assert "SC-002" not in json.dumps(pages)

    async def test_tabs_with_two_tokens_have_two_streams_and_one_that_is_revoked_ends(
        self, page: Page, client, issue, revoke
    ):
        limits = {"parameters": {"temp": {"critHigh": 70}}}
        for name in ("SC-001", "SC-002"):
            await request(client, f"missionops.config.set.{name}", limits)
        tabs = [page, await page.context.new_page()]
        for number, tab in enumerate(tabs, 1):
            await tab.goto("/")
            await tab.get_by_label("Token").fill(await issue(f"console{number}", Role.READER, f"SC-00{number}"))
            await tab.keyboard.press("Enter")
            await expect(tab.get_by_text("live", exact=True)).to_be_visible()
        await request(client, "telemetry.SC-002", {"timestamp": "2025-01-01T00:00:00Z", "parameters": {"temp": 99}})
        await expect(tabs[1]).to_have_title("(1▼) Fleet · missionops")
        await revoke("console1")
        await expect(tabs[0].get_by_text("Your token is not valid any more")).to_be_visible(timeout=15_000)
        await expect(tabs[1].get_by_text("live", exact=True)).to_be_visible()
        await asyncio.gather(*(tab.close() for tab in tabs[1:]))
