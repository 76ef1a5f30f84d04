"""Real telemetry on the pages: OPS-SAT-1 over half a year, and the 159 parameters of skCUBE."""

import gzip
import json
from importlib import resources

import pytest
from nats.aio.client import Client
from playwright.async_api import Page, expect

pytestmark = pytest.mark.shared_service

SAMPLES = resources.files("missionops") / "samples"


async def publish_sample(client: Client, spacecraft_id: str, name: str, parameters: str = "") -> None:
    """A sample with its limits; of its parameters only those whose names begin so, as the whole takes its time."""
    limits = (SAMPLES / f"{name}.limits.json").read_bytes()
    await client.request(f"missionops.config.set.{spacecraft_id}", limits, timeout=10)
    snapshots = []
    for line in gzip.decompress((SAMPLES / f"{name}.ndjson.gz").read_bytes()).splitlines():
        snapshot = json.loads(line)
        kept = {key: value for key, value in snapshot["parameters"].items() if key.startswith(parameters)}
        if kept:
            snapshots.append({"timestamp": snapshot["timestamp"], "parameters": kept})
    for first in range(0, len(snapshots), 500):
        body = json.dumps(snapshots[first : first + 500]).encode()
        await client.request(f"telemetry.{spacecraft_id}", body, timeout=10)


async def test_half_a_year_of_ops_sat(page: Page, client: Client):
    await publish_sample(client, "OPS-SAT-1", "opssat1", "I_PD6")
    await page.goto("/#/sc/OPS-SAT-1/plot?p=I_PD6_THETA&from=2020-11-14&to=2021-05-16")
    facts = page.locator(".plot-facts")
    await expect(facts).to_contain_text("UTC ·")
    while "18,906 samples" not in (await facts.text_content() or ""):  # it is still being taken in
        await page.reload()
        await expect(facts).to_contain_text("UTC ·")
    await expect(facts).to_contain_text("limits v1")
    await page.get_by_role("slider").focus()
    await page.keyboard.press("]")
    await expect(page.locator(".readout")).to_contain_text("critHigh 1.0472")
    await expect(page.locator(".readout .mark").first).to_be_visible()
    await page.get_by_label("From").fill("2021-01-15")
    await page.get_by_role("textbox", name="To", exact=True).fill("2021-02-15")
    await page.get_by_role("textbox", name="To", exact=True).press("Enter")
    await expect(facts).to_contain_text("· 0 samples")
    await expect(page.locator(".readout tbody")).to_contain_text("no data")


async def test_all_parameters_of_skcube(page: Page, client: Client):
    await publish_sample(client, "SKCUBE", "skcube")
    with (SAMPLES / "skcube.limits.json").open() as file:
        ruled = json.load(file)["parameters"]
    await page.goto("/#/sc/SKCUBE")
    rows = page.locator(".parameters tbody tr:has(td)")
    await expect(rows).to_have_count(159)
    await expect(rows.filter(has_text="Not checked")).to_have_count(159 - len(ruled))
    await expect(page.get_by_role("rowheader", name="adcs", exact=True)).to_be_visible()  # a group
    await expect(page.get_by_text("before reception")).to_be_visible()
    await page.get_by_role("link", name="pwr_uBatA").first.click()
    await expect(page.locator(".readout tbody")).to_contain_text("2017-06-28")
