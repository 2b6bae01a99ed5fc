"""The live page as a shopper and an operator meet it, in a real Chromium, on a real stack."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import HOSTILE, PICTURE, Stage
from tests.browser.views import do, show
from tests.conftest import eventually
from tests.support.processes.prefix_proxy import below

CARDS = "#shop .card:not(.skeleton)"
PICKS = "#shop .pick"


def picks(page: Page) -> list[str]:
    """Ids of the recommended items, in order."""
    return page.locator(PICKS).evaluate_all("all => all.map(pick => pick.dataset.item)")


def test_each_event_in_the_shop_arrives_and_changes_the_recommendations(page: Page) -> None:
    expect(page.locator(PICKS)).to_have_count(8)
    for place, (verb, kind) in enumerate((("Look at", "click"), ("Favourite", "favourite"), ("Buy", "purchase"))):
        before = picks(page)
        touched = page.locator("#shop .card:not(.skeleton)").nth(3 * place).get_attribute("data-item")
        do(page, verb, 3 * place)
        expect(page.locator(".arrival")).to_contain_text(f"({kind} of")
        assert picks(page) != before
        assert touched not in picks(page), "what was just clicked is recommended"
    why = page.locator(f"{PICKS} .why").all_inner_texts()
    assert any(re.search("^(You |Goes with |Often bought with |Others )", text) for text in why), why
    first = page.locator(PICKS).first
    expect(first.locator(".why")).not_to_be_empty()
    expect(first).to_contain_text(re.compile(r"score -?\d"))


def test_each_tab_has_a_visitor_of_its_own(page: Page) -> None:
    name = page.evaluate("sessionStorage.getItem('visitor')")
    assert re.fullmatch(r"visitor-[0-9a-f]{12}", name)
    other = page.context.new_page()
    other.goto("/#shop")
    expect(other.locator(PICKS).first).to_be_visible()
    assert other.evaluate("sessionStorage.getItem('visitor')") != name


def test_a_hostile_title_is_shown_as_text(page: Page, stage: Stage) -> None:
    stage.describe("hostile", title=HOSTILE, category="Hostile <b>goods</b>", price=1.0, image_url=PICTURE)
    eventually(lambda: stage.client.get("/items?category=Hostile+%3Cb%3Egoods%3C/b%3E")["items"])
    page.reload()
    page.locator("#category").select_option("Hostile <b>goods</b>")
    card = page.locator(CARDS)
    expect(card).to_have_count(1)
    expect(card.locator(".name")).to_have_text(HOSTILE)
    expect(card.locator(".picture img")).to_have_attribute("src", PICTURE)
    card.get_by_role("button", name="Buy").click()
    expect(page.locator(".arrival")).to_contain_text("took")
    page.get_by_role("tab", name="Look up").click()
    page.get_by_label("Item", exact=True).fill("hostile")
    page.keyboard.press("Enter")  # what was found while typing lies over the button
    expect(page.locator("#lookup .facts")).to_contain_text(HOSTILE)
    assert page.title() == "Sluicegate"
    assert page.locator("main img[src='x'], main script, main b:has-text('goods')").count() == 0


def test_the_shelf_loads_page_by_page(page: Page) -> None:
    expect(page.locator(CARDS)).to_have_count(24)
    page.get_by_role("button", name="Show more items").click()
    expect(page.locator(CARDS)).to_have_count(48)
    ids = page.locator(CARDS).evaluate_all("all => all.map(card => card.dataset.item)")
    assert len(set(ids)) == 48


def test_learning_shows_every_contender_and_new_versions(page: Page) -> None:
    page.get_by_role("tab", name="Learning").click()
    for name in ("served", "ranker", "follows", "popularity short", "machine"):
        expect(page.get_by_role("rowheader", name=re.compile(f"^{name}"))).to_be_visible()
    plot = page.locator("#learning").get_by_role("slider")
    expect(plot).to_have_attribute("aria-valuetext", re.compile(r"served \d"))
    version = page.locator(".tile", has_text="Champion").locator("dd").first
    before = version.inner_text()
    expect(version).not_to_have_text(before)


def test_an_operator_freezes_and_thaws(page: Page, refusals: None) -> None:
    page.get_by_role("tab", name="Gate").click()
    expect(page.locator(".now")).to_have_text("continuous")
    page.get_by_role("button", name="Freeze").click()
    expect(page.locator("#gate .outcome")).to_have_text("Give a reason first.")
    page.get_by_role("textbox", name="Reason").fill("sale day")
    page.get_by_role("button", name="Freeze").click()
    expect(page.locator(".now")).to_have_text("frozen")
    expect(page.locator("#gate .facts")).to_contain_text("sale day")
    expect(page.locator("#gate .decisions li").first).to_contain_text("frozen")
    page.get_by_role("textbox", name="Reason").fill("sale is over")
    page.get_by_role("button", name="Thaw").click()
    expect(page.locator(".now")).to_have_text("continuous")


def test_an_experiment_is_shown_with_its_arms_and_the_answer_names_the_arm(page: Page, stage: Stage) -> None:
    show(page, "experiments")
    shown = page.get_by_role("article", name="variety")
    expect(shown.get_by_role("rowheader", name="plain control")).to_be_visible()
    expect(shown.get_by_role("rowheader", name="varied")).to_be_visible()
    expect(shown).to_contain_text("do people click more")
    eventually(lambda: "experiments" in stage.client.get("/recommend/ann"), timeout=30.0)
    page.reload()
    expect(shown).to_contain_text("running")
    expect(shown.get_by_role("row", name=re.compile("^varied"))).to_contain_text("50.0 %")


def test_users_and_items_are_looked_up(page: Page) -> None:
    do(page, "Look at", 0)
    page.get_by_role("tab", name="Look up").click()
    page.get_by_role("button", name="Look up user").click()
    done = page.locator("#lookup .decisions li")
    expect(done).to_have_count(1)
    expect(page.locator("#lookup .pick details").first).to_be_attached()
    done.get_by_role("button").click()
    expect(page.locator("#lookup .facts")).to_contain_text("Known to the model")


def test_attributes_are_set_where_a_user_is_looked_up_and_results_are_those_of_a_segment(page: Page) -> None:
    page.goto("/#lookup")
    page.get_by_label("User", exact=True).fill("zoe")
    page.get_by_role("button", name="Look up user").click()
    expect(page.locator("#lookup")).to_contain_text("The shop has given none.")
    page.get_by_text("Change the attributes").click()
    outcome = page.locator("#lookup .outcome")
    for text, told in (
        ("plan=pro", "This is no JSON object. Write it as"),
        ('{"plan": "pro", "address": {}}', "They are in force. Left out, because it cannot be used: address."),
        ('{"orders": 3, "gone": null, "plan": "pro"}', "They are in force."),
    ):
        page.get_by_label("Attributes, as a JSON object").fill(text)
        page.get_by_role("button", name="Set attributes").click()
        expect(outcome).to_contain_text(told)
    expect(page.locator("#lookup .facts")).to_contain_text("orders")
    show(page, "experiments")
    page.get_by_label("Count").select_option("plan:pro")
    shown = page.get_by_role("article", name="variety")
    expect(shown).to_contain_text("Among users with plan:pro")
    page.get_by_label("Count").select_option("")
    expect(shown).not_to_contain_text("Among users")


def test_an_unknown_item_is_reported(page: Page, refusals: None) -> None:
    page.goto("/#lookup")
    page.get_by_label("Item", exact=True).fill("no-such-item")
    page.keyboard.press("Enter")  # what was found while typing lies over the button
    expect(page.locator("#lookup .trouble")).to_contain_text("No item 'no-such-item' is known.")


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    page.goto("/")  # below an address with #shop the first Tab leads into the shop
    expect(page.locator("#overview")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("tab", name="Overview")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Learning")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(page.locator("#lookup")).to_be_visible()
    page.keyboard.press("Home")
    expect(page.locator("#overview")).to_be_visible()
    page.keyboard.press("ArrowRight")
    for _ in range(4):  # the panel, the category, the first item's first button
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.event") == "click":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".arrival")).to_contain_text("ms to arrive")


def test_the_page_and_the_documents_work_below_a_path_of_a_proxy(browser: Browser, stage: Stage) -> None:
    complaints: list[str] = []
    with below("/reco", stage.address) as address, browser.new_context(base_url=address) as context:
        shown = context.new_page()
        shown.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
        shown.goto("/reco/#shop")
        expect(shown.locator(PICKS)).to_have_count(8)
        do(shown, "Buy", 0)
        expect(shown.locator(".arrival")).to_contain_text("(purchase of")
        expect(shown.locator("#link")).to_have_text("Live")
        shown.get_by_role("link", name="Problems").click()
        expect(shown.locator("#unauthorized")).to_be_visible()
        shown.goto("/reco/docs")
        expect(shown.locator(".opblock").first).to_be_visible()
    assert complaints == []


def test_a_lost_service_is_reported_and_found_again(page: Page, stage: Stage, refusals: None) -> None:
    expect(page.locator("#link")).to_have_text("Live")
    stage.service.stop()
    expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    old = re.compile(r"^No answer, trying again\. What is shown is as of \d\d:\d\d:\d\d\.$")
    expect(page.locator("#overview .notice")).to_have_text(old)
    page.locator(CARDS).first.get_by_role("button", name=re.compile("^Buy")).click()
    expect(page.locator("#shop .trouble")).to_contain_text("The service does not answer.")
    stage.service.start(60.0)
    expect(page.locator("#link")).to_have_text("Live", timeout=30_000)
    expect(page.locator("#shop .trouble")).to_be_empty()
    do(page, "Buy", 1)
