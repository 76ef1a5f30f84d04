"""The page of a spacecraft: its newest values are exact, judged, never older than they look, and text is only text."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from playwright.async_api import Browser, Page, expect

from missionops.app import Service
from tests.browser.test_accessibility import check

pytestmark = pytest.mark.shared_service

HOSTILE = "<img src=x onerror=alert(1)>"
NOTHING_YET = "No parameter was received yet."


async def publish(
    client, spacecraft_id: str, parameters: Mapping[str, object], at: datetime | str | None = None
) -> None:
    time = at if isinstance(at, str) else (at or datetime.now(UTC)).isoformat()
    body = {"timestamp": time, "parameters": parameters}
    await client.request(f"telemetry.{spacecraft_id}", json.dumps(body).encode(), timeout=5)


async def configure(client, spacecraft_id: str, rules: Mapping[str, object]) -> None:
    body = json.dumps({"parameters": rules}).encode()
    await client.request(f"missionops.config.set.{spacecraft_id}", body, timeout=5)


def row(page: Page, name: str):
    return page.locator(".parameters tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


async def test_values_are_exact(page: Page, client):
    values = {"big": 9007199254740993, "biggest": 18446744073709551615, "whole": 46.0, "tiny": 1e-9, "huge": 1e21}
    await page.goto("/#/sc/EXACT")
    await expect(page.get_by_text(NOTHING_YET)).to_be_visible()
    await publish(client, "EXACT", {**values, "on": True, "mode": "SUN"})
    await publish(client, "EXACT", {"whole": None})
    shown = {
        "big": "9007199254740993",
        "biggest": "18446744073709551615",
        "whole": "46",
        "tiny": "1e-9",
        "huge": "1e+21",
    }
    for name, text in {**shown, "on": "true", "mode": "SUN"}.items():
        await expect(row(page, name).locator(".newest")).to_have_text(text)
    assert "NaN" not in await page.locator("main").inner_text()


async def test_alarms_of_a_text_or_of_a_change_stand_in_the_row(page: Page, client):
    rules = {"mode": {"states": {"SAFE": "CRITICAL", "IDLE": "LOW"}}, "rate": {"change": {"per": "second", "warn": 5}}}
    await configure(client, "TEXTS", rules)
    now = datetime.now(UTC)
    await publish(client, "TEXTS", {"mode": "IDLE", "rate": 0}, now - timedelta(seconds=2))
    await page.goto("/#/sc/TEXTS")
    await expect(row(page, "mode")).to_contain_text("Low states IDLE")
    await expect(row(page, "rate")).to_contain_text("Nominal")
    await publish(client, "TEXTS", {"mode": "SAFE", "rate": 100}, now)
    await expect(row(page, "mode")).to_contain_text("Critical states SAFE")
    await expect(row(page, "rate")).to_contain_text("Medium alarm: changed by more than change.warn 5")
    await page.get_by_label("only abnormal").check()
    await expect(row(page, "rate")).to_be_visible()
    await row(page, "mode").get_by_role("link", name="mode").click()
    readout = page.locator(".readout")
    await expect(readout).to_contain_text("SAFE")
    await expect(readout).to_contain_text("Critical")


async def test_what_is_abnormal_has_a_symbol_a_word_and_its_limit(page: Page, client):
    await configure(client, "JUDGED", {"temp": {"critLow": 0, "warnHigh": 45, "critHigh": 70, "unit": "°C"}})
    await publish(client, "JUDGED", {"temp": 99, "free": 1, "other": 2})
    await page.goto("/#/sc/JUDGED")
    await expect(row(page, "temp")).to_contain_text("High")
    await expect(row(page, "temp")).to_contain_text("↑ critHigh 70")
    await expect(row(page, "temp").locator(".symbol.critical")).to_be_visible()
    await expect(row(page, "temp").get_by_role("img")).to_have_accessible_name("critLow 0, warnHigh 45, critHigh 70")
    await expect(row(page, "free")).to_contain_text("Not checked")  # and does not look nominal
    await expect(page.locator(".craft-alarms")).to_contain_text("above critHigh 70")
    await page.get_by_label("only abnormal").check()
    await expect(page.get_by_text("2 hidden.")).to_be_visible()
    await expect(row(page, "free")).to_have_count(0)
    await page.reload()
    await expect(row(page, "temp")).to_be_visible()
    await expect(row(page, "free")).to_have_count(0)
    await publish(client, "JUDGED", {"temp": 20})
    await expect(page.get_by_text("3 hidden. No parameter fits")).to_be_visible()


async def reported_until_fresh(page: Page, client, first: int) -> int:
    """Report numbers until one is shown before it is stale, which a busy machine may miss; that number."""
    for number in count(first):
        await publish(client, "STALE", {"beat": number})
        await expect(row(page, "beat").locator(".newest")).to_have_text(str(number))
        with suppress(AssertionError):
            await expect(row(page, "beat")).not_to_contain_text("Stale", timeout=1)
            return number
    raise AssertionError("the numbers end")


async def test_a_stale_value_is_marked_in_time_and_only_as_long_as_it_is(page: Page, client):
    await configure(client, "STALE", {"beat": {"staleAfter": 2}})
    await publish(client, "STALE", {"beat": 1})
    await page.goto("/#/sc/STALE")
    await expect(row(page, "beat")).to_contain_text("Stale")
    shown = await reported_until_fresh(page, client, 2)
    await expect(row(page, "beat")).to_contain_text("Stale")
    await page.goto("/#/docs")
    await publish(client, "STALE", {"beat": shown + 1})
    await page.goto("/#/sc/STALE")
    await reported_until_fresh(page, client, shown + 2)


async def test_times_far_away_are_shown_and_make_nothing_stale(page: Page, client):
    await configure(client, "CLOCKS", {"old": {"staleAfter": 3600}, "late": {"staleAfter": 3600}})
    await publish(client, "CLOCKS", {"old": 1}, "2000-01-01T00:00:00.000001Z")
    await publish(client, "CLOCKS", {"late": 2}, "2199-12-31T23:59:59.999999Z")
    await page.goto("/#/sc/CLOCKS")
    await expect(row(page, "old")).to_contain_text("2000-01-01 00:00:00")
    await expect(row(page, "old")).to_contain_text("received")
    await expect(row(page, "late")).to_contain_text("2199-12-31 23:59:59")
    assert await page.get_by_text("Stale").count() == 0


@pytest.fixture
async def abroad(browser: Browser, service: Service) -> AsyncIterator[Page]:
    """A console in Kiritimati whose clock is an hour ahead."""
    context = await browser.new_context(base_url=service.http_url, timezone_id="Pacific/Kiritimati")
    opened = await context.new_page()
    await opened.clock.install(time=datetime.now(UTC) + timedelta(hours=1))
    yield opened
    await context.close()


async def test_the_clock_of_the_console_counts_for_nothing(abroad: Page, client):
    at = datetime.now(UTC)
    await publish(client, "ABROAD", {"temp": 1}, at)
    await abroad.goto("/#/sc/ABROAD")
    await expect(row(abroad, "temp").locator("td").nth(3)).to_have_text(re.compile(r"^\d+ s ago$"))
    await expect(row(abroad, "temp")).to_contain_text(at.strftime("%Y-%m-%d %H:%M:%S"))
    await abroad.goto("/#/sc/ABROAD/plot?p=temp&last=1h")
    await expect(abroad.locator(".readout tbody")).to_contain_text(at.strftime("%Y-%m-%d %H:%M:%S"))


async def test_hostile_names_and_values_are_text(page: Page, client):
    names = [HOSTILE, "\u202eevil", "x" * 256, "\U0001f6f0 temp", "a,b", "back\\slash"]
    await publish(client, "HOSTILE", {**dict.fromkeys(names, 1), "text": f"{HOSTILE}\u202eevil"})
    await page.goto("/#/sc/HOSTILE")
    await expect(row(page, "text").locator(".newest")).to_have_text(f"{HOSTILE}\u202eevil")
    assert await page.locator("main img").count() == 0
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert await page.evaluate(fits)
    for name in names:
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.locator(".readout tbody th")).to_have_text(name)
        await expect(page.locator(".readout tbody")).not_to_contain_text("no data")
        assert await page.evaluate(fits)
        await page.go_back()


async def test_frozen_at_a_time_it_shows_what_was_known_then(page: Page, client):
    now = datetime.now(UTC)
    await publish(client, "FROZEN", {"temp": 1}, now - timedelta(hours=2))
    await publish(client, "FROZEN", {"temp": 2}, now)
    await page.goto("/#/sc/FROZEN")
    await expect(row(page, "temp").locator(".newest")).to_have_text("2")
    moment = page.get_by_label("As of")
    await moment.fill("-1x")
    await moment.press("Enter")
    await expect(page.locator("#at-fault")).to_contain_text("1x is no length of time")
    await moment.fill("-1h")
    await moment.press("Enter")
    await expect(row(page, "temp").locator(".newest")).to_have_text("1")
    await expect(page.get_by_text("FROZEN at")).to_be_visible()
    await expect(page.get_by_text("Now: 0 active")).to_be_visible()  # these are not of then
    assert "at=" in page.url
    await page.reload()
    await expect(row(page, "temp").locator(".newest")).to_have_text("1")
    await page.get_by_role("button", name="Back to now").click()
    await expect(row(page, "temp").locator(".newest")).to_have_text("2")


async def test_updates_take_no_selection_and_no_focus_away(page: Page, client):
    await publish(client, "CALM", {"mode": "SUN", "temp": 1})
    await page.goto("/#/sc/CALM")
    await expect(row(page, "temp").locator(".newest")).to_have_text("1")
    await row(page, "temp").get_by_role("link").focus()
    select = "getSelection().selectAllChildren(document.querySelector('.parameters .newest bdi'))"
    await page.evaluate(select)
    await publish(client, "CALM", {"mode": "SUN", "temp": 2})
    await expect(row(page, "temp").locator(".newest")).to_have_text("2")
    assert await page.evaluate("getSelection().toString()") == "SUN"
    assert await page.evaluate("document.activeElement.textContent") == "temp"


async def test_thousands_of_parameters_are_shown_in_portions(page: Page, client):
    names = [f"sub{index // 250:02}.p{index:04}" for index in range(5000)]
    await configure(client, "LARGE", {names[0]: {"critHigh": 70}})
    await publish(client, "LARGE", dict.fromkeys(names, 99))
    await page.goto("/#/sc/LARGE")
    await expect(page.get_by_text("250 of 5,000 parameters are shown.")).to_be_visible(timeout=30_000)
    await expect(row(page, "sub00.p0000")).to_contain_text("High")
    await page.get_by_role("button", name="Show more").click()
    await expect(page.get_by_text("500 of 5,000 parameters are shown.")).to_be_visible()
    await page.get_by_role("searchbox").fill("p4999")
    await expect(row(page, "sub19.p4999")).to_be_visible()
    await expect(page.get_by_text("4,999 hidden.")).to_be_visible()


async def test_thousands_of_values_that_change_at_once_are_all_new_and_in_their_order(page: Page, client):
    names = [f"sub{index // 100:02}.p{index:04}" for index in range(2000)]
    await publish(client, "MANY", dict.fromkeys(names, 1))
    await page.goto("/#/sc/MANY?n=2000")
    values = page.locator(".parameters .newest")
    await expect(values).to_have_text(["1"] * 2000, timeout=60_000)
    await publish(client, "MANY", dict.fromkeys(names, 2))
    await expect(values).to_have_text(["2"] * 2000, timeout=60_000)
    assert await page.locator(".parameters tbody th a").all_text_contents() == names


async def test_it_is_reached_from_the_fleet_and_leads_to_plots(page: Page, client):
    await publish(client, "REACHED", {"temp": 42})
    await page.goto("/#/?q=REACHED")
    await page.get_by_role("link", name="REACHED", exact=True).click()
    await row(page, "temp").locator(".newest").click()
    await expect(page.locator(".readout tbody")).to_contain_text("42")
    assert "p=temp&last=1h" in page.url


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_it_is_accessible(page: Page, client, theme: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    rules = {"temp": {"warnHigh": 45, "critHigh": 70, "subsystem": "EPS"}, "beat": {"staleAfter": 0.5}}
    await configure(client, "AXE", rules)
    await publish(client, "AXE", {"temp": 99, "beat": 1, "free": 2}, datetime.now(UTC) - timedelta(seconds=30))
    await page.goto("/#/sc/AXE")
    await expect(row(page, "beat")).to_contain_text("Stale")
    await check(page)
    await page.goto("/#/sc/NOBODY")
    await expect(page.get_by_text("Neither registered nor heard of so far")).to_be_visible()
    await check(page)
