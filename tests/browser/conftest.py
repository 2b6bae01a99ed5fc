"""Fixtures: a running stack, a real Chromium, and pages that fail a test when the console has complaints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shutil import which

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.stage import Stage, staged
from tests.conftest import eventually

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")

REFUSED = re.compile(r"Failed to load resource: (net::ERR_|the server responded with a status of)")
"""What Chromium logs for an answer that is an error or did not come; the page itself tells the user."""
NOTHING = re.compile(r"(?!)")
PATIENCE = 30_000
"""Milliseconds that a page may take to show what is expected; two of them are open on two cores."""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip when there is no Chromium."""
    if CHROMIUM is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="no Chromium on this machine: apt-get install chromium"))


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """One stack for the whole run."""
    with staged() as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the whole run."""
    assert CHROMIUM is not None
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def refusals() -> None:
    """For tests in which requests are refused: Chromium logs a line for each, which is no defect."""


@pytest.fixture
def page(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The live page, opened by a new visitor. Fails the test at its end when the console has complaints."""
    complaints: list[str] = []
    context = browser.new_context(base_url=stage.address, reduced_motion="reduce")
    made = context.new_page()
    made.set_default_timeout(PATIENCE)
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    # A test before may have started the service again: its page would tell that there is no version yet.
    eventually(lambda: made.request.get("/readyz").ok, timeout=60.0)
    made.goto("/#shop")
    yield made
    context.close()
    refused = REFUSED if "refusals" in request.fixturenames else NOTHING
    assert [text for text in complaints if not refused.match(text)] == []
