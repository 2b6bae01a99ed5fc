"""Opens a view of the page and waits until everything is there."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

VIEWS = ("overview", "shop", "learning", "gate", "experiments", "data", "lookup")
TABS = {
    "overview": "Overview",
    "shop": "Shop",
    "learning": "Learning",
    "gate": "Gate",
    "experiments": "Experiments",
    "data": "Data",
    "lookup": "Look up",
}


EXPERIMENT = {
    "name": "variety",
    "minimum_days": 0,
    "arm": [{"name": "plain", "share": 0.5}, {"name": "varied", "share": 0.5, "diversity": 0.01}],
    "reason": "do people click more when lists are varied?",
}
"""An experiment that changes next to nothing, so that other tests do not notice it."""


def experiment(page: Page) -> None:
    """Let an experiment run, if none does."""
    assert page.request.post("/experiments", data=EXPERIMENT).status in {201, 409}


def show(page: Page, view: str) -> None:
    """Open a view and wait for what it shows."""
    if view == "experiments":
        experiment(page)
    page.get_by_role("tab", name=TABS[view]).click()
    if view == "overview":
        expect(page.locator("#overview .plot canvas")).to_have_count(3)
        expect(page.locator("#overview .timeline svg")).to_be_visible()
        expect(page.locator("#overview article .skeleton")).to_have_count(0)
    elif view == "shop":
        expect(page.locator("#shop .card:not(.skeleton)").first).to_be_visible()
        expect(page.locator("#shop .pick").first).to_be_visible()
    elif view == "learning":
        expect(page.locator("#learning .plot canvas")).to_be_visible()
    elif view == "gate":
        expect(page.locator("#gate .comparison").first).to_be_visible()
        expect(page.locator("#gate .decisions li").first).to_be_visible()
        expect(page.locator("#gate .timeline svg")).to_be_visible()
        expect(page.locator("#gate .verdict")).not_to_have_text("…")
    elif view == "experiments":
        expect(page.locator("#experiments article").first).to_be_visible()
    elif view == "data":
        expect(page.locator("#data .counts tbody th").first).to_be_visible()
        expect(page.locator("#data .bars progress").first).to_be_visible()
        expect(page.locator("#trial-mapping option").first).to_be_attached()
    else:
        page.get_by_role("button", name="Look up user").click()
        expect(page.locator("#lookup .pick").first).to_be_visible()


def do(page: Page, verb: str, place: int) -> None:
    """Do something with an item of the shelf and wait until it has arrived."""
    button = page.locator("#shop .card:not(.skeleton)").nth(place).get_by_role("button", name=re.compile(f"^{verb}"))
    button.click()
    expect(page.locator(".arrival")).to_contain_text(re.compile(r"took \d+ ms to arrive"))
