"""Every view at phone and desk width, in light and dark: no violation that axe finds, nothing wider than the screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import axe
from tests.browser.stage import Stage
from tests.browser.views import VIEWS, show


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """The colours a visitor prefers."""
    return str(request.param)


@pytest.fixture(params=[390, 1280])
def page(request: pytest.FixtureRequest, browser: Browser, stage: Stage, scheme: str) -> Iterator[Page]:
    """The live page, without its content security policy, which would block axe."""
    context = browser.new_context(
        base_url=stage.address,
        viewport={"width": request.param, "height": 844},
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=True,
    )
    made = context.new_page()
    made.set_default_timeout(30_000)
    made.goto("/")
    expect(made.locator("#link")).to_have_text("Live")
    yield made
    context.close()


@pytest.mark.timeout(180)
def test_no_view_has_a_violation_or_is_wider_than_the_screen(page: Page) -> None:
    for view in VIEWS:
        show(page, view)
        assert axe.violations(page) == [], view
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_what_opens_in_the_view_of_the_gate_has_no_violation(page: Page) -> None:
    show(page, "gate")
    page.evaluate("document.querySelectorAll('#gate details').forEach((details) => { details.open = true; })")
    expect(page.locator("#gate details[open] > .taken").first).not_to_be_empty()  # a newer decision comes closed
    expect(page.locator("#gate tbody tr").first).to_be_visible()
    assert axe.violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_dialog_for_a_key_has_no_violation(page: Page) -> None:
    page.evaluate("import('/static/page/api.js').then(api => { api.askForKey('This path needs a key.') })")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert axe.violations(page) == []
