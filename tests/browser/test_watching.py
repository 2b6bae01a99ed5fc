"""The gate's view as somebody watches it: the time line, evidence on a scale, decisions with their numbers, and why."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.views import show
from tests.conftest import eventually

TIMELINE = "#gate .timeline svg"
VERDICT = "#gate .verdict"


def numbers(stage: Stage) -> dict[str, float]:
    """The numbers of the last decision."""
    found: dict[str, float] = stage.client.get("/gate")["numbers"]
    return found


def ask(page: Page, button: str, reason: str) -> None:
    """Give a reason and press a button of the gate."""
    page.get_by_role("textbox", name="Reason").fill(reason)
    page.get_by_role("button", name=button, exact=True).click()


def test_the_time_line_shows_what_is_served_and_what_an_operator_did(page: Page, stage: Stage) -> None:
    eventually(lambda: stage.client.get("/gate")["anchors"], timeout=60.0)  # it is past its first promotion
    show(page, "gate")
    drawing = page.locator(TIMELINE)
    expect(drawing).to_have_attribute("aria-label", re.compile(r"^The last .+: v\d+ is served"))
    assert page.locator(f"{TIMELINE} path.line.served").get_attribute("d")
    marks = page.locator(f"{TIMELINE} path.mark.mode")
    before = marks.count()
    ask(page, "Freeze", "a look at the time line")
    expect(page.locator(".now")).to_have_text("frozen")
    try:
        expect(marks).to_have_count(before + 1)
        expect(drawing).to_have_attribute("aria-label", re.compile(r"v\d+ is held: frozen"))
        expect(page.locator(f"{TIMELINE} rect.band.mode").last).to_have_class(re.compile("frozen"))
        table = page.locator("#gate details", has_text="The same as a table")
        table.locator("summary").focus()
        page.keyboard.press("Enter")
        newest = table.locator("tbody tr").first
        expect(newest).to_contain_text("frozen")
        expect(newest.locator("td").nth(2)).to_have_text(re.compile(r"^v\d+"))
        expect(newest.locator("td").nth(4)).to_have_text(re.compile(r"^v\d+(, v\d+)*$"))
        expect(page.locator(f"{TIMELINE} rect.band.anchor").last).to_be_visible()
    finally:
        ask(page, "Thaw", "seen")
        expect(page.locator(".now")).to_have_text("continuous")


def test_every_comparison_is_drawn_on_one_scale_with_zero_and_the_margin(page: Page, stage: Stage) -> None:
    show(page, "gate")
    names = {key.removesuffix("_hit_low") for key in numbers(stage) if re.fullmatch(r"[a-z]+\d*_hit_low", key)}
    assert names
    drawings = page.locator("#gate .evidence svg[role=img]")
    expect(drawings).to_have_count(len(names))
    zeros = page.locator("#gate .evidence line.zero").evaluate_all("all => all.map(line => line.x1.baseVal.value)")
    assert len(set(zeros)) == 1
    assert len(zeros) == len(names)
    margins = page.locator("#gate .evidence line.margin").evaluate_all("all => all.map(line => line.x1.baseVal.value)")
    assert all(at < zeros[0] for at in margins)
    assert len(margins) == len(names - {"learnt"})
    labels = page.locator("#gate .evidence .axis-labels text").all_text_contents()
    assert "0" in labels
    assert {"+" + label[1:] for label in labels if label.startswith("−")} == {
        label for label in labels if label.startswith("+")
    }


def test_a_decision_opens_by_keyboard_to_its_numbers_and_to_its_explanation(page: Page) -> None:
    show(page, "gate")
    expect(page.locator(VERDICT)).to_have_text(re.compile(r"^v\d+ (is served|waits)"))
    first = page.locator("#gate .decisions details").last
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    explain = first.get_by_role("button", name=re.compile(r"^Explain v\d+$"))
    version = (explain.text_content() or "").removeprefix("Explain ")
    explain.press("Enter")
    expect(page.locator(VERDICT)).to_have_text(re.compile(rf"^{version} "))
    expect(page.locator("#gate .sentences li").first).to_be_visible()
    expect(page.get_by_label("Version", exact=True)).to_be_focused()


def test_a_version_that_is_not_known_is_said_to_be_so(page: Page, refusals: None) -> None:
    show(page, "gate")
    page.get_by_label("Version", exact=True).fill("999999")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.locator(VERDICT)).to_have_text(re.compile(r"^There is no version 999999 yet: the newest one is \d+-"))
