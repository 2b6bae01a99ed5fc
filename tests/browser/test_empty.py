"""A service to which nothing was sent: every view says what is missing, and none is broken or wider than a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from streaming.settings.loading import Settings
from tests.browser import axe
from tests.browser.views import TABS
from tests.support.processes.serving import service

SAID = {
    "overview": "Nothing is learned yet",
    "shop": "Nothing to recommend yet: no item is known.",
    "learning": "The first version comes a second after the first event.",
    "gate": "Too few events are tested yet.",
    "experiments": "There is no experiment.",
    "data": "No version yet: nothing was learned so far.",
    "lookup": "Look up a user to see what they get and why",
}


@pytest.mark.timeout(300)
def test_every_view_of_an_empty_service_says_what_is_missing(browser: Browser, settings: Settings) -> None:
    assert SAID.keys() == TABS.keys()
    with service(settings) as served:
        context = browser.new_context(
            base_url=served.base,
            viewport={"width": 390, "height": 844},
            color_scheme="dark",
            reduced_motion="reduce",
            bypass_csp=True,  # it would block axe
        )
        page = context.new_page()
        page.set_default_timeout(120_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        expect(page.locator("#link")).to_have_text("Live", timeout=60_000)
        for view, words in SAID.items():
            page.get_by_role("tab", name=TABS[view]).click()
            expect(page.locator(f"#{view}")).to_contain_text(words, timeout=60_000)
            assert axe.violations(page) == [], view
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
        page.get_by_role("button", name="Look up user").click()
        expect(page.locator("#lookup")).to_contain_text("Nothing can be recommended yet: no item is known.")
        expect(page.locator("#lookup")).to_contain_text("This user has no history")
        assert complaints == []
        context.close()
