"""The picture in the README is what the page shows: UPDATE_PICTURES=1 takes it anew.

The fonts of another machine may differ a little: a picture is compared roughly, as one would from afar.
"""

import gzip
import json
import os
from pathlib import Path

from playwright.async_api import Page, expect

from tests import wait

CHECKOUT = Path(__file__).parents[2]
SAMPLES = CHECKOUT / "missionops" / "samples"
PICTURE = CHECKOUT / "docs" / "operations-page.png"
PLOT = "/#/sc/SKCUBE/plot?p=adcs_gyroX,adcs_mag1X,adcs_sunYMinusX&from=2017-06-28T08:35:00Z&to=2017-06-28T08:47:00Z"

# How much two pictures differ when they are looked at small, from 0 to 1.
_DIFFERENCE = """async (pictures) => {
  const [one, other] = await Promise.all(pictures.map(async (bytes) => {
    const picture = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: "image/png"}));
    const context = new OffscreenCanvas(64, 40).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, 64, 40);
    return context.getImageData(0, 0, 64, 40).data;
  }));
  return one.reduce((sum, value, at) => sum + Math.abs(value - other[at]), 0) / one.length / 255;
}"""


async def test_the_picture_of_the_readme_is_what_the_page_shows(page: Page, client):
    limits = (SAMPLES / "skcube.limits.json").read_bytes()
    await client.request("missionops.config.set.SKCUBE", limits, timeout=5)
    snapshots = [json.loads(line) for line in gzip.decompress((SAMPLES / "skcube.ndjson.gz").read_bytes()).splitlines()]
    for first in range(0, len(snapshots), 100):
        some = json.dumps(snapshots[first : first + 100]).encode()
        await client.request("telemetry.SKCUBE", some, timeout=5)

    async def are_stored() -> bool:
        reply = await client.request("missionops.telemetry.list.SKCUBE", b'{"limit": 1}', timeout=5)
        found = json.loads(reply.data)
        return bool(found) and found[0]["timestamp"] == max(each["timestamp"] for each in snapshots)

    await wait.until_async(are_stored, "the telemetry to be stored")
    await page.set_viewport_size({"width": 1440, "height": 860})
    await page.emulate_media(color_scheme="light")
    await page.goto(PLOT)
    await expect(page.locator("main[aria-busy=false]")).to_be_visible()
    await expect(page.get_by_text("samples").first).to_be_visible()
    taken = await page.screenshot()
    if "UPDATE_PICTURES" in os.environ:
        PICTURE.write_bytes(taken)
    looking = await page.context.new_page()
    difference = await looking.evaluate(_DIFFERENCE, [list(taken), list(PICTURE.read_bytes())])
    await looking.close()
    assert difference < 0.03, "UPDATE_PICTURES=1 takes the picture anew"
    assert f"]({PICTURE.relative_to(CHECKOUT).as_posix()})" in (CHECKOUT / "README.md").read_text()
