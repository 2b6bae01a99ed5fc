"""Takes docs/images/page-VIEW-WIDTH.png: `python -m tests.browser.screenshots [FOLDER]`."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.stage import staged
from tests.browser.views import VIEWS, do, experiment, show
from tests.conftest import eventually

SIZES = {"wide": (1280, 860, "light"), "phone": (390, 844, "dark")}
HOLDOUT = 0.05
WATCHED = 45_000
"""Milliseconds of curves before the pictures."""
VISITS, CLICKS = 2_000, {"plain": 2, "varied": 5}
"""Slates of the experiment in the pictures, and how many in ten are clicked on in each arm."""
ATTRIBUTES = {"plan": "pro", "orders": 12}
"""What the shop says of the visitor in the pictures."""


def shoot(browser: Browser, address: str, folder: Path) -> None:
    """Take every view at both sizes."""
    for name, (width, height, scheme) in SIZES.items():
        context = browser.new_context(
            base_url=address,
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto("/#shop")
        expect(page.locator("#link")).to_have_text("Live")
        for place, verb in enumerate(("Look at", "Favourite", "Buy")):
            do(page, verb, 2 * place)
        describe(page, page.evaluate("sessionStorage.getItem('visitor')"))
        for view in VIEWS:
            show(page, view)
            expect(page.locator("#data")).not_to_contain_text("counting", timeout=WATCHED)
            page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
            page.mouse.move(0, 0)
            page.screenshot(path=folder / f"page-{view}-{name}.png", full_page=view == "overview")
        context.close()


def describe(page: Page, user: str) -> None:
    """Attributes of a user, once they are in force."""
    page.request.put(f"/users/{user}", data={"attributes": ATTRIBUTES})
    eventually(lambda: page.request.get(f"/users/{user}").json()["attributes"] == ATTRIBUTES)


def visit(page: Page, user: str, number: int) -> None:
    """A slate for a user, and now and then a click on it, more often in one arm of the experiment."""
    slate = page.request.get(f"/recommend/{user}?n=4").json()
    arm = slate["experiments"].get("variety", "plain")  # users of the holdout are in nothing else
    if 10 * random.Random(number).random() < CLICKS[arm]:
        event = {"event_type": "click", "user_id": user, "item_id": slate["items"][0]["item_id"]}
        page.request.post("/events", data=event | {"request_id": slate["request_id"]})


def main(folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with staged(holdout=HOLDOUT) as stage, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=stage.address)
        page.goto("/")
        experiment(page)
        page.wait_for_timeout(WATCHED)
        for number in range(VISITS):
            visit(page, f"visitor-{number % (VISITS // 5)}", number)
        shoot(browser, stage.address, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).resolve().parents[2] / "docs/images")
