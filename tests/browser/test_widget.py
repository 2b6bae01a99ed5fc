"""The made-up shop that the service shows, in a real Chromium: consent, goods, events, recommendations."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import axe
from tests.browser.stage import Stage

CARDS = "#shelf [data-item]"
PICKS = "#for-you [data-item]"


def agree(page: Page) -> None:
    """Open the shop and consent."""
    page.goto("/widget")
    page.get_by_role("button", name="Yes, show me").click()
    expect(page.locator(CARDS).first).to_be_visible()
    expect(page.locator(PICKS)).to_have_count(4)


def test_the_shop_sends_nothing_without_consent_and_follows_a_visitor_who_agrees(page: Page) -> None:
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto("/widget")
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.locator("#said")).to_have_text("Nothing is sent or kept.")
    expect(page.locator("#shelf")).to_contain_text("once you agree")
    assert (posts, page.evaluate("localStorage.length")) == ([], 0)
    agree(page)
    before = page.locator(PICKS).evaluate_all("all => all.map(card => card.dataset.item)")
    page.locator(CARDS).nth(9).get_by_role("link").click()
    expect(page.locator("#sent li").first).to_have_text(re.compile("^click: "))
    page.wait_for_function(
        "old => [...document.querySelectorAll('#for-you li')].some((card, at) => card.dataset.item !== old[at])",
        arg=before,
    )
    visitor = page.evaluate("localStorage['sg:visitor']")
    assert re.fullmatch("v-[0-9a-f]{32}", visitor)
    page.get_by_role("button", name="Become another visitor").click()
    page.wait_for_function("old => localStorage['sg:visitor'] && localStorage['sg:visitor'] !== old", arg=visitor)
    page.get_by_role("button", name="Withdraw consent").click()
    expect(page.get_by_role("heading", name="May we remember")).to_be_visible()
    assert page.evaluate("Object.keys(localStorage)") == ["agreed"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_shop_has_no_violation_and_fits_a_phone(browser: Browser, stage: Stage, width: int, scheme: str) -> None:
    context = browser.new_context(
        base_url=stage.address,
        viewport={"width": width, "height": 844},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
    )
    page = context.new_page()
    agree(page)
    assert axe.violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
