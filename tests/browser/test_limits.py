"""The page of limits: a draft beside what is in force, what it would find, and how it is put in force."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from missionops.domain.access import Role
from missionops.settings import Settings
from tests import wait
from tests.browser import test_accessibility as accessibility

ADDRESS = "/#/sc/SC-001/limits"
LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}, "notes": {"n": 18446744073709551615}}
START = datetime(2025, 1, 1, tzinfo=UTC)


async def publish(client, values: list[dict[str, object]], spacecraft_id: str = "SC-001") -> None:
    """Snapshots one minute apart; returns when they can be queried."""
    body = [
        {"timestamp": (START + timedelta(minutes=number)).isoformat(), "parameters": one}
        for number, one in enumerate(values)
    ]
    await client.request(f"telemetry.{spacecraft_id}", json.dumps(body).encode(), timeout=5)

    async def are_stored() -> bool:
        reply = await client.request(f"missionops.telemetry.list.{spacecraft_id}", b'{"limit": 1000}', timeout=5)
        return len(json.loads(reply.data)) == len(values)

    await wait.until_async(are_stored, "the telemetry to be stored")


async def configure(client, document: object = LIMITS, reason: str = "First", spacecraft_id: str = "SC-001") -> None:
    headers = {"Missionops-Reason": reason}
    subject = f"missionops.config.set.{spacecraft_id}"
    await client.request(subject, json.dumps(document).encode(), timeout=5, headers=headers)


async def in_force(client) -> dict[str, object]:
    reply = await client.request("missionops.config.get.SC-001", b"", timeout=5)
    found: dict[str, object] = json.loads(reply.data)
    return found


@pytest.fixture
async def told(service, client) -> None:
    await configure(client)
    await publish(client, [{"temp": 20 + number, "volt": number / 10, "mode": "SAFE"} for number in range(40)])


async def stored(page: Page) -> None:
    """Wait until the page has read all telemetry."""
    await expect(page.get_by_role("region", name="Try")).to_contain_text("40 snapshots")


@pytest.mark.usefixtures("told")
async def test_what_is_ruled_and_what_was_seen_stands_with_what_was_observed(page: Page):
    await page.goto(ADDRESS)
    await stored(page)
    await expect(page.get_by_role("row", name="temp")).to_contain_text("met 40 of newest 1,000")
    await expect(page.get_by_role("row", name="temp")).to_contain_text("59")
    await expect(page.get_by_role("row", name="volt")).to_contain_text("seen without rule")
    await page.get_by_role("link", name="Seen without rule").click()
    await expect(page.locator("tbody tr th").filter(has_text="temp")).to_have_count(0)


async def test_limits_begin_from_what_was_seen(page: Page, client):
    await publish(client, [{"temp": 20 + number, "volt": 3} for number in range(40)])
    await page.goto("/#/")
    await page.get_by_role("link", name="Limits of SC-001").click()
    await expect(page.get_by_text("No limits are in force.")).to_be_visible()
    await page.get_by_role("row", name="temp").get_by_role("button", name="Add rule").click()
    await page.get_by_label("Warning high").fill("45")
    await page.get_by_role("button", name="Put version 1 in force …").click()
    await page.get_by_label("Why").fill("Wärme — first limits")
    await page.get_by_role("button", name="Put version 1 in force", exact=True).click()
    await expect(page.get_by_text("Version 1 is in force.").first).to_be_visible()
    assert (await in_force(client))["config"] == {"parameters": {"temp": {"warnHigh": 45}}}
    await page.get_by_role("link", name="Versions").click()
    await expect(page.get_by_role("row", name="1", exact=False).first).to_contain_text("Wärme — first limits")


@pytest.mark.usefixtures("told")
async def test_the_form_and_the_json_are_one_draft_and_faults_stand_at_their_number(page: Page, client):
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 400 else None)
    await page.goto(ADDRESS)
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    await page.get_by_label("Critical high").fill("40")
    fault = page.locator("label", has_text="Critical high").locator(".fault")
    await expect(fault).to_contain_text("critHigh 40 is below warnHigh 45")
    await expect(page.get_by_role("button", name="Put version 2 in force …")).to_be_disabled()
    await page.get_by_label("Critical high").fill("high")
    await expect(fault).to_contain_text("must be a number")
    await page.get_by_role("link", name="JSON").click()
    area = page.get_by_label("Limits as JSON")
    await expect(area).to_have_value(json.dumps(LIMITS, indent=2).replace(": 70", ': "high"'))
    await page.get_by_role("button", name="Line 5").click()
    selected = "((area) => area.value.slice(area.selectionStart, area.selectionEnd))(document.activeElement)"
    assert await page.evaluate(selected) == '"critHigh": "high"'
    await area.fill("{")
    await expect(page.get_by_text("Draft: this is no JSON object")).to_be_visible()
    await area.fill('{"parameters": {"temp": {"states": {"SAFE": "MEDIUM"}, "raise": {"samples": 3}, "when": []}}}')
    await expect(page.get_by_role("status").filter(has_text="no fault")).to_be_visible()
    await page.get_by_role("link", name="Table", exact=True).click()
    await expect(page.get_by_label("Raise after samples")).to_have_value("3")
    await expect(page.get_by_label("SAFE", exact=False).first).to_have_value("MEDIUM")
    assert (await in_force(client))["version"] == 1
    assert refused == []  # the browser would say so in its console


@pytest.mark.usefixtures("told")
async def test_limits_in_a_context_are_a_form(page: Page, client):
    await page.goto(ADDRESS)
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    form = page.get_by_role("form", name="Rule of temp")
    await form.get_by_role("button", name="Add a context").click()
    await expect(form.get_by_text("if must be an object that is not empty")).to_be_visible()
    await form.get_by_label("Parameter that is compared").fill("mode")
    await form.get_by_label("Value", exact=True).fill("SAFE")
    await form.get_by_label("Warning high in context 1").fill("80")
    await expect(form.locator(".context .fault")).to_contain_text("critHigh 70 is below warnHigh 80")
    await form.get_by_label("Critical high in context 1").fill("none")
    await form.get_by_role("button", name="Add a condition").click()
    await form.get_by_label("Parameter that is compared").last.fill("volt")
    await form.get_by_label("How it is compared").last.select_option("is between")
    await form.get_by_label("Lower end").fill("1")
    await form.get_by_label("Upper end").fill("3.5")
    await expect(page.get_by_role("status").filter(has_text="no fault")).to_be_visible()
    await page.get_by_role("link", name="JSON").click()
    area = page.get_by_label("Limits as JSON")
    await expect(area).to_be_visible()  # until then it holds the text of an earlier draft
    shown = json.loads(await area.input_value())
    context = {"if": {"mode": "SAFE", "volt": {"above": 1, "below": 3.5}}, "warnHigh": 80, "critHigh": None}
    assert shown["parameters"]["temp"]["when"] == [context]
    context["if"] = {"mode": True, "count": {"below": 9007199254740993}}
    shown["parameters"]["temp"]["when"] = [context, {**context, "states": {"A": "LOW"}}]
    await area.fill(json.dumps(shown))
    await page.get_by_role("link", name="Table", exact=True).click()
    await expect(form.get_by_label("How it is compared")).to_have_count(4)
    await expect(form.get_by_label("How it is compared").first).to_have_value("true")
    await expect(form.get_by_label("Value", exact=True).first).to_have_value("9007199254740993")
    await expect(form.get_by_text("Also other here: states.")).to_be_visible()
    await form.get_by_role("button", name="Remove this context").first.click()
    await form.get_by_role("button", name="Remove this context").click()
    await expect(page.get_by_role("row", name="temp Edit")).not_to_contain_text("when")


@pytest.mark.usefixtures("told")
async def test_a_range_is_typed_as_people_write_times(page: Page):
    await page.goto(ADDRESS)
    await stored(page)
    trial = page.get_by_role("region", name="Try")
    await trial.get_by_label("Of telemetry").select_option("from … to …")
    await trial.get_by_label("From, UTC").fill("2025-001T00:10")
    await trial.get_by_label("To, UTC").fill("2025-01-01 00:19:00")
    await trial.get_by_label("To, UTC").press("Enter")
    await expect(trial).to_contain_text("10 snapshots, 2025-01-01 00:10:00 to 2025-01-01 00:19:00 UTC")
    await trial.get_by_label("From, UTC").fill("-2hours")
    await trial.get_by_label("From, UTC").press("Enter")
    await expect(trial).to_contain_text("is no length of time: type 90s, 30m, 2h, 7d, 2w or 1y.")
    await trial.get_by_label("Of telemetry").select_option("all of it")
    await trial.get_by_role("button", name="Try on stored telemetry").click()
    await stored(page)


@pytest.mark.usefixtures("told")
async def test_a_preview_shows_what_would_be_found_and_leads_to_its_plot(page: Page, client):
    await page.goto(ADDRESS)
    await stored(page)
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    await page.get_by_label("Warning high").fill("55")
    await page.get_by_label("Unit").fill("°C")
    await expect(page.get_by_role("status").filter(has_text="no fault")).to_be_visible()
    await page.get_by_role("button", name="Try on stored telemetry").click()
    trial = page.get_by_role("region", name="Try")
    await expect(trial).to_contain_text("0 alarms gained, 0 lost, 1 changed.")
    example = trial.get_by_role("row", name="changed temp")
    await expect(example).to_contain_text("2025-01-01 00:36:00")
    href = await example.get_by_role("link").get_attribute("href")
    assert href is not None
    assert href.startswith("#/sc/SC-001/plot?p=temp&from=2025-01-01T00%3A26%3A00")
    await page.get_by_label("Warning high").fill("56")
    await expect(trial).to_contain_text("of an earlier draft: try again")


@pytest.mark.usefixtures("told")
async def test_a_draft_survives_hints_other_pages_and_what_comes_meanwhile(page: Page, client):
    await page.goto(ADDRESS)
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    field = page.get_by_label("Guidance: what to do")
    await field.type("Switch the hea")
    await configure(client, {"parameters": {"temp": {"warnHigh": 44, "critHigh": 70}}}, "Colder <img src=x>")
    other = page.get_by_role("alert", name="Another version is in force")
    await expect(other).to_contain_text("Version 2 came into force by nats: “Colder <img src=x>”")
    await expect(field).to_be_focused()
    await field.press_sequentially("ter on")
    await expect(field).to_have_value("Switch the heater on")
    await expect(other.get_by_role("table", name="What they changed")).to_contain_text("parameters.temp.warnHigh")
    await page.evaluate("location.hash = '#/events'")
    await expect(page.get_by_role("heading", name="Events")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("alert", name="Another version is in force")).to_be_visible()
    await page.get_by_role("button", name="Put my changes on version 2").click()
    await page.get_by_role("button", name="Put version 3 in force …").click()
    await page.get_by_label("Why").fill("Guidance")
    await page.get_by_label("Why").press("Enter")
    await expect(page.get_by_text("Version 3 is in force.").first).to_be_visible()
    rule = (await in_force(client))["config"]["parameters"]["temp"]  # type: ignore[index]
    assert rule == {"warnHigh": 44, "critHigh": 70, "guidance": "Switch the heater on"}


@pytest.mark.usefixtures("told")
async def test_the_second_of_two_admins_is_told_with_both_diffs(page: Page, client):
    await page.goto(ADDRESS)
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    await page.get_by_label("Warning high").fill("50")
    await page.get_by_role("button", name="Put version 2 in force …").click()
    await page.get_by_label("Why").fill("Warmer")
    await configure(client, {"parameters": {"temp": {"warnHigh": 44, "critHigh": 70}}}, "Colder")
    await page.get_by_label("Why").press("Enter")
    other = page.get_by_role("alert", name="Another version is in force")
    await expect(other.get_by_role("table", name="What they changed")).to_contain_text("44")
    await expect(other.get_by_role("table", name="What you change")).to_contain_text("50")
    assert (await in_force(client))["version"] == 2
    await page.get_by_role("button", name="Put my changes on version 2").click()
    await expect(page.get_by_text("Both changed the same: parameters.temp.warnHigh")).to_be_visible()
    await page.get_by_role("button", name="Discard the draft").click()
    await page.get_by_role("link", name="Versions").click()
    await page.get_by_role("button", name="Put version 1 back").click()
    await page.get_by_role("button", name="Put version 3 in force …").click()
    await expect(page.get_by_label("Why")).to_have_value("Back to version 1")
    await page.get_by_label("Why").press("Enter")
    await expect(page.get_by_text("Version 3 is in force.").first).to_be_visible()
    assert (await in_force(client))["config"] == LIMITS


async def test_a_spacecraft_with_5_000_parameters_is_found_through(page: Page, client):
    await publish(client, [{f"p{number:04}": number for number in range(5_000)}])
    await configure(client, {"parameters": {f"p{number:04}": {"warnHigh": 1} for number in range(0, 5_000, 2)}})
    await page.goto(ADDRESS)
    await expect(page.get_by_role("link", name="All 5,000")).to_be_visible()
    await expect(page.locator("table.limits tbody tr")).to_have_count(200)
    await expect(page.get_by_text("4,800 of 5,000 parameters are not shown.")).to_be_visible()
    await page.get_by_placeholder("name, subsystem or unit").fill("p4998")
    await expect(page.locator("table.limits tbody tr")).to_have_count(1)
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Warning high").fill("5000")
    await expect(page.get_by_role("status").filter(has_text="Draft: 1 change")).to_be_visible()


@pytest.mark.usefixtures("told")
async def test_leaving_with_a_draft_asks_first(page: Page):
    await page.goto(ADDRESS)
    await page.get_by_role("row", name="volt").get_by_role("button", name="Add rule").click()
    await page.get_by_label("Warning high").fill("3")
    asked: list[str] = []

    async def stay(dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", stay)
    await page.reload()
    assert asked == ["beforeunload"]


@pytest.mark.usefixtures("told")
async def test_by_keyboard_alone(page: Page, client):
    await page.goto(ADDRESS)
    await stored(page)
    await page.get_by_role("row", name="temp").get_by_role("button").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Severe low")).to_be_focused()
    await page.keyboard.type("-10")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("row", name="temp").get_by_role("button")).to_be_focused()
    await expect(page.get_by_role("status").filter(has_text="no fault")).to_be_visible()
    await page.get_by_role("button", name="Put version 2 in force …").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Why")).to_be_focused()
    await page.keyboard.type("Cold")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Version 2 is in force.").first).to_be_visible()
    assert (await in_force(client))["config"]["parameters"]["temp"]["severeLow"] == -10  # type: ignore[index]


@pytest.mark.usefixtures("told")
async def test_every_view_and_the_dialog_are_accessible(page: Page, client, theme: str):
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await configure(client, {"parameters": {"temp": {"warnHigh": 50}, "volt": {"states": {"SAFE": "LOW"}}}}, "Other")
    await page.goto(ADDRESS)
    await stored(page)
    await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
    await page.get_by_role("row", name="volt").get_by_role("button", name="Edit").click()
    await page.get_by_label("Warning high").first.fill("30")
    await page.get_by_role("button", name="Try on stored telemetry").click()
    await expect(page.get_by_role("region", name="Try").get_by_role("row", name="temp").first).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="no fault")).to_be_visible()
    await accessibility.check(page)
    await page.get_by_role("button", name="Put version 3 in force …").click()
    await accessibility.check(page)
    await page.keyboard.press("Escape")
    await page.get_by_label("Critical high").first.fill("x")
    await expect(page.get_by_text("must be a number")).to_be_visible()
    await accessibility.check(page)
    for view in ("JSON", "Versions"):
        await page.get_by_role("link", name=view, exact=True).click()
        await accessibility.check(page)
    await configure(client, LIMITS, "Third")
    await expect(page.get_by_role("alert", name="Another version is in force")).to_be_visible()
    await accessibility.check(page)


class TestAsReader:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"http_auth": "tokens"})

    @pytest.mark.usefixtures("told")
    async def test_there_is_no_button_that_then_fails(self, page: Page, issue):
        token = await issue("console", Role.READER)
        await page.goto(ADDRESS)
        await page.get_by_label("Token").fill(token)
        await page.keyboard.press("Enter")
        await page.get_by_role("row", name="temp").get_by_role("button", name="Edit").click()
        await page.get_by_label("Warning high").fill("30")
        await expect(page.get_by_text("Only an admin can put limits in force")).to_be_visible()
        await expect(page.get_by_role("button", name="Put version 2 in force …")).to_be_hidden()
        await page.get_by_role("button", name="Try on stored telemetry").click()
        await expect(page.get_by_role("region", name="Try")).to_contain_text("1 changed")
        await page.get_by_role("link", name="Versions").click()
        await expect(page.get_by_text("in force", exact=True)).to_be_visible()
        assert await page.get_by_role("button", name="back").count() == 0
