"""What is written down: events with what was changed, documents that are written anew, telemetry that was refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser import test_accessibility as accessibility
from tests.browser.alarming import Craft, request

pytestmark = pytest.mark.shared_service


@pytest.fixture
async def craft(client, service) -> Craft:
    return Craft(client, service)


async def test_an_event_of_a_config_says_what_was_changed(page: Page, craft: Craft):
    for limit in (45, 50):
        await craft.request("config.set", {"parameters": {"temp": {"warnHigh": limit}, "volt": {"critLow": 3}}})
    await page.goto(f"/#/events?sc={craft.id}&type=CONFIG_CHANGED")
    row = page.get_by_role("row").filter(has_text="Config version 2 in force")
    await row.get_by_text("What was changed").first.click()
    await expect(row.locator("tbody tr")).to_have_count(1)
    await expect(row.locator("tbody tr")).to_have_text("parameters.temp.warnHigh4550")
    await expect(row.locator("pre")).to_contain_text('"by": "nats"')
    await accessibility.check(page)
    notes = "x" * 17_000
    await craft.request("config.set", {"notes": notes})
    row = page.get_by_role("row").filter(has_text="Config version 3 in force")
    await row.get_by_text("Details").click()
    await row.get_by_role("link", name="Compare its versions").click()
    await expect(page.get_by_role("table", name="What differs")).to_contain_text("notes")


async def test_events_of_a_time_are_listed_and_are_a_file(page: Page, craft: Craft, tmp_path: Path):
    for day, message in ((1, "=before"), (2, '=1+1, "quoted"'), (3, "after")):
        at = datetime(2020, 1, day, tzinfo=UTC).isoformat()
        metadata = {"n": 18446744073709551615}
        event = {"type": "INFO", "severity": "LOW", "message": message, "timestamp": at, "metadata": metadata}
        await craft.request("events.record", event)
    await page.goto(f"/#/events?sc={craft.id}")
    rows = page.locator("main tbody tr")
    await expect(rows).to_have_count(3)
    first = page.get_by_label("From")
    await first.fill("2020-002T00:00")
    await first.press("Enter")
    await expect(rows).to_have_count(2)
    last = page.get_by_label("to", exact=True)
    await last.fill("-1x")
    await last.press("Enter")
    await expect(page.get_by_text("1x is no length of time")).to_be_visible()
    await last.fill("2020-01-02T12:00:00Z")
    await last.press("Enter")
    await expect(rows).to_have_count(1)
    await page.reload()
    await expect(rows).to_have_count(1)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="CSV").click()
    await (await download.value).save_as(tmp_path / "events.csv")
    assert (tmp_path / "events.csv").read_text().splitlines() == [
        "time,spacecraft,severity,type,message,metadata",
        f'2020-01-02T00:00:00Z,{craft.id},LOW,INFO,"\'=1+1, ""quoted""","{{""n"":18446744073709551615}}"',
    ]


async def test_a_document_is_found_by_its_category_and_written_anew(page: Page, craft: Craft, client):
    known = {"id": f"doc-{craft.id}", "title": "Battery", "body": "Warm it.", "category": craft.id}
    await request(client, "missionops.docs.create", {**known, "tags": ["EPS, main"]})
    await page.goto(f"/#/docs?category={craft.id}")
    await expect(page.get_by_label("Category").first).to_have_value(craft.id)
    await page.get_by_role("link", name="Battery").click()
    await page.get_by_text("Write it anew").click()
    text = page.get_by_label("Text")
    await expect(text).to_have_value("Warm it.")
    await accessibility.check(page)
    await text.fill("Warm it first.")
    changed = {**known, "body": "Cool it.", "tags": ["EPS, main"], "overwrite": True}
    await request(client, "missionops.docs.create", changed)
    await expect(page.locator("article .text")).to_have_text("Cool it.")
    await expect(text).to_have_value("Warm it first.")  # a form in use is never replaced
    await page.get_by_role("button", name="Publish").click()
    await expect(page.get_by_text("It was published anew at")).to_be_visible()
    await page.get_by_role("button", name="Publish").click()
    await expect(page.locator("article .text")).to_have_text("Warm it first.")
    found = await request(client, "missionops.docs.get", {"documentId": known["id"]})
    assert (found["body"], found["category"], found["tags"]) == ("Warm it first.", craft.id, ["EPS, main"])


async def test_a_document_tagged_with_a_spacecraft_stands_on_its_page(page: Page, craft: Craft, client):
    await request(client, "missionops.docs.create", {"title": "Passes", "body": "Svalbard", "tags": [craft.id]})
    await craft.report(temp=20)
    await page.goto(f"/#/sc/{craft.id}")
    await page.locator(".craft-more").get_by_role("link", name="Passes").click()
    await expect(page.get_by_role("heading", name="Passes")).to_be_visible()


async def test_telemetry_that_was_refused_is_listed_shown_and_sent_again(page: Page, craft: Craft, client):
    body = b'{"timestamp": "yesterday", "parameters": {"temp": "<img src=x>"}}'
    await client.request(f"telemetry.{craft.id}", body, timeout=5)
    await page.goto("/#/service")
    row = page.get_by_role("row", name=craft.id)
    await expect(row).to_contain_text("invalid")
    await expect(row).to_contain_text("timestamp")
    await row.get_by_text("What came").click()
    await expect(row.locator("pre")).to_contain_text(body.decode())
    await accessibility.check(page)
    await row.get_by_role("button", name="again").click()
    await expect(page.get_by_text("is telemetry again.")).to_be_visible()
    assert await page.locator("main img").count() == 0
