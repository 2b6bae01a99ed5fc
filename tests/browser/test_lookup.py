"""Looking up on the live page: searches by keyboard, options of a slate with their command, two slates compared."""

from __future__ import annotations

import re
import shlex

from playwright.sync_api import Locator, Page, expect

from tests.browser.stage import PICTURE, Stage
from tests.conftest import eventually

KETTLE = "kettle-of-the-test"


def described(page: Page, stage: Stage) -> None:
    """An item with a title that no other has, and a picture; then the view."""
    stage.describe(KETTLE, title="Whistling kettle", category="Kettles of the test", price=20.0, image_url=PICTURE)
    stage.describe(f"{KETTLE}-2", title="Whistle", category="Kettles of the test")
    eventually(lambda: len(stage.client.get("/items?q=whistl")["items"]) == 2)
    page.goto("/#lookup")


def test_items_are_found_while_typing_and_chosen_by_keyboard(page: Page, stage: Stage) -> None:
    described(page, stage)
    field = page.get_by_role("combobox", name="Item")
    field.press_sequentially("whistl")
    options = page.get_by_role("option")
    expect(options).to_have_count(2)
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(searching(page, "Item").get_by_role("status")).to_have_text("2 items found.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(field).to_have_value("whistl")
    page.keyboard.press("ArrowDown")
    expect(options).to_have_count(2)
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", "item-0")
    expect(options.first).to_contain_text("Whistling kettle")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Whistling kettle")).to_be_visible()
    expect(field).to_have_value(KETTLE)
    expect(page.locator("#lookup .picture.large img")).to_have_attribute("src", PICTURE)
    field.fill("no such thing anywhere")
    expect(searching(page, "Item")).to_contain_text("No title or id has “no such thing anywhere”.")


def searching(page: Page, field: str) -> Locator:
    """What belongs to a field that offers what one types."""
    return page.locator("#lookup .search").filter(has=page.get_by_role("combobox", name=field))


def test_users_are_found_while_typing_and_one_who_is_erased_is_not(page: Page, stage: Stage) -> None:
    users = ["typed:2", "typed:<b>3</b>", *(f"typed:many-{number}" for number in range(9))]
    for user in users:
        event = {"event_type": "click", "user_id": user, "item_id": KETTLE}
        assert page.request.post("/events", data=event).status == 202
    eventually(lambda: len(stage.client.get("/users?q=typed:")["users"]) == len(users))
    page.goto("/#lookup")
    field, offers = page.get_by_role("combobox", name="User"), page.get_by_role("option")
    field.fill("")
    field.press_sequentially("typed:")
    expect(offers).to_have_count(8)
    told = searching(page, "User")
    expect(told.get_by_role("status")).to_have_text("8 users found. There are more: type more of the id.")
    expect(offers.first).to_contain_text("last event")
    expect(offers.nth(1).locator(".name")).to_have_text("typed:<b>3</b>")
    field.press_sequentially("2")
    expect(offers).to_have_count(1)
    expect(told.get_by_role("status")).to_have_text("1 user found.")
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "user-0")
    page.keyboard.press("Enter")
    expect(field).to_have_value("typed:2")
    expect(page.get_by_role("heading", name="Recommended to typed:2, and why")).to_be_visible()
    expect(page.locator("#lookup .done li")).to_have_count(1)
    assert page.request.delete("/users/typed:2").status == 202
    eventually(lambda: not stage.client.get("/users?q=typed:2")["users"])
    field.fill("typed:2")
    expect(told).to_contain_text("No user’s id begins with “typed:2”.")


def test_every_parameter_can_be_tried_and_the_command_says_the_same(page: Page, stage: Stage) -> None:
    described(page, stage)
    page.get_by_role("button", name="Try options").click()
    described_ones = [
        each["name"]
        for each in stage.client.get("/openapi.json")["paths"]["/recommend/{user_id}"]["get"]["parameters"]
        if each["in"] == "query"
    ]
    fields = page.locator("#lookup .options [name]")
    expect(fields.first).to_be_attached()
    assert sorted(fields.evaluate_all("all => all.map(field => field.name)")) == sorted(described_ones)
    picks = page.locator("#lookup .pick")
    expect(picks).to_have_count(8)
    page.locator("#option-n").fill("3")
    page.locator("#option-category").fill("Kettles of the test")
    page.locator("#option-exclude").fill(f"{KETTLE}-2\nnothing's here")
    expect(picks).to_have_count(1)
    expect(picks.first).to_contain_text("Whistling kettle")
    expect(picks.first.locator(".mark")).to_have_text("◆ new")
    command = page.locator("#lookup .command code").inner_text()
    assert re.fullmatch(r"curl -s 'http://[^']+/recommend/visitor-[^']+'", command)
    assert [item["item_id"] for item in page.request.get(shlex.split(command)[-1]).json()["items"]] == [KETTLE]


def test_an_option_that_does_not_fit_is_explained(page: Page, stage: Stage, refusals: None) -> None:
    page.goto("/#lookup")
    page.get_by_role("button", name="Try options").click()
    page.locator("#option-filter").fill("stock is large")
    expect(page.locator("#lookup [role=alert]")).to_contain_text("query.filter[0]")
    page.get_by_role("button", name="Without options").click()
    expect(page.locator("#lookup [role=alert]")).to_be_empty()


def test_two_slates_are_compared_and_what_differs_is_said_in_words(page: Page) -> None:
    page.goto("/#lookup")
    page.get_by_role("button", name="Compare two ways").click()
    one = page.get_by_role("region", name="What is served")
    other = page.get_by_role("region", name="Popularity", exact=True)
    expect(one.locator(".pick")).to_have_count(8)
    expect(other.locator(".pick")).to_have_count(8)
    marks = page.locator("#lookup .both .mark").all_inner_texts()
    assert len(marks) == 16
    assert all(re.fullmatch(r"◆ only here|= same place|[▲▼] \d (higher|lower)", text) for text in marks), marks
    same = page.locator("#lookup .summary")
    expect(same).to_have_text(f"{8 - sum(text == '◆ only here' for text in marks) // 2} of 8 items are the same.")
    page.get_by_label("The other").select_option("What is served")
    expect(same).to_have_text("8 of 8 items are the same.")
