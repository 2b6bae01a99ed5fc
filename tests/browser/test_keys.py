"""A service that wants keys, and the page that asks for one: used, refused, declined, and never kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from service.http.auth import digest
from streaming.settings.loading import Settings
from tests.support.processes.serving import Served, changed, service


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Served]:
    """A service that lets nobody in without a key."""
    with service(changed(settings, service={"keys": (f"admin:{digest('open-sesame')}",)}), trusted=False) as made:
        yield made


@pytest.fixture
def page(browser: Browser, guarded: Served) -> Iterator[Page]:
    """The live page of that service."""
    context = browser.new_context(base_url=guarded.base, reduced_motion="reduce")
    made = context.new_page()
    made.set_default_timeout(30_000)
    made.goto("/")
    yield made
    context.close()


def test_the_page_asks_for_a_key_and_keeps_it_in_memory_only(page: Page) -> None:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("needs a key with role read")
    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog.get_by_label("Key")).to_have_value("")
    dialog.get_by_label("Key").fill("open-sesame")
    page.keyboard.press("Enter")
    expect(page.locator("#link")).to_have_text("Live")
    expect(dialog).not_to_be_visible()
    kept = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"
    assert "sesame" not in page.evaluate(kept)
    page.reload()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_declined_dialog_stays_closed_until_the_user_acts(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#link")).to_have_text("A key is needed")
    page.wait_for_timeout(2_500)  # the stream has tried again by then
    expect(page.get_by_role("dialog")).not_to_be_visible()
    refused = page.get_by_role("article", name="Does it bring revenue?")
    expect(refused.locator(".status")).to_have_text("not allowed")
    expect(refused.get_by_role("button", name="Enter a key")).to_be_visible()
    page.get_by_role("tab", name="Look up").click()
    page.get_by_role("button", name="Look up user").click()
    page.get_by_role("dialog").get_by_label("Key").fill("open-sesame")
    page.keyboard.press("Enter")
    expect(page.locator("#link")).to_have_text("Live", timeout=30_000)


def test_refused_records_are_shown_to_the_role_admin_only(browser: Browser, settings: Settings) -> None:
    with service(changed(settings, service={"keys": (f"admin:{digest('open-sesame')}",)})) as served:
        context = browser.new_context(base_url=served.base, reduced_motion="reduce")
        page = context.new_page()
        page.goto("/#data")
        expect(page.locator("#data .bars").first).to_contain_text("No counts yet")
        expect(page.locator("#data")).to_contain_text("No version yet")
        page.get_by_role("button", name="Show the newest").click()
        expect(page.get_by_role("dialog")).to_contain_text("role admin")
        page.keyboard.press("Escape")
        expect(page.locator("#data .outcome")).to_contain_text("shown to the role admin only")
        context.close()


def test_only_the_gates_buttons_ask_for_a_key_where_only_admin_has_one(browser: Browser, settings: Settings) -> None:
    with service(changed(settings, service={"keys": (f"admin:{digest('open-sesame')}",)})) as served:
        context = browser.new_context(base_url=served.base, reduced_motion="reduce")
        page = context.new_page()
        page.goto("/#gate")
        expect(page.locator(".now")).to_have_text("continuous")
        page.get_by_role("textbox", name="Reason").fill("sale day")
        page.get_by_role("button", name="Freeze").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("role admin")
        page.keyboard.press("Escape")
        expect(page.locator("#gate .outcome")).to_contain_text("needs a key with role admin")
        page.get_by_role("button", name="Freeze").click()
        dialog.get_by_label("Key").fill("open-sesame")
        page.keyboard.press("Enter")
        expect(page.locator(".now")).to_have_text("frozen", timeout=30_000)
        context.close()
