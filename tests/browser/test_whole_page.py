"""What holds for every page: it asks nobody else, nothing fails, and whatever text comes is only text."""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from playwright.async_api import Page, Response, expect

from tests import wait
from tests.browser import addresses

PAGES = {**addresses.PAGES, "SC-001": "/#/sc/SC-001", "SC-001 plot": "/#/sc/SC-001/plot?p=temperature"}
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script>"
    "\u202eevil\u202c \U0001f6f0 {{7*7}} javascript:alert(3) &lt;b&gt;"
)
LONG = "x" * 256


async def publish(client, parameters: dict[str, object], spacecraft_id: str = "SC-001") -> None:
    body = {"timestamp": datetime.now(UTC).isoformat(), "parameters": parameters}
    await client.request(f"telemetry.{spacecraft_id}", json.dumps(body).encode(), timeout=5)


async def ask(client, subject: str, request: object) -> object:
    reply = await client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=5)
    return json.loads(reply.data)


async def told(client, text: str) -> None:
    """A spacecraft of which everything that can be a text is this one."""
    await ask(client, "spacecraft.register.SC-001", {"name": text[:256], "missionType": text[:256]})
    rule = {"critHigh": 70, "unit": text, "description": text, "subsystem": text, "guidance": text}
    config = {"parameters": {text[:256]: rule, "mode": {"states": {text: "HIGH"}}}, text: text}
    await ask(client, "config.set.SC-001", config)
    await publish(client, {text[:256]: 99, "mode": text, LONG: text})
    event = {"type": "INFO", "severity": "HIGH", "message": text, "metadata": {text: text}}
    await ask(client, "events.record.SC-001", event)
    document = {"id": "hostile", "title": text, "body": text, "category": text[:128], "tags": [text[:128]]}
    await ask(client, "docs.create", document)

    async def are_raised() -> bool:
        found = await ask(client, "alarms.active", {})
        return isinstance(found, dict) and len(found["items"]) == 2

    await wait.until_async(are_raised, "two alarms")


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "full"])
async def test_no_page_asks_anybody_else_and_nothing_fails(page: Page, client, is_empty: bool):  # noqa: FBT001
    failed: list[str] = []

    def heard(response: Response) -> None:
        if response.status >= 400:
            failed.append(f"{response.status} {response.url}")

    page.on("response", heard)
    if not is_empty:
        await told(client, "temperature")
    for name, address in PAGES.items():
        await page.goto(address)
        await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        await expect(page.locator("main[aria-busy=false]")).to_be_visible()
        await page.reload()
        await expect(page.locator("main[aria-busy=false]")).to_be_visible()
    assert failed == []


async def test_hostile_text_is_only_text_and_the_layout_holds(page: Page, client):
    await told(client, HOSTILE)
    alerts: list[str] = []
    page.on("dialog", lambda dialog: alerts.append(dialog.message))
    others = {"Document": "/#/docs/hostile", "SC-001 plot": f"/#/sc/SC-001/plot?p={quote(HOSTILE)}"}
    for name, address in {**PAGES, **others}.items():
        await page.goto(address)
        await expect(page.locator("main[aria-busy=false]")).to_be_visible()
        if name != "Service":
            await expect(page.locator("main")).to_contain_text("<img src=x")
        assert await page.locator("main img, main script").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth") <= 1280, name
    await page.goto(PAGES["Limits of SC-001"])
    row = page.locator("tbody tr").filter(has_text="<img src=x").first
    await row.get_by_role("button", name="Edit").click()
    await expect(page.get_by_label("Guidance: what to do")).to_have_value(HOSTILE)
    assert alerts == []


async def test_all_is_nominal_and_no_pixel_is_red_amber_or_green(page: Page, client, theme: str):
    """ISA-101: such a colour is for what is abnormal alone."""
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await ask(client, "config.set.SC-001", {"parameters": {"temp": {"critHigh": 70}}})
    await publish(client, {"temp": 20})
    for address in {**PAGES, "plot": "/#/sc/SC-001/plot?p=temp", "history": "/#/alarms?tab=history"}.values():
        await page.goto(address)
        await expect(page.locator("main[aria-busy=false]")).to_be_visible()
        await expect(page.get_by_text("Nominal").first).to_be_visible()
        assert await coloured(page) == 0, address
    await publish(client, {"temp": 99})
    await page.goto(PAGES["Alarms"])
    await expect(page.locator("tr.alarm")).to_have_count(1)
    assert await coloured(page) > 100  # so that this test can fail


# How wide the page is once it has been laid out and what is drawn was drawn anew.
_WIDTH = """new Promise((done) =>
  requestAnimationFrame(() => setTimeout(() => done(document.documentElement.scrollWidth))))"""


async def coloured(page: Page) -> int:
    """How many pixels of what is shown are strongly red, amber or green."""
    picture = base64.b64encode(await page.screenshot()).decode()
    looking = await page.context.new_page()
    found: int = await looking.evaluate(_COLOURED, picture)
    await looking.close()
    return found


async def test_nothing_has_to_be_scrolled_sideways_on_a_small_screen_or_with_large_letters(page: Page, client):
    await told(client, "temperature of the second battery of the left panel")
    await ask(client, "alarms.shelve.SC-001", {"parameter": "mode", "seconds": 600, "reason": "Known " * 20})
    for name, address in {**PAGES, "shelved": "/#/alarms?tab=shelved"}.items():
        await page.goto(address)
        await expect(page.locator("main[aria-busy=false]")).to_be_visible()
        for width in (1024, 640, 390):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate(_WIDTH) <= width, (name, width)


# How many pixels of a picture are strongly red, amber or green: the hue is from 0 to 160 degrees or beyond 330.
_COLOURED = """async (encoded) => {
  const picture = new Image();
  picture.src = `data:image/png;base64,${encoded}`;
  await picture.decode();
  const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, picture.width, picture.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = data.subarray(at, at + 3);
    const most = Math.max(red, green, blue), span = most - Math.min(red, green, blue);
    if (span < 60) continue;
    const turn = most === red ? ((green - blue) / span + 6) % 6
      : most === green ? (blue - red) / span + 2 : (red - green) / span + 4;
    if (turn * 60 < 160 || turn * 60 > 330) found += 1;
  }
  return found;
}"""
