"""An operator at the gate's buttons: freezing for a time, promoting against evidence, rolling back, and conflicts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from streaming.settings.loading import Settings
from tests.browser import axe
from tests.conftest import eventually
from tests.integration.service.test_gate import command, decisions, serving, standing
from tests.support.processes.serving import Learner, Served, changed, learner, service, shop

OUTCOME = "#gate .outcome"


@pytest.fixture
def taught(settings: Settings) -> Iterator[Learner]:
    """A learner that has learned a small shop."""
    with learner(settings) as made:
        made.learn(shop())
        yield made


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    """A service in mode manual: `first` is served, and the newest version is shown to be worse."""
    first = taught.commit()
    with service(changed(settings, gate={"cooldown": 0.01})) as made:
        eventually(lambda: serving(made, first), timeout=60.0)
        command(made, "mode", mode="manual")
        taught.learn([("user-1", "item-1")])
        second = taught.commit(standing(first, -400.0))
        eventually(lambda: made.get("/gate").json()["head"] == second)
        yield made


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """The gate's view of that service."""
    context = browser.new_context(base_url=served.base, reduced_motion="reduce")
    made = context.new_page()
    made.set_default_timeout(30_000)
    made.goto("/#gate")
    expect(made.locator(".now")).to_have_text("manual")
    yield made
    context.close()


@pytest.fixture(params=["light", "dark"])
def bare(browser: Browser, served: Served, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The same at phone width, without the policy that would block axe."""
    context = browser.new_context(
        base_url=served.base, color_scheme=request.param, viewport={"width": 390, "height": 844}, bypass_csp=True
    )
    made = context.new_page()
    made.goto("/#gate")
    expect(made.locator(".now")).to_have_text("manual")
    yield made
    context.close()


def test_what_is_asked_before_forcing_and_freezing_has_no_violation(bare: Page) -> None:
    ask(bare, "Promote")
    bare.get_by_label("How long").select_option("until …")
    expect(bare.get_by_label("Promote it anyway")).to_be_visible()
    expect(bare.get_by_label("End of the freeze")).to_be_visible()
    assert axe.violations(bare) == []
    assert bare.evaluate("document.documentElement.scrollWidth <= innerWidth")


def ask(page: Page, button: str, reason: str = "a test") -> None:
    """Give a reason and press a button."""
    page.get_by_role("textbox", name="Reason").fill(reason)
    page.get_by_role("button", name=button, exact=True).click()


def test_a_promotion_against_the_evidence_is_refused_and_then_forced_and_rolled_back(
    page: Page, served: Served
) -> None:
    first, second = (served.get("/gate").json()[name] for name in ("serving", "head"))
    force = page.get_by_label("Promote it anyway")
    expect(force).to_be_hidden()
    ask(page, "Promote")
    expect(page.locator(OUTCOME)).to_have_text(re.compile("^hold: harm"))
    expect(page.locator("#force-note")).to_contain_text("The evidence is against the challenger: harm.")
    expect(page.get_by_role("textbox", name="Reason")).to_have_value("a test")
    force.check()
    ask(page, "Promote")
    expect(page.locator(OUTCOME)).to_have_text("promote: requested, forced, sound")
    eventually(lambda: serving(served, second))
    expect(force).to_be_hidden()
    expect(page.locator("#back-note")).to_contain_text(f"Roll back serves v{first.split('-')[0]} again")
    ask(page, "Roll back")
    expect(page.locator(OUTCOME)).to_have_text(re.compile("^rollback: requested"))
    eventually(lambda: serving(served, first))


def test_what_the_challenger_waits_for_is_said_with_the_command_that_would_promote_it(
    page: Page, served: Served
) -> None:
    first, second = (served.get("/gate").json()[name].split("-")[0] for name in ("serving", "head"))
    expect(page.locator("#gate .verdict")).to_have_text(re.compile(f"^v{second} waits$"))
    expect(page.locator("#gate .sentences li").first).to_have_text(
        re.compile("^The mode is manual, set by local: a test")
    )
    expect(page.locator("#gate .ways code")).to_have_text('sluicegate gate promote --force --reason "..."')
    page.get_by_label("Version", exact=True).fill(first)
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.locator("#gate .verdict")).to_have_text(re.compile(f"^v{first} is served "))
    expect(page.locator("#gate .ways li")).to_have_count(0)


def test_a_freeze_ends_when_the_operator_says(page: Page, served: Served) -> None:
    page.get_by_label("How long").select_option("for an hour")
    ask(page, "Freeze", "stock-taking")
    expect(page.locator(OUTCOME)).to_contain_text(re.compile(r"until \d\d:\d\d:\d\d"))
    expect(page.locator("#gate .facts")).to_contain_text("stock-taking")
    assert abs(served.get("/gate").json()["frozen_until"] - time.time() - 3600) < 60
    expect(page.get_by_label("How long")).to_be_hidden()
    ask(page, "Thaw")
    expect(page.locator(".now")).to_have_text("manual")
    page.get_by_label("How long").select_option("until …")
    end = page.get_by_label("End of the freeze")
    end.fill("2020-01-01T12:00")
    ask(page, "Freeze")
    expect(page.locator(OUTCOME)).to_have_text("That time has passed. Choose one in the future.")
    end.fill("2099-01-01T12:00")
    ask(page, "Freeze")
    expect(page.locator(OUTCOME)).to_contain_text("31536000")  # a year at most: the service says so, and what to do
    end.fill(page.evaluate("new Date(Date.now() + 3 * 86400000).toISOString().slice(0, 16)"))
    ask(page, "Freeze")
    expect(page.locator(".now")).to_have_text("frozen")
    assert 2 * 86_400 < served.get("/gate").json()["frozen_until"] - time.time() < 4 * 86_400


def test_a_change_by_somebody_else_is_shown_before_the_request_is_sent(browser: Browser, served: Served) -> None:
    context = browser.new_context(base_url=served.base, reduced_motion="reduce")
    page = context.new_page()
    page.route("**/stream", lambda route: route.abort())  # so that the page does not hear of it by itself
    page.goto("/#gate")
    expect(page.locator(".now")).to_have_text("manual")
    command(served, "freeze")
    ask(page, "Roll back")
    expect(page.locator(OUTCOME)).to_contain_text("Somebody changed the mode and the end of the freeze meanwhile")
    expect(page.locator(".now")).to_have_text("frozen")
    assert [entry.action for entry in decisions(served) if entry.action == "rollback"] == []
    ask(page, "Thaw")
    expect(page.locator(".now")).to_have_text("manual")
    context.close()
