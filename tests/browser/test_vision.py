"""Severities and states are told apart without their colours: in grey, and by who is blind for red and green."""

import itertools
from typing import Any

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.shared_service

# Every mark that the page knows, as the page makes it, side by side in the place of its content.
_MARKS = """async () => {
  const state = await import(document.querySelector("script[type=module]").src.replace("main.js", "state.js"));
  const groups = {
    severity: ["LOW", "MEDIUM", "HIGH", "CRITICAL"].map((each) => [each, state.alarmMark(each)]),
    quiet: ["LOW", "MEDIUM", "HIGH", "CRITICAL"].map((each) => [each, state.alarmMark(each, "quiet")]),
    state: Object.keys(state.STATES).map((each) => [each, state.stateMark(each)]),
  };
  const shown = Object.entries(groups).flatMap(([group, marks]) =>
    marks.map(([name, mark]) => ({ group, name, mark })));
  const list = document.createElement("ul");
  list.style.cssText = "position: fixed; inset: 60px 0 0 0; z-index: 9; margin: 0; background: var(--raised);";
  list.style.cssText += "font-size: 32px; columns: 3";
  for (const { mark } of shown) {
    const item = document.createElement("li");
    item.style.cssText = "margin: 2px; break-inside: avoid";
    list.append(item);
  }
  [...list.children].forEach((item, index) => item.append(shown[index].mark));
  document.body.append(list);
  return shown.map(({ group, name, mark }) => {
    const { x, y, width, height } = mark.querySelector("svg").getBoundingClientRect();
    return { group, name, word: mark.textContent, place: [x, y, width, height].map(Math.round) };
  });
}"""

# The luminance of each pixel of some places in a picture, from 0 to 1, as WCAG 2 has it.
_LUMINANCES = """async ([address, places]) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const linear = (part) => (part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return places.map((place) => {
    const { data } = context.getImageData(...place);
    return Array.from({ length: data.length / 4 }, (_, at) =>
      0.2126 * linear(data[4 * at]) + 0.7152 * linear(data[4 * at + 1]) + 0.0722 * linear(data[4 * at + 2]));
  });
}"""


def contrast(luminances: list[float]) -> float:
    """Of the lightest to the darkest pixel, from 1 to 21."""
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def shape(luminances: list[float]) -> list[float]:
    """What is drawn on its ground, whichever of them is the lighter one: 1 where a pixel is as far from it as any."""
    ground = luminances[0]
    most = max(abs(one - ground) for one in luminances)
    return [abs(one - ground) / most for one in luminances]


def difference(one: list[float], other: list[float]) -> float:
    """How much of the area of a symbol two of them differ in."""
    return sum(abs(a - b) for a, b in zip(shape(one), shape(other), strict=True)) / len(one)


@pytest.mark.parametrize("vision", ["achromatopsia", "deuteranopia"])
async def test_every_pair_is_told_apart_by_shape_word_and_contrast(page: Page, theme: str, vision: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    await page.goto("/#/service")
    await expect(page.locator("main[aria-busy=false]")).to_be_visible()
    session = await page.context.new_cdp_session(page)
    await session.send("Emulation.setEmulatedVisionDeficiency", {"type": vision})
    marks: list[dict[str, Any]] = await page.evaluate(_MARKS)
    picture = await session.send("Page.captureScreenshot", {"format": "png"})
    looking = await page.context.new_page()
    address = f"data:image/png;base64,{picture['data']}"
    found = await looking.evaluate(_LUMINANCES, [address, [mark["place"] for mark in marks]])
    await looking.close()
    for mark, luminances in zip(marks, found, strict=True):
        assert contrast(luminances) >= 3, (mark, contrast(luminances))  # WCAG 2.2, 1.4.11
    both = [*zip(marks, found, strict=True)]
    for (one, seen), (other, seen_too) in itertools.combinations(both, 2):
        if one["group"] == other["group"]:
            assert one["word"] != other["word"]
            assert difference(seen, seen_too) > 0.08, (one, other, difference(seen, seen_too))
