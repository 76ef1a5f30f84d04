"""Plots: nothing beyond a limit is ever invisible, nothing is drawn that is not there, and the link is the view."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.test_accessibility import check

pytestmark = pytest.mark.shared_service

START = datetime(2026, 1, 10, tzinfo=UTC)
AMBER = [255, 197, 51]  # what a violation of a warning is filled with, and in the light theme nothing else

# What is written on the canvases of the page, for nothing else can read it.
RECORD = """
window.written = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.written.push(text.replace(/[\\u2068\\u2069]/g, ""));
  return write.call(this, text, ...rest);
};
"""
COUNT = """
(wanted) => {
  const shown = document.querySelector(".plot canvas");
  const canvas = new OffscreenCanvas(shown.width, shown.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(shown, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let place = 0; place < data.length; place += 4) {
    if (wanted.every((part, index) => data[place + index] === part)) count += 1;
  }
  return count;
}
"""


async def publish(client, spacecraft_id: str, values: Sequence[tuple[datetime, Mapping[str, object]]]) -> None:
    items = [{"timestamp": time.isoformat(), "parameters": parameters} for time, parameters in values]
    for first in range(0, len(items), 500):
        body = json.dumps(items[first : first + 500]).encode()
        await client.request(f"telemetry.{spacecraft_id}", body, timeout=10)


async def configure(client, spacecraft_id: str, rules: Mapping[str, object]) -> None:
    body = json.dumps({"parameters": rules}).encode()
    await client.request(f"missionops.config.set.{spacecraft_id}", body, timeout=5)


def second(count: float) -> datetime:
    return START + timedelta(seconds=count)


def address(spacecraft_id: str, names: str, start: float, end: float) -> str:
    times = (second(each).isoformat().replace("+00:00", "Z") for each in (start, end))
    return f"/#/sc/{spacecraft_id}/plot?p={names}&from={next(times)}&to={next(times)}"


async def shown(page: Page, samples: str) -> None:
    """Wait until a number of samples is shown: what was published last may not be stored yet."""
    facts = page.locator(".plot-facts")
    await expect(facts).to_contain_text("UTC ·")
    while f" {samples} samples" not in (await facts.text_content() or ""):
        await page.reload()
        await expect(facts).to_contain_text("UTC ·")


def readout(page: Page) -> Locator:
    return page.locator(".readout tbody")


async def hover(page: Page, part: float) -> None:
    """Point at a part of the range: of the pane, between its axes."""
    box = await page.locator(".plot").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 78 + (box["width"] - 78 - 116) * part, box["y"] + 60)


async def drag(page: Page, start: float, end: float) -> None:
    await hover(page, start)
    await page.mouse.down()
    await hover(page, end)
    await page.mouse.up()


async def test_one_violation_among_thousands_is_seen_at_every_width(page: Page, client):
    await configure(client, "SPIKE", {"temp": {"warnHigh": 45}})
    values = [(second(index), {"temp": 99 if index == 3456 else 20 + index % 7}) for index in range(8000)]
    await publish(client, "SPIKE", values)
    await page.emulate_media(color_scheme="light")
    for width in (3840, 1280, 320):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.goto(address("SPIKE", "temp", -100_000, 200_000))
        await shown(page, "8,000")
        assert await page.evaluate(COUNT, AMBER) > 20
        await page.set_viewport_size({"width": 900, "height": 800})
        await expect(page.locator(".plot canvas").first).to_have_css("width", re.compile(r"^8\d\d(\.\d+)?px$"))
        assert await page.evaluate(COUNT, AMBER) > 20
    await page.keyboard.press("]")
    await expect(readout(page)).to_contain_text("99")
    await expect(readout(page)).to_contain_text("Medium")


async def test_what_was_judged_by_old_limits_stays_and_limits_have_a_step(page: Page, client):
    await page.add_init_script(RECORD)
    await configure(client, "OLD", {"temp": {"warnHigh": 45}})
    await publish(client, "OLD", [(second(index), {"temp": 50 if index == 40 else 20}) for index in range(100)])
    await page.goto(address("OLD", "temp", 0, 199))
    await shown(page, "100")
    await configure(client, "OLD", {"temp": {"warnHigh": 60}})
    await publish(client, "OLD", [(second(index), {"temp": 20}) for index in range(100, 200)])
    await shown(page, "200")
    await expect(page.locator(".plot-facts")).to_contain_text("limits v1 → v2")
    written = await page.evaluate("written")
    assert {"warnHigh 45", "warnHigh 60"} <= set(written)
    await page.emulate_media(color_scheme="light")
    await page.locator(".plot").focus()
    await page.keyboard.press("[")
    await expect(readout(page)).to_contain_text("v1: warnHigh 45")
    assert await page.evaluate(COUNT, AMBER) > 20
    await drag(page, 0.1, 0.4)
    await expect(page.locator(".plot-facts")).to_contain_text("limits v1")
    await expect(page.locator(".plot-facts")).not_to_contain_text("→")
    assert await page.evaluate(COUNT, AMBER) > 20


async def test_a_gap_is_a_gap_and_a_lone_sample_is_drawn(page: Page, client):
    await page.add_init_script(RECORD)
    values = [(second(index), {"temp": 20 + index % 3}) for index in [*range(100), 500, *range(900, 1000)]]
    await publish(client, "GAP", values)
    await page.goto(address("GAP", "temp", 0, 999))
    await shown(page, "201")
    assert "no data" in await page.evaluate("written")
    await hover(page, 0.3)
    await expect(readout(page)).to_contain_text("no data")  # and not what stands beside the gap
    await hover(page, 0.5)
    await expect(readout(page)).to_contain_text("2026-01-10 00:08:20")
    await page.goto(address("GAP", "temp", 2000, 3000))
    await shown(page, "0")
    await expect(readout(page)).to_contain_text("no data")


async def test_texts_and_booleans_are_spans(page: Page, client):
    await page.add_init_script(RECORD)
    await configure(client, "MODES", {"mode": {"states": {"SAFE": "HIGH"}}})
    values = [(second(index), {"mode": "SAFE" if index > 60 else "SUN", "heater": index > 50}) for index in range(100)]
    await publish(client, "MODES", values)
    await page.goto(address("MODES", "mode,heater", 0, 99))
    await shown(page, "200")
    assert {"SUN", "SAFE", "true", "false"} <= set(await page.evaluate("written"))
    await hover(page, 0.2)
    await expect(readout(page)).to_contain_text("SUN")
    await hover(page, 0.8)
    await expect(readout(page)).to_contain_text("SAFE")
    await expect(readout(page)).to_contain_text("High")


async def test_half_a_series_is_said_to_be_half_and_goes_on(page: Page, client):
    await publish(client, "HALF", [(second(index), {"temp": index}) for index in range(100)])
    await page.goto(address("HALF", "temp", 0, 99))
    await shown(page, "100")
    rest = asyncio.Event()

    async def in_two(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        if "1900" in query["from"][0]:
            await route.continue_()
            return
        answer = await route.fetch(url=route.request.url.replace("&cursor=next", ""))
        body = await answer.json()
        series = body["series"][0]
        if "cursor" in query:
            await rest.wait()
            series["t"], series["value"] = series["t"][50:], series["value"][50:]
            await route.fulfill(response=answer, json=body)
        else:
            series["t"], series["value"], body["complete"] = series["t"][:50], series["value"][:50], False
            headers = {**answer.headers, "missionops-next-cursor": "next"}
            await route.fulfill(response=answer, json=body, headers=headers)

    await page.route("**/telemetry/series?*", in_two)
    await page.reload()
    await expect(page.locator(".plot-facts")).to_contain_text("50 samples")
    await expect(page.locator(".plot-facts")).to_contain_text("LOADING: only until 2026-01-10 00:00:49")
    rest.set()
    await expect(page.locator(".plot-facts")).to_contain_text("100 samples")
    await expect(page.locator(".plot-facts")).not_to_contain_text("LOADING")


async def test_a_slow_older_answer_never_overwrites_a_newer_one(page: Page, client):
    await publish(client, "SLOW", [(second(index), {"temp": index}) for index in range(100)])
    await page.goto(address("SLOW", "temp", 0, 99))
    await shown(page, "100")
    release, released = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await release.wait()
        await route.fulfill(response=answer)
        released.set()

    await page.route(re.compile(r"series\?.*from=2026-01-10T00%3A00%3A10Z"), late)
    await page.goto(address("SLOW", "temp", 10, 99))
    await expect(page.locator(".plot-facts")).to_contain_text(
        "what is shown is the range before"
    )  # the old picture stays
    await page.goto(address("SLOW", "temp", 50, 99))
    await expect(page.locator(".plot-facts")).to_contain_text("50 samples")
    release.set()
    await released.wait()
    await hover(page, 0.0)
    await expect(readout(page)).to_contain_text("00:00:50")
    await expect(page.locator(".plot-facts")).to_contain_text("50 samples")


async def test_the_link_is_the_view_and_zooming_leaves_live_visibly(page: Page, client):
    now = datetime.now(UTC)
    await publish(client, "LINK", [(now - timedelta(seconds=index), {"temp": index}) for index in range(100)])
    await page.goto("/#/sc/LINK/plot?p=temp&last=10m&unknown=field")
    await expect(page.get_by_text("LIVE", exact=True)).to_be_visible()
    await expect(readout(page)).to_contain_text("temp")
    await drag(page, 0.2, 0.9)
    await expect(page.get_by_text("PAUSED", exact=True)).to_be_visible()
    zoomed = page.url
    assert "from=" in zoomed
    await page.reload()
    await expect(page.get_by_text("PAUSED", exact=True)).to_be_visible()
    assert page.url == zoomed
    await page.go_back()
    await expect(page.get_by_text("LIVE", exact=True)).to_be_visible()
    await page.go_forward()
    await expect(page.get_by_text("PAUSED", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Back to live").click()
    await expect(page.get_by_text("LIVE", exact=True)).to_be_visible()
    await page.locator(".plot").focus()
    await page.keyboard.press("Space")
    await expect(page.get_by_text("PAUSED", exact=True)).to_be_visible()
    await page.keyboard.press("+")
    inner = page.url
    await page.keyboard.press("b")
    await expect(page).not_to_have_url(inner)


async def test_a_live_plot_follows(page: Page, client):
    await publish(client, "FOLLOWS", [(datetime.now(UTC), {"temp": 1})])
    await page.goto("/#/sc/FOLLOWS/plot?p=temp&last=10m")
    await expect(readout(page).get_by_role("cell").nth(1)).to_have_text("1")
    await publish(client, "FOLLOWS", [(datetime.now(UTC), {"temp": 2})])
    await expect(readout(page).get_by_role("cell").nth(1)).to_have_text("2")


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("2026-11-25T10:00:00Z", "from=2026-11-25T10%3A00%3A00Z"),
        ("2026-329T10:00:00Z", "from=2026-11-25T10%3A00%3A00Z"),
        ("-2h", "last=2h"),
        ("2026-01-01/2026-01-02T06:00", "to=2026-01-02T06%3A00%3A00Z"),
    ],
)
async def test_a_range_is_typed(page: Page, typed: str, named: str):
    await page.goto("/#/sc/TYPED/plot?p=temp")
    field = page.get_by_label("From")
    await field.fill(typed)
    await field.press("Enter")
    await expect(page).to_have_url(re.compile(re.escape(named)))


async def test_a_wrong_time_is_named_where_it_stands(page: Page):
    await page.goto("/#/sc/TYPED/plot?p=temp")
    before = page.url
    for typed, fault in {
        "2026-02-30": "2026-02-30 is no day",
        "yesterday": "Type a time as",
        "now": "before To",
    }.items():
        await page.get_by_label("From").fill(typed)
        await page.get_by_label("From").press("Enter")
        await expect(page.get_by_role("alert").filter(has_text=fault)).to_be_visible()
        await expect(page.get_by_label("From")).to_have_attribute("aria-invalid", "true")
    assert page.url == before


async def test_the_keyboard_alone_reads_the_plot(page: Page, client):
    await publish(client, "KEYS", [(second(index), {"temp": 1000 + index}) for index in range(10)])
    await page.goto(address("KEYS", "temp", 0, 9))
    await shown(page, "10")
    plot = page.get_by_role("slider")
    await plot.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(plot).to_have_attribute("aria-valuetext", re.compile("00:00:09 UTC: temp 1009"))
    await page.keyboard.press("ArrowLeft")
    await expect(plot).to_have_attribute("aria-valuetext", re.compile("00:00:08 UTC: temp 1008"))
    await expect(readout(page)).to_contain_text("1008")
    assert "c=2026-01-10T00%3A00%3A08Z" in page.url
    await page.evaluate("localStorage.setItem('missionops.keys', 'off')")
    before = page.url
    await page.keyboard.press("+")
    await page.keyboard.press("ArrowLeft")
    await expect(readout(page)).to_contain_text("1007")
    assert urlsplit(page.url).fragment.split("&c=")[0] == urlsplit(before).fragment.split("&c=")[0]


async def test_files_say_what_they_are(page: Page, client):
    await page.add_init_script(RECORD)
    await configure(client, "FILES", {"temp": {"warnHigh": 45}})
    await publish(client, "FILES", [(second(index), {"temp": 40 + index, "=mode": "SUN"}) for index in range(10)])
    await page.goto(address("FILES", "temp,=mode", 0, 9))
    await shown(page, "20")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="CSV").click()
    file = await download.value
    lines = (await asyncio.to_thread((await file.path()).read_text)).splitlines()
    assert lines[0] == "parameter,time,until,last,min,min_at,max,max_at,samples,severities"
    assert lines[7].startswith('"temp",2026-01-10T00:00:06Z,,46,46,')
    assert lines[7].endswith(",MEDIUM")
    assert lines[11].startswith('"\'=mode",2026-01-10T00:00:00Z,2026-01-10T00:00:09Z,"SUN"')
    await page.evaluate("written.length = 0")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="PNG").click()
    file = await download.value
    assert file.suggested_filename.startswith("FILES_temp")
    assert (await asyncio.to_thread((await file.path()).read_bytes)).startswith(b"\x89PNG")
    written = " ".join(await page.evaluate("written"))
    for text in ("FILES · temp, =mode", "2026-01-10 00:00:00 to 2026-01-10 00:00:09 UTC", "every sample", "limits v1"):
        assert text in written


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_they_are_accessible(page: Page, client, theme: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await configure(client, "AXE2", {"temp": {"warnHigh": 45}})
    await publish(client, "AXE2", [(second(index), {"temp": index, "mode": "SUN"}) for index in range(100)])
    await page.goto(address("AXE2", "temp,mode", 0, 99))
    await shown(page, "200")
    await page.keyboard.press("]")
    await expect(readout(page)).to_contain_text("Medium")
    await check(page)
    await page.goto("/#/sc/AXE2/plot")
    await expect(page.get_by_text("Choose a parameter")).to_be_visible()
    await check(page)


async def test_events_stand_at_their_times(page: Page, client):
    await publish(client, "EVENTFUL", [(second(index), {"temp": index}) for index in range(100)])
    event = {
        "type": "MODE_CHANGE",
        "severity": "LOW",
        "message": "Entered sunlight",
        "timestamp": second(50).isoformat(),
    }
    await client.request("missionops.events.record.EVENTFUL", json.dumps(event).encode(), timeout=5)
    await page.goto(address("EVENTFUL", "temp", 0, 100))
    await shown(page, "100")
    await hover(page, 0.5)
    await expect(page.locator(".readout caption")).to_contain_text("Entered sunlight")
    await hover(page, 0.7)
    await expect(page.locator(".readout caption")).not_to_contain_text("Entered sunlight")
