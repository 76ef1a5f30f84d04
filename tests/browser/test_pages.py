"""Each page in a browser: what it shows, that it stays up to date by itself, and that hostile text is only text."""

import json
import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Page, expect

from missionops.domain.access import Role
from missionops.settings import Settings

LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}
HOSTILE = "<img src=x onerror=alert(1)>\u202eevil \U0001f6f0"


async def publish(client, spacecraft_id: str, temp: float) -> None:
    body = {"timestamp": datetime.now(UTC).isoformat(), "parameters": {"temp": temp}}
    await client.request(f"telemetry.{spacecraft_id}", json.dumps(body).encode(), timeout=5)


async def configure(client, spacecraft_id: str) -> None:
    await client.request(f"missionops.config.set.{spacecraft_id}", json.dumps(LIMITS).encode(), timeout=5)


async def test_an_empty_fleet_says_what_to_do_and_fills_without_reload(page: Page, client):
    await page.goto("/")
    await expect(page.get_by_text("No spacecraft yet.")).to_be_visible()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await configure(client, "SC-001")
    await publish(client, "SC-001", 42)
    row = page.get_by_role("row", name="SC-001")
    await expect(row).to_contain_text("Nominal")
    await publish(client, "SC-001", 99)
    await expect(row).to_contain_text("Critical")
    await expect(page).to_have_title("(1▼) Fleet · missionops")
    await row.get_by_role("link", name="SC-001, active alarms: 1 HIGH").click()
    await expect(page.get_by_role("row", name="SC-001")).to_contain_text("above critHigh 70")
    assert page.url.endswith("#/alarms?sc=SC-001&severity=HIGH")


async def test_rows_that_are_made_in_slices_are_all_there_in_their_order(page: Page, client):
    names = [f"SC-{number:03}" for number in range(150)]
    for name in names:
        await publish(client, name, 20)
    await page.goto("/#/")
    rows = page.locator("main tbody th")
    await expect(rows).to_have_count(150)
    assert await rows.all_text_contents() == names
    await publish(client, "SC-0005", 20)
    await expect(rows).to_have_count(151)
    assert await rows.all_text_contents() == sorted([*names, "SC-0005"])


async def test_the_state_of_the_fleet_is_in_the_link(page: Page, client):
    for name, temp in (("CRIT", 99), ("WARN", 50), ("OK", 20)):
        await configure(client, name)
        await publish(client, name, temp)
    await page.goto("/")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.first).to_contain_text("CRIT")  # the worst first
    await page.locator(".chips").get_by_role("link", name="Warning").click()
    await expect(rows).to_have_count(1)
    await expect(page.get_by_text("2 hidden by what is asked for.")).to_be_visible()
    assert page.url.endswith("#/?state=WARNING")
    await page.reload()
    await expect(rows).to_have_count(1)
    await page.go_back()
    await expect(rows).to_have_count(3)


async def test_no_alarm_means_no_more_than_what_was_checked(page: Page, client):
    await page.goto("/#/alarms")
    await expect(page.get_by_text("No alarm stands. Nothing was checked yet.")).to_be_visible()
    await configure(client, "SC-001")
    await publish(client, "SC-001", 42)
    await page.reload()
    await expect(page.get_by_text("No alarm stands. All that is checked is within its limits.")).to_be_visible()
    await publish(client, "SC-001", 99)
    await expect(page.locator("tr.alarm")).to_have_count(1)
    shelf = {"parameter": "temp", "seconds": 60, "reason": "Test"}
    await client.request("missionops.alarms.shelve.SC-001", json.dumps(shelf).encode(), timeout=5)
    await expect(page.get_by_text("No alarm stands, but 1 is shelved.")).to_be_visible()


async def test_events_come_by_themselves_and_hostile_text_is_text(page: Page, client):
    await page.goto("/#/events")
    await expect(page.get_by_text("No event yet.")).to_be_visible()
    event = {"type": "INFO", "severity": "HIGH", "message": HOSTILE, "metadata": {"n": 18446744073709551615}}
    await client.request("missionops.events.record.SC-001", json.dumps(event).encode(), timeout=5)
    row = page.get_by_role("row", name="SC-001")
    await expect(row).to_contain_text(HOSTILE)
    await row.get_by_text("Details").click()
    await expect(row.locator("pre")).to_contain_text("18446744073709551615")
    assert await page.locator("img").count() == 0


async def test_a_note_is_recorded_by_keyboard_and_found(page: Page):
    await page.goto("/#/events?sc=SC-007")
    await page.get_by_text("Record a note").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("What happened").fill("Antenna moved")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Recorded.")).to_be_visible()
    await expect(page.locator("tbody")).to_contain_text("Antenna moved")


async def test_a_document_is_published_found_and_read(page: Page):
    await page.goto("/#/docs")
    await expect(page.get_by_text("No document yet.")).to_be_visible()
    await page.get_by_text("Publish a document").click()
    await page.get_by_label("Title").fill("Battery handbook")
    await page.get_by_label("Text").fill("Warm the battery before charging it.")
    await page.get_by_role("button", name="Publish").click()
    await expect(page.get_by_role("heading", name="Battery handbook")).to_be_visible()
    await page.goto("/#/docs?q=charging")
    await expect(page.locator("mark")).to_have_text("charging")


async def test_the_service_says_that_it_works(page: Page):
    await page.goto("/#/service")
    await expect(page.locator("main .facts")).to_contain_text("works")


async def test_keys_and_their_list(page: Page):
    await page.goto("/")
    await expect(page.get_by_role("heading", name="Fleet")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("e")
    await expect(page.get_by_role("heading", name="Events")).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_role("combobox", name="Go to")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_a_lost_link_is_said_and_heals_by_itself(page: Page, client):
    await configure(client, "SC-001")
    await publish(client, "SC-001", 42)
    await page.goto("/")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await page.route("**/changes*", lambda route: route.abort())
    later = "performance.now = ((real) => () => real() + 11_000)(performance.now.bind(performance))"
    while not await page.locator("#banner").is_visible():  # a pulse may come before the page has looked at its clock
        await page.evaluate(later)
        await page.evaluate("new Promise((done) => setTimeout(done, 1100))")  # it looks once a second
    await expect(page.locator("#banner")).to_contain_text("LINK LOST")
    await page.unroute("**/changes*")
    await expect(page.locator("#banner")).to_be_hidden(timeout=30_000)
    await expect(page.get_by_role("row", name="SC-001")).to_be_visible()


class TestWithTokens:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"http_auth": "tokens"})

    async def test_the_token_is_asked_for_once_and_stands_in_no_link(self, page: Page, client, issue, revoke):
        await configure(client, "SC-001")
        await configure(client, "SC-002")
        token = await issue("console", Role.READER, "SC-001")
        await page.goto("/")
        await page.get_by_label("Token").fill("nonsense")
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator("main").get_by_role("alert")).to_contain_text("not valid")
        await page.get_by_label("Token").fill(token)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("row", name="SC-001")).to_be_visible()
        await expect(page.get_by_text("console (reader, 1 spacecraft)")).to_be_visible()
        assert "SC-002" not in await page.content()
        assert re.search(re.escape(token), page.url + await page.content()) is None
        assert token not in await page.evaluate("JSON.stringify(localStorage)")
        await page.reload()
        await expect(page.get_by_role("row", name="SC-001")).to_be_visible()
        await page.goto("/#/events")
        await expect(page.get_by_role("heading", name="Events")).to_be_visible()
        assert await page.get_by_text("Record a note").count() == 0  # no button that then fails
        await revoke("console")
        await expect(page.get_by_text("Your token is not valid any more")).to_be_visible(timeout=30_000)
