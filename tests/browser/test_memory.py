"""A page that is open all day: it holds no more for the hints that came and the pages that were seen."""

import pytest
from playwright.async_api import CDPSession, Page, expect

from tests.browser.alarming import Craft

pytestmark = pytest.mark.shared_service

# The stream of changes, as fast as a test wants it.
HINTS = """
delete window.SharedWorker; // so that the page itself reads the stream
const { fetch } = window;
const text = (data) => new TextEncoder().encode(`event: changed\\ndata: ${JSON.stringify(data)}\\n\\n`);
window.fetch = (address, options) => {
  if (!String(address).startsWith("/changes")) return fetch(address, options);
  const stream = new ReadableStream({
    start(controller) {
      const spacecraft = () => ["HELD", `OTHER-${Math.random()}`];
      window.hint = () =>
        controller.enqueue(text({ spacecraft: spacecraft(), alarms: true, events: true, configs: true }));
    },
  });
  return Promise.resolve(new Response(stream));
};
"""
# Each page until it shows what it is about, with ten seconds' hints meanwhile.
ROUNDS = """async ([addresses, rounds]) => {
  const main = document.getElementById("main");
  for (let round = 0; round < rounds; round += 1) {
    for (const address of addresses) {
      location.hash = address;
      await new Promise((done) => setTimeout(done));
      while (main.getAttribute("aria-busy") !== "false") await new Promise((done) => setTimeout(done, 5));
      for (let count = 0; count < 40; count += 1) window.hint();
    }
  }
}"""
PAGES = ["#/", "#/alarms?sc=HELD", "#/sc/HELD", "#/sc/HELD/plot?p=temp&last=1h", "#/sc/HELD/limits"]
PAGES += ["#/events", "#/docs", "#/alarms?tab=history", "#/service"]


async def held(session: CDPSession) -> dict[str, float]:
    """What the page holds once all that can go is gone."""
    for _ in range(3):
        await session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in (await session.send("Performance.getMetrics"))["metrics"]}
    return {name: metrics[name] for name in ("JSHeapUsedSize", "JSEventListeners", "Nodes")}


async def test_hours_of_hints_and_hundreds_of_pages_leave_nothing_behind(page: Page, client, service):
    craft = Craft(client, service)
    await craft.configure()
    for temp in (20, 99, 98):
        await craft.report(temp=temp)
    await craft.standing(1)
    pages = [each.replace("HELD", craft.id) for each in PAGES]
    await page.add_init_script(HINTS.replace("HELD", craft.id))
    await page.goto(f"/{pages[1]}")
    await expect(page.locator("tr.alarm")).to_have_count(1)
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    await page.evaluate(ROUNDS, [pages, 2])  # what is kept for good is there now
    before = await held(session)
    await page.evaluate(ROUNDS, [pages, 6])
    after = await held(session)
    assert after["JSEventListeners"] <= before["JSEventListeners"] * 1.1
    assert after["Nodes"] <= before["Nodes"] * 1.1
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] + 1_000_000
