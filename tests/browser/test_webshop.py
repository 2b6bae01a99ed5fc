"""The example shop in a real Chromium: impressions are sent as beacons across origins, without a complaint."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from service.http.auth import digest
from service.local.embedded import free_port
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.integration.service.test_http import in_topic
from tests.support.processes.serving import Served, changed, connected
from tests.support.streams.webshop import webshop


@pytest.fixture
def port() -> int:
    """Where the shop will be."""
    return free_port()


@pytest.fixture
def served(settings: Settings, port: int) -> Iterator[Served]:
    """A service that accepts beacons of the shop's pages."""
    ensure_topics(settings)
    keys = tuple(f"{role}:{digest(role)}" for role in ("admin", "beacon"))
    with connected(
        changed(settings, service={"keys": keys, "beacon_origins": (f"http://127.0.0.1:{port}",)}), trusted=False
    ) as running:
        yield running


def test_a_look_a_heart_and_a_purchase_reach_the_topic(
    served: Served, port: int, settings: Settings, browser: Browser
) -> None:
    complaints: list[str] = []
    with webshop(served.base, port, "admin", "beacon") as address:
        context = browser.new_context()
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/item/kettle")
        page.get_by_role("button", name="Remember").click()
        # A beacon is sent even when the visitor leaves the page.
        page.get_by_role("button", name="Buy").click()
        page.wait_for_load_state()
        page.goto(f"{address}/item/mint")
        assert page.get_by_role("heading", level=1).text_content() == "Mint <from the garden>"
        records = [json.loads(value or b"{}") for _, value in in_topic(settings, "events", 5)]
        context.close()
    assert sorted((event["event_type"], event["item_id"]) for event in records) == [
        ("click", "kettle"),
        ("click", "kettle"),
        ("click", "mint"),
        ("favourite", "kettle"),
        ("purchase", "kettle"),
    ]
    assert len({event["user_id"] for event in records}) == 1, "the page and the server mean the same visitor"
    assert len({event["event_id"] for event in records}) == 5
    assert complaints == []
