"""The script for shops' pages in a real Chromium, on pages of another origin, against a real service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from models.records.attributes import Attributes
from models.records.items import ItemFacts
from service.http.auth import digest
from service.ingest.proofs import proof_of
from service.local.embedded import free_port
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.browser.stage import HOSTILE
from tests.conftest import eventually
from tests.integration.commands.test_documents import ROOT, fences
from tests.integration.service.test_http import in_topic
from tests.support.processes.serving import Served, changed, connected, learner, service, shop
from tests.support.streams.shop_page import ShopPages, shop_pages

SECRET = "0123456789abcdef0123456789abcdef"
CARD = """<ul id="for-you"><template><li><a href="{{url}}" title="{{title}}" onclick="{{title}}">
<b>{{title|item_id}}</b><i style="{{title}}">{{price}}</i><img alt="" src="/pictures/{{item_id}}.png"></a></li>
</template><li>Best sellers</li></ul>"""

CALLED = re.compile(r"\bshop\.(\w+)\(")


def page_of(base: str, more: str = "", consent: str = "true") -> str:
    """A page of the shop."""
    made = f'sluicegate({{ key: "beacon", consent: {consent} }})'
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<script src="{base}/static/sluicegate.js"></script>{CARD}<script>const shop = {made};{more}</script></html>"""


@dataclass
class Stall:
    """A shop's page in Chromium, and the service behind it."""

    page: Page
    pages: ShopPages
    settings: Settings
    served: Served
    requests: list[str]

    def open(self, more: str = "", consent: str = "true") -> None:
        """Open a page that runs `more`."""
        self.pages.pages["/"] = page_of(self.served.base, more, consent)
        self.page.goto(f"{self.pages.origin}/")

    def events(self, count: int) -> list[dict[str, Any]]:
        """The events in the topic, of which there are `count` different ones; each arrived at least once."""
        found: dict[str, dict[str, Any]] = {}

        def enough() -> bool:
            values = in_topic(self.settings, "events", max(count, len(found)))
            found.update((event["event_id"], event) for event in (json.loads(value or b"{}") for _, value in values))
            return len(found) >= count

        eventually(enough)
        assert len(found) == count
        return list(found.values())

    def waiting(self) -> int:
        """Events that the browser holds."""
        held = self.page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('sg:event:')).length")
        return int(held)


@pytest.fixture
def opened(settings: Settings, tmp_path: Path) -> Iterator[tuple[Settings, ShopPages]]:
    """Settings of a service that takes what the pages of a shop send, and the shop."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    ensure_topics(settings)
    with shop_pages() as pages:
        yield (
            changed(
                settings,
                service={
                    "keys": tuple(f"{role}:{digest(role)}" for role in ("read", "beacon")),
                    "beacon_origins": (pages.origin,),
                    "beacon_recommend": True,
                    "beacon_client_rate": 100.0,
                    "identify_secret_file": secret,
                },
            ),
            pages,
        )


@pytest.fixture
def stall(opened: tuple[Settings, ShopPages], browser: Browser) -> Iterator[Stall]:
    """The shop, with a browser that has not been there before."""
    settings, pages = opened
    context = browser.new_context()
    page = context.new_page()
    requests: list[str] = []
    with connected(settings, trusted=False) as served:
        base = served.base
        page.on("request", lambda request: requests.append(request.url) if request.url.startswith(base) else None)
        yield Stall(page, pages, settings, served, requests)
        context.close()


def test_events_of_a_page_reach_the_topic_once_and_one_visitor_did_them(stall: Stall) -> None:
    stall.open('shop.track("click", "tea"); shop.track("search", null, { query: "green" });')
    eventually(lambda: stall.waiting() == 0)
    # What happens as the page is left goes out too, and once more from the next page, with the same id.
    stall.page.evaluate("shop.track('cart', 'tea', { quantity: 2 })")
    stall.open()
    eventually(lambda: stall.waiting() == 0)
    found = stall.events(3)
    assert sorted((event["event_type"], event.get("item_id"), event.get("query")) for event in found) == [
        ("cart", "tea", None),
        ("click", "tea", None),
        ("search", None, "green"),
    ]
    (visitor,) = {event["user_id"] for event in found}
    assert visitor == stall.page.evaluate("shop.visitor()")


def test_without_consent_nothing_is_sent_or_kept_and_a_refusal_forgets(stall: Stall) -> None:
    said = "shop.track('click', 'tea'); shop.identify('ann'); shop.render(document.querySelector('#for-you'));"
    stall.page.clock.install()
    stall.open(said, consent="undefined")
    stall.page.clock.run_for(120_000)
    assert stall.requests == [f"{stall.served.base}/static/sluicegate.js"]
    assert stall.page.evaluate("[localStorage.length, shop.track('click', 'tea'), shop.visitor()]") == [0, False, None]
    expect(stall.page.locator("#for-you")).to_have_text("Best sellers")
    stall.page.evaluate("shop.consent(true); shop.track('click', 'tea')")
    eventually(lambda: stall.waiting() == 0)
    assert len(stall.events(1)) == 1
    stall.page.evaluate("shop.track('click', 'pot'); shop.consent(false)")
    assert stall.page.evaluate("localStorage.length") == 0
    sent = len(stall.requests)
    stall.open(consent="false")
    assert len(stall.requests) == sent + 1, "the script itself"


def test_nothing_is_lost_while_the_service_is_away_and_the_oldest_go_beyond_the_bound(
    opened: tuple[Settings, ShopPages], browser: Browser
) -> None:
    settings, pages = opened
    settings = changed(settings, service={"port": free_port()})
    context = browser.new_context()
    page = context.new_page()
    with service(settings, trusted=False, port=settings.service.port) as served:
        stall = Stall(page, pages, settings, served, [])
        stall.open()
    with page.expect_console_message(lambda message: "beacon_origins" in message.text):
        page.evaluate("for (let number = 0; number < 40; number++) shop.track('click', `item-${number}`)")
    assert stall.waiting() == 40
    with connected(settings, trusted=False, port=settings.service.port):
        page.evaluate("dispatchEvent(new Event('online'))")
        eventually(lambda: stall.waiting() == 0)
        found = stall.events(40)
    assert {event["item_id"] for event in found} == {f"item-{number}" for number in range(40)}
    page.evaluate("for (let number = 0; number < 230; number++) shop.track('click', `late-${number}`)")
    assert stall.waiting() == 200
    kept = page.evaluate(
        "Object.keys(localStorage).filter((n) => n.startsWith('sg:event')).map((n) => localStorage[n])"
    )
    assert "late-229" in {json.loads(value)["item_id"] for value in kept}
    context.close()


def test_a_slate_is_rendered_as_text_and_what_follows_carries_its_id(
    opened: tuple[Settings, ShopPages], browser: Browser
) -> None:
    settings, pages = opened
    with learner(settings) as taught:
        taught.learn(shop())
        facts = {f"item-{number}": ItemFacts(title=f"Tea {number}", price=2.5) for number in range(30)}
        taught.describe({
            **facts,
            "item-0": ItemFacts(title=HOSTILE, attributes=Attributes(b'{"url":"javascript:document.title=1"}')),
            "item-1": ItemFacts(title="One", attributes=Attributes(b'{"url":"/one?a=1&b=2"}')),
        })
        version = taught.commit()
        context = browser.new_context()
        page = context.new_page()
        with connected(settings, trusted=False) as served:
            ready = {"X-API-Key": "read"}
            eventually(lambda: served.get("/readyz", headers=ready).json()["version"] == version, timeout=60.0)
            eventually(lambda: served.get("/items/item-0", headers=ready).json().get("title"))
            stall = Stall(page, pages, settings, served, [])
            options = '{ candidates: ["item-0", "item-1", "item-2"], attributes: ["url"] }'
            stall.open(f'window.done = shop.render(document.querySelector("#for-you"), {options});')
            slate = page.evaluate("window.done")
            expect(page.locator("#for-you > li")).to_have_count(3)
            hostile = page.locator('[data-item="item-0"]')
            expect(hostile.locator("b")).to_have_text(HOSTILE)
            assert hostile.locator("a").evaluate("a => a.getAttributeNames().sort()") == ["title"]
            assert hostile.locator("i").get_attribute("style") is None
            assert page.locator('[data-item="item-1"] a').get_attribute("href") == "/one?a=1&b=2"
            assert page.locator('[data-item="item-2"] a').get_attribute("href") is None
            assert page.locator('[data-item="item-2"] img').get_attribute("src") == "/pictures/item-2.png"
            assert page.title() == "Shop"
            eventually(lambda: stall.waiting() == 0)
            page.locator('[data-item="item-2"] b').click()
            stall.open('shop.track("click", "item-2"); shop.track("cart", "item-9")')
            eventually(lambda: stall.waiting() == 0)
            found = stall.events(5)
        context.close()
    by = {(event["event_type"], event["item_id"]): event.get("request_id") for event in found}
    assert by == {
        **{("impression", item["item_id"]): slate["request_id"] for item in slate["items"]},
        ("click", "item-2"): slate["request_id"],
        ("cart", "item-9"): None,
    }


def test_a_login_joins_the_visitor_and_another_user_is_another_visitor(stall: Stall) -> None:
    stall.open()
    first = stall.page.evaluate("shop.visitor()")
    proof = proof_of(SECRET.encode(), first, "ann")
    assert stall.page.evaluate("proof => shop.identify('ann', proof)", proof) is True
    ((_, value),) = in_topic(stall.settings, "control", 1)
    assert (json.loads(value)["anonymous"], json.loads(value)["user"]) == (first, "ann")
    asked = len(stall.requests)
    stall.open("window.again = shop.identify('ann')")
    assert stall.page.evaluate("window.again") is True
    assert len(stall.requests) == asked + 1, "a page asks once, not with each load; this is the script"
    assert stall.page.evaluate("shop.identify('bob', 'no proof')") is False
    assert stall.page.evaluate("shop.visitor()") != first


def test_the_recipe_of_a_single_page_app_runs_as_it_stands_on_the_page(
    opened: tuple[Settings, ShopPages], browser: Browser
) -> None:
    settings, pages = opened
    (recipe,) = [text for kind, text in fences(ROOT / "docs/clients.md") if kind == "html" and "hashchange" in text]
    with learner(settings) as taught:
        taught.learn(shop())
        taught.describe({f"item-{number}": ItemFacts(title=f"Tea {number}", price=2.5) for number in range(30)})
        version = taught.commit()
        context = browser.new_context()
        page = context.new_page()
        with connected(settings, trusted=False) as served:
            eventually(
                lambda: served.get("/readyz", headers={"X-API-Key": "read"}).json()["version"] == version, timeout=60.0
            )
            eventually(lambda: served.get("/items/item-29", headers={"X-API-Key": "read"}).status_code == 200)
            pages.pages["/"] = recipe.replace("https://reco.shop.example", served.base).replace("PUBLIC-KEY", "beacon")
            page.goto(f"{pages.origin}/")
            expect(page.locator("#for-you")).to_contain_text("Best sellers")
            page.get_by_role("button", name="Remember me").click()
            expect(page.locator("#for-you li")).to_have_count(4)
            expect(page.locator("#for-you li").first).to_contain_text("€2.50")
            chosen = page.locator("#for-you li").first.get_attribute("data-item")
            page.locator("#for-you a").first.click()
            expect(page.get_by_role("heading", level=1)).to_have_text(chosen or "")
            page.get_by_role("button", name="Put into the cart").click()
            stall = Stall(page, pages, settings, served, [])
            eventually(lambda: stall.waiting() == 0)
            values = [json.loads(value or b"{}") for _, value in in_topic(settings, "events", 3)]
        context.close()
    found = {(event["event_type"], event["item_id"]) for event in values if event["event_type"] != "impression"}
    assert {("click", chosen), ("cart", chosen)} <= found
    assert {event["request_id"] for event in values if event["item_id"] == chosen and event["event_type"] == "cart"}


def test_the_page_about_clients_names_what_the_script_has_and_nothing_else(stall: Stall) -> None:
    stall.open()
    real = set(stall.page.evaluate("Object.keys(shop)"))
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    table = text.partition("| what it returns |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)\(", table, re.MULTILINE)) == real
    used = {
        name
        for kind, block in fences(ROOT / "docs/clients.md")
        if kind in {"html", "js"}
        for name in CALLED.findall(block)
    }
    assert used <= real
    assert {"track", "render", "consent"} <= used


def test_a_page_that_sends_too_often_waits_as_long_as_the_service_asks(
    opened: tuple[Settings, ShopPages], browser: Browser
) -> None:
    settings, pages = opened
    settings = changed(settings, service={"beacon_client_rate": 0.5})
    context = browser.new_context()
    page = context.new_page()
    with connected(settings, trusted=False) as served:
        stall = Stall(page, pages, settings, served, [])
        stall.open()
        with page.expect_console_message(lambda message: "sends too often" in message.text):
            for item in ("tea", "pot", "mug"):
                page.evaluate("item => shop.track('click', item)", item)
                eventually(lambda: stall.waiting() == 0 or served.sample("sluicegate_rate_limited_total") > 0)
        eventually(lambda: stall.waiting() == 0)
        assert {event["item_id"] for event in stall.events(3)} == {"tea", "pot", "mug"}
        assert served.sample("sluicegate_rate_limited_total") == 1, "it asks no earlier than the answer says"
    context.close()
