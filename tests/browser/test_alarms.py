"""The alarms page in a browser, on alarms that real telemetry makes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.browser.alarming import Craft, request

pytestmark = pytest.mark.shared_service

HOSTILE = "<img src=x onerror=alert(1)>\u202eevil \U0001f6f0"


@pytest.fixture
async def craft(client, service) -> Craft:
    found = Craft(client, service)
    await found.configure()
    return found


async def opened(page: Page, craft: Craft, count: int, **settings: str) -> None:
    """The page of one spacecraft's alarms, with so many rows."""
    await page.goto(craft.link + "".join(f"&{name}={value}" for name, value in settings.items()))
    await expect(page.locator("tr.alarm")).to_have_count(count)


def row(page: Page, name: str):
    return page.locator("tr.alarm").filter(has=page.get_by_role("link", name=name, exact=True))


async def test_a_row_says_all_that_an_operator_has_to_know(page: Page, craft: Craft):
    await craft.report(30, temp=20, volt=4, mode="NOMINAL", rate=1)
    await craft.report(20, temp=50, volt=3.3, mode="SAFE", rate=1)
    await craft.report(19, temp=75.25, volt=3.45, mode="SAFE", rate=100)
    await craft.report(10, temp=66, volt=3.6, mode="SAFE", rate=100)
    alarms = await craft.standing(4, state="UNACKNOWLEDGED")
    named = {alarm["parameter"]: alarm["id"] for alarm in alarms}
    await craft.request("alarms.acknowledge", {"ids": [named["mode"]], "by": "alice", "comment": "On command"})
    await opened(page, craft, 4)
    names = await page.locator("tr.alarm a.open").all_text_contents()
    assert names == ["temp", "rate", "volt", "mode"]  # what waits first, then the worst
    for text in ("High", "Active", "limit · EPS", "50 °C", "75.25 °C", "66 °C", "above critHigh 70", " ago", "UTC"):
        await expect(page.locator("table.alarms")).to_contain_text(text)
    await expect(row(page, "volt")).to_contain_text("Returned, not acknowledged")
    await expect(row(page, "mode")).to_contain_text("Acknowledged by alice")
    await expect(row(page, "mode").get_by_text("On command", exact=True)).to_be_visible()  # it is not what is cut
    await expect(row(page, "rate")).to_contain_text("change")
    await expect(page.get_by_text("Telemetry handled up to")).to_be_visible()
    await expect(page.locator(".statistics summary")).to_contain_text("per 10 min")


async def test_a_value_keeps_its_exponent_and_an_integer_all_of_its_digits(page: Page, client, service):
    craft = Craft(client, service, {"parameters": {name: {"critHigh": 0, "unit": "rad"} for name in ("tiny", "big")}})
    await craft.configure()
    await craft.report(tiny=1.2345678901234e-9, big=9007199254740993)
    await craft.standing(2)
    await opened(page, craft, 2)
    await expect(row(page, "tiny").locator(".peak")).to_have_text("1.235e-9 rad")
    await expect(row(page, "tiny").locator(".peak")).to_have_attribute(
        "title", re.compile("^1.2345678901234e-9 rad at ")
    )
    await expect(row(page, "big").locator(".peak")).to_have_text("9007199254740993 rad")


async def test_late_and_retracted_alarms_say_so(page: Page, craft: Craft):
    await craft.report(60, temp=20)
    await craft.report(40, temp=50)
    await craft.standing(1)
    await craft.report(50, volt=3)  # comes late, of a parameter that was not heard since
    await craft.request("config.set", {"parameters": {"temp": {"warnHigh": 45, "raise": {"samples": 2}}}})
    await craft.report(100, temp=99)
    await craft.report(99, temp=99)
    await craft.report(98, temp=9)
    await page.goto(f"{craft.link}&tab=history")
    await expect(page.locator("tr.alarm").filter(has_text="late").first).to_be_visible(timeout=15_000)


async def test_the_keyboard_alone_selects_acknowledges_and_opens(page: Page, craft: Craft):
    await craft.report(temp=50, volt=3, mode="SAFE")
    await craft.standing(3)
    await opened(page, craft, 3)
    for key in ("j", "x", "j", "x"):
        await page.keyboard.press(key)
    await expect(page.get_by_text("2 selected")).to_be_visible()
    await expect(row(page, "volt").get_by_role("link", name="volt")).to_be_focused()
    await page.keyboard.press("a")
    await expect(page.get_by_text("2 acknowledged.")).to_be_visible()
    await expect(row(page, "mode")).to_contain_text("Active, acknowledged")
    await page.keyboard.press("Escape")
    await expect(page.locator("section.actions")).to_be_hidden()
    await page.keyboard.press("j")
    await page.keyboard.press("a")  # nothing is selected: this one
    await expect(page.get_by_text("1 acknowledged.")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=craft.id)).to_be_visible()
    await page.go_back()
    await expect(page.locator("tr.alarm")).to_have_count(3)


async def test_single_keys_can_be_switched_off(page: Page, craft: Craft):
    await craft.report(temp=50)
    await craft.standing(1)
    await opened(page, craft, 1)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("acknowledge what is selected")
    await page.get_by_label("Single keys are on").uncheck()
    await page.get_by_role("button", name="Close").click()
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="temp", exact=True)).not_to_be_focused()
    await page.evaluate("localStorage.clear()")


async def test_five_hundred_are_acknowledged_at_once_and_a_long_list_says_that_it_is_cut(page: Page, client, service):
    names = [f"p{number:03}" for number in range(501)]
    craft = Craft(client, service, {"parameters": {name: {"critHigh": 1} for name in names}})
    await craft.configure()
    await craft.report(**dict.fromkeys(names, 2))
    await craft.standing(501)
    await opened(page, craft, 500)
    await expect(page.get_by_text("Showing 500 of 501.")).to_be_visible()
    await page.get_by_role("checkbox", name="Select all").check()
    await page.get_by_label("Comment").fill("Known: the bus was switched")
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_text("500 acknowledged.")).to_be_visible(timeout=20_000)
    await craft.standing(1, state="UNACKNOWLEDGED")
    await page.get_by_role("button", name="Close").click()
    known = page.locator("tr.alarm").filter(has_text="Known: the bus was switched")
    await expect(known).to_have_count(499)  # the list is in its new order: what waits comes first
    await page.get_by_role("link", name="Next 500").click()
    await expect(page.locator("tr.alarm")).to_have_count(1)
    await expect(page.locator("tr.alarm")).to_contain_text("Known: the bus was switched")
    await page.go_back()
    await expect(page.locator("tr.alarm")).to_have_count(500)


async def test_an_alarm_that_rose_under_the_cursor_is_not_acknowledged(page: Page, craft: Craft):
    await craft.report(1, temp=50)
    await craft.standing(1)
    await opened(page, craft, 1)
    await page.keyboard.press("j")
    await craft.report(temp=80)
    await expect(page.locator("tr.alarm .mark")).to_have_text("High")  # it is shown in place, and keeps the focus
    await page.keyboard.press("a")
    await expect(page.get_by_text("it rose from Medium to High since you chose it")).to_be_visible()
    await craft.standing(1, state="UNACKNOWLEDGED")
    await page.keyboard.press("a")  # it was looked at now
    await expect(page.get_by_text("1 acknowledged.")).to_be_visible()


async def test_the_second_of_two_operators_sees_who_was_first(page: Page, craft: Craft):
    await craft.report(temp=50)
    (alarm,) = await craft.standing(1)
    await opened(page, craft, 1)
    await page.get_by_role("checkbox", name="Select all").check()
    await craft.request("alarms.acknowledge", {"ids": [alarm["id"]], "by": "alice"})
    await expect(page.locator("tr.alarm")).to_contain_text("Acknowledged by alice")
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_text("alice had acknowledged it already.")).to_be_visible()


async def test_nothing_moves_and_nothing_is_lost_while_somebody_writes(page: Page, craft: Craft):
    await craft.report(temp=50)
    await craft.standing(1)
    await opened(page, craft, 1)
    await page.locator("[data-choice]").check()
    await page.get_by_label("Comment").press_sequentially("I am writ")
    before = await row(page, "temp").bounding_box()
    await craft.report(temp=51, mode="SAFE", volt=3)
    news = page.get_by_role("button", name="2 new, 2 of them High or Critical: show")
    await expect(news).to_be_visible()
    await expect(row(page, "temp")).to_contain_text("51 °C")
    await page.keyboard.type("ing")
    await expect(page.get_by_label("Comment")).to_have_value("I am writing")
    assert await row(page, "temp").bounding_box() == before
    await expect(page.locator("tr.alarm")).to_have_count(1)
    await news.click()
    await expect(page.locator("tr.alarm")).to_have_count(3)
    await expect(page.get_by_label("Comment")).to_have_value("I am writing")


async def test_rows_wait_under_the_pointer_and_go_on_when_it_leaves(page: Page, craft: Craft):
    await craft.report(temp=50)
    await craft.standing(1)
    await opened(page, craft, 1)
    await row(page, "temp").hover()
    await craft.report(temp=50, mode="SAFE")
    await expect(page.get_by_role("button", name="1 new, 1 of them High or Critical: show")).to_be_visible()
    await expect(page.locator("tr.alarm")).to_have_count(1)
    await page.mouse.move(2, 2)
    await expect(page.locator("tr.alarm")).to_have_count(2)


async def test_shelving_shows_what_it_hides_needs_a_reason_and_can_be_taken_back(page: Page, craft: Craft):
    await craft.report(temp=50, volt=3)
    await craft.standing(2)
    await opened(page, craft, 2)
    await row(page, "temp").get_by_role("link", name="temp").focus()
    await page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Shelve")
    await expect(dialog).to_contain_text("It would hide 1 of the alarms that stand now")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await dialog.get_by_role("button", name="Shelve").click()
    await expect(dialog).to_be_visible()  # a reason is required
    await craft.report(temp=51, mode="SAFE")
    await craft.standing(3)
    await dialog.get_by_label("What").select_option("the whole spacecraft")
    await expect(dialog).to_contain_text("It would hide 3 of the alarms that stand now")
    await dialog.get_by_role("combobox", name="For").select_option("8 h")
    await dialog.get_by_label("Reason").fill("Test on ground")
    assert not re.search("unlimited|for ever", await dialog.inner_text())
    await dialog.get_by_role("button", name="Shelve").click()
    await expect(page.get_by_text("it hides 3 now.")).to_be_visible()
    await page.mouse.move(2, 2)
    await page.get_by_role("link", name="Shelved", exact=True).click()
    shelf = page.get_by_role("row", name=craft.id)
    await expect(shelf).to_contain_text("Test on ground")
    await expect(shelf).to_contain_text("the whole spacecraft")
    await shelf.get_by_role("button", name="Unshelve").click()
    await expect(shelf).to_be_hidden()
    await craft.standing(3)


async def test_the_view_is_in_the_link(page: Page, craft: Craft, browser, service):
    await craft.report(temp=50, volt=3, mode="SAFE")
    await craft.standing(3)
    await opened(page, craft, 3)
    await page.get_by_label("Severity").select_option("High and above")
    await expect(page.locator("tr.alarm")).to_have_count(2)
    await page.get_by_label("Search").fill("mode")
    await expect(page.locator("tr.alarm")).to_have_count(1)
    address = page.url
    assert "severity=HIGH" in address
    assert "q=mode" in address
    await page.reload()
    await expect(page.locator("tr.alarm")).to_have_count(1)
    await expect(page.get_by_label("Search")).to_have_value("mode")
    await page.get_by_role("link", name="History", exact=True).click()
    await expect(page.get_by_label("From")).to_be_visible()
    await page.go_back()
    await expect(page.locator("tr.alarm")).to_have_count(1)
    other = await browser.new_page()
    await other.goto(f"{address}&state=NO_SUCH_STATE&colour=blue")  # an old link still opens
    await expect(other.locator("tr.alarm")).to_have_count(1)
    await other.close()


async def test_times_are_pasted_as_they_are_written_anywhere(page: Page, craft: Craft):
    await craft.report(temp=50)
    await craft.standing(1)
    await opened(page, craft, 1, tab="history")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    since = page.get_by_label("From")
    for text, count in (
        (f"{tomorrow:%Y-%j}T10:00:00Z", 1),  # it has not ended yet
        ("-2h", 1),
        (f"{tomorrow:%Y-%m-%d}T10:00:00Z", 1),
    ):
        await since.fill(text)
        await since.press("Enter")
        await expect(page).to_have_url(re.compile("from="))
        await expect(page.locator("tr.alarm")).to_have_count(count)
    await page.get_by_label("to", exact=True).fill("-1d")
    await page.get_by_label("to", exact=True).press("Enter")
    await expect(page.locator(".fault")).to_have_text("The time from which is after the time to which.")
    await since.fill("yesterday")
    await since.press("Enter")
    await expect(page.locator(".fault")).to_contain_text("Type a time as")


async def test_an_alarm_with_its_documents_its_plot_and_its_history(page: Page, craft: Craft, client):
    body = "Introduction.\n" * 60 + f"7.3 temp of {craft.id} above 70: switch the heater off.\n" + "More.\n" * 60
    handbook = {"id": "battery", "title": "Battery handbook", "body": body, "overwrite": True}
    await request(client, "missionops.docs.create", handbook)
    await request(client, "missionops.docs.create", {
        "title": f"Notes on {craft.id}", "body": "Volatile.", "spacecraftId": craft.id, "tags": ["temp"],
    })  # fmt: skip
    await craft.report(temp=75)
    await craft.standing(1)
    await opened(page, craft, 1)
    await page.get_by_role("link", name="temp", exact=True).click()
    await expect(page.get_by_role("heading", name=f"{craft.id} temp")).to_be_visible()
    await expect(page.get_by_text("Switch the heater off.", exact=False).first).to_be_visible()
    reader = page.get_by_role("article", name="Document")
    await expect(reader.locator("mark").first).to_be_in_viewport()  # the right page of the handbook
    await page.get_by_role("button", name=f"Notes on {craft.id} tagged temp").click()
    await expect(reader).to_contain_text("Volatile.")
    plot = page.get_by_role("link", name="Plot of temp")
    await expect(plot).to_have_attribute("href", re.compile(rf"#/sc/{craft.id}/plot\?p=temp&from=.*&to="))
    await page.get_by_label("Comment").fill("Looked at it")
    await page.get_by_role("button", name="Comment only").click()
    await expect(page.locator(".history")).to_contain_text("Looked at it")
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.locator(".history")).to_contain_text("Acknowledged by")
    await expect(reader).to_contain_text("Volatile.")  # what is read stays


async def test_hostile_names_and_values_are_text(page: Page, client, service):
    names = [HOSTILE, "x" * 256, "عربي"]
    craft = Craft(client, service, {"parameters": {name: {"states": {HOSTILE: "HIGH"}} for name in names}})
    await craft.configure()
    await craft.report(0, **dict.fromkeys(names, HOSTILE))
    alarms = await craft.standing(3)
    comment = {"id": alarms[0]["id"], "comment": HOSTILE, "by": HOSTILE}
    await craft.request("alarms.comment", comment)
    await opened(page, craft, 3)
    await expect(page.locator("tr.alarm").filter(has_text="evil").first).to_be_visible()
    assert await page.locator("img").count() == 0
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280
    for alarm in alarms:
        await page.goto(f"/#/alarms/{alarm['id']}")
        await expect(page.get_by_role("heading", name=craft.id)).to_be_visible()
        assert await page.locator("img").count() == 0


async def test_it_fits_small_screens_and_calms_down_when_asked_to(page: Page, craft: Craft):
    await craft.report(30, temp=50, volt=3, mode="SAFE", rate=1)
    await craft.report(29, temp=50, volt=4, mode="SAFE", rate=100)
    await craft.standing(4)
    await opened(page, craft, 4)
    symbol = page.locator(".flash .symbol").first
    assert await symbol.evaluate("each => getComputedStyle(each).animationName") == "waits"
    await page.emulate_media(reduced_motion="reduce")
    assert await symbol.evaluate("each => getComputedStyle(each).animationName") == "none"
    for width in (1024, 640, 390):  # 640 is 1,280 at 200 %
        await page.set_viewport_size({"width": width, "height": 800})
        await expect(page.locator("tr.alarm").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.emulate_media(forced_colors="active")
    await expect(page.locator("tr.alarm .symbol").first).to_be_visible()
