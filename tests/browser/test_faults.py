"""What the page says while Redis is away and back, and without Kafka."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from models.records.items import ItemFacts
from service.local import embedded
from streaming.settings.loading import load_settings
from tests.conftest import eventually
from tests.support.processes.serving import Served, learner, service, shop


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[embedded.Child]:
    """A Redis of its own for this test."""
    with embedded.redis(tmp_path / "redis") as child:
        yield child


@pytest.fixture
def served(redis: embedded.Child) -> Iterator[Served]:
    """A service with a version and an item, and no Kafka behind it."""
    settings = load_settings(
        None,
        {
            "SLUICEGATE_REDIS__URL": f"redis://{redis.address}/0",
            "SLUICEGATE_KAFKA__BOOTSTRAP": f"127.0.0.1:{embedded.free_port()}",
        },
    )
    with learner(settings) as taught:
        taught.learn(shop())
        taught.describe({"item-1": ItemFacts(title="Kettle", price=20.0)})
        version = taught.commit()
    with service(settings) as made:
        eventually(lambda: made.get("/readyz").json()["version"] == version, timeout=60.0)
        eventually(lambda: made.get("/items").json()["items"])
        yield made


def test_the_page_says_when_kafka_and_when_redis_is_away(
    browser: Browser, served: Served, redis: embedded.Child
) -> None:
    context = browser.new_context(base_url=served.base, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/#shop")
    page.get_by_role("button", name="Buy: Kettle").click()
    expect(page.locator("#shop .trouble")).to_contain_text("Kafka does not accept records", timeout=30_000)
    expect(page.locator(".arrival")).to_have_text("Your last event was not accepted.")
    redis.stop()
    expect(page.locator("#notice")).to_contain_text("Redis does not answer", timeout=30_000)
    expect(page.locator("#shop .pick").first).to_be_visible()
    page.get_by_role("tab", name="Overview").click()
    links = page.locator("#overview .check", has_text="Kafka and Redis")
    expect(links.locator(".value")).to_have_text("Redis is away")
    expect(links.locator(".status")).to_have_text("bad")
    redis.start()
    expect(page.locator("#notice")).to_be_hidden(timeout=30_000)
    expect(links.locator(".value")).to_have_text("Kafka is away")
    page.get_by_role("tab", name="Gate").click()
    expect(page.locator("#gate .facts")).to_contain_text(re.compile(r"Champion\s*v\d"))
    context.close()
