"""The view of data in a real Chromium: counts that grow, a refused record that is found and sent again, a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import axe
from tests.browser.stage import Stage
from tests.conftest import eventually

PROCESS = 75_000
"""Milliseconds to wait for what the service has a process of its own for, which it gives up after 60 s."""


def refuse(stage: Stage, count: int = 1) -> None:
    """Send records that are no events, and wait until a version says so."""
    before = (stage.client.get("/data")["counts"] or {}).get("refused", {}).get("unknown_type", 0)
    for _ in range(count):
        record = b'{"event_type":"eaten","user_id":"ann","item_id":"tea","timestamp":1569888000}'
        stage.producer.send("events", "ann", record).wait(10.0)
    eventually(
        lambda: stage.client.get("/data")["counts"]["refused"].get("unknown_type", 0) >= before + count, timeout=30.0
    )


def test_what_came_in_is_counted_and_a_refused_record_is_shown_and_sent_again(page: Page, stage: Stage) -> None:
    refuse(stage)
    page.get_by_role("tab", name="Data").click()
    learned = page.get_by_role("row", name=re.compile("^learned"))
    before = learned.inner_text()
    expect(page.locator("#data tbody").last.get_by_role("rowheader", name="purchase")).to_be_visible()
    expect(page.locator("#data .bars")).to_contain_text(["an event type that is not known", "have a title"])
    page.request.post("/events", data={"event_type": "click", "user_id": 7, "item_id": "tea"})
    sample = page.locator("#data .samples li", has_text="$.user_id")
    expect(sample).to_contain_text("found integer 7", timeout=PROCESS)
    page.get_by_role("button", name="Show the newest").click()
    letter = page.locator("#data .letters li").first
    expect(letter).to_contain_text("an event type that is not known at $.event_type", timeout=PROCESS)
    letter.get_by_text("What it held").click()
    expect(letter.locator("pre")).to_contain_text('"event_type":"eaten"')
    page.get_by_role("button", name="Count what can be sent again").click()
    send = page.get_by_role("button", name=re.compile(r"^Send \d+ again"))
    expect(send).to_be_visible(timeout=PROCESS)
    send.click()
    expect(page.locator("#data .outcome")).to_have_text(re.compile(r"^Sent \d+ again\."), timeout=PROCESS)
    expect(learned).not_to_have_text(before, timeout=30_000)


def test_a_mapping_is_tried_on_what_is_pasted(page: Page) -> None:
    page.goto("/#data")
    page.get_by_role("button", name="Use a sample").click()
    tried = page.locator("#data .tried")
    expect(tried).to_contain_text("1 event, 0 ignored, 0 refused.")
    expect(tried.locator(".outcome-event")).to_contain_text("item_id")
    page.get_by_role("textbox", name="Records").fill(
        '{"event_type": "view", "event_time": "yesterday", "product_id": 7, "user_id": 9}'
    )
    page.get_by_role("button", name="Try", exact=True).click()
    expect(tried.locator(".outcome-refused")).to_contain_text("bad timestamp at $.event_time")


@pytest.fixture(params=[(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")], ids=str)
def bare(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page at a width and in a scheme, without the policy that would block axe."""
    width, scheme = request.param
    context = browser.new_context(
        base_url=stage.address,
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=True,
    )
    made = context.new_page()
    made.set_default_timeout(30_000)
    yield made
    context.close()


def test_what_opens_when_looking_up_and_trying_has_no_violation(bare: Page) -> None:
    def sound() -> None:
        assert axe.violations(bare) == []
        assert bare.evaluate("document.documentElement.scrollWidth <= innerWidth")

    bare.goto("/#data")
    bare.get_by_role("button", name="Use a sample").click()
    expect(bare.locator("#data .outcome-event")).to_be_visible()
    sound()
    bare.goto("/#lookup")
    bare.get_by_role("combobox", name="Item").press_sequentially("a")
    expect(bare.get_by_role("option").first).to_be_visible()
    sound()
    bare.keyboard.press("Escape")
    bare.get_by_role("button", name="Try options").click()
    expect(bare.locator("#lookup .options")).to_be_visible()
    sound()
    bare.get_by_role("button", name="Compare two ways").click()
    expect(bare.locator("#lookup .both .pick").first).to_be_visible()
    sound()
