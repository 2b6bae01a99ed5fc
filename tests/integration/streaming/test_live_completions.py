"""What events say of items, through the intake into a real Redis: it completes facts, once, whatever is repeated."""

from __future__ import annotations

import time
from typing import Any

from models.records.attributes import checked
from models.records.items import ItemFacts
from streaming.intake.intake import PreparedBatch
from streaming.live import facts
from streaming.live.facts import CHANGES_TOGETHER, Completion, FactsFollower, removed_items
from streaming.live.writer import LiveWriter
from streaming.store.store import Store
from tests.unit.streaming.test_intake_completions import TEA, TOPIC, intake, item, track

TOPICS = {"events": "E", "items": "I", "control": "C", TOPIC: "T"}


def write(store: Store, *batches: PreparedBatch) -> None:
    writer = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
    for batch in batches:
        writer.add(batch.histories, batch.facts)
    assert writer.flush()


def known(store: Store) -> FactsFollower:
    follower = FactsFollower(store)
    follower.step()
    return follower


def changes(store: Store) -> int:
    return int(store.call("HGET", store.key("facts", "marks"), "changes") or 0)


def test_a_topic_in_segments_shape_describes_its_items_and_the_shops_records_come_first(store: Store) -> None:
    taking = intake()
    own: dict[str, Any] = {"title": "Pot", "stock": 4, "available": False, "attributes": {"colour": "red"}}
    write(store, taking.prepare([[item(1, "pot", own), item(2, "cup", None)]]))
    everything = [TEA, *(TEA | {"product_id": each, "brand": "Kyusu"} for each in ("pot", "cup"))]
    write(store, taking.prepare([[track(5, *everything)]]))
    found = known(store)
    assert found.get("tea") == ItemFacts(category="drinks", title="Green tea", price=3.5)
    assert found.get("pot") == ItemFacts(
        category="drinks",
        brand="Kyusu",
        title="Pot",
        price=3.5,
        available=False,
        attributes=checked({"colour": "red", "stock": 4})[0],
    )
    assert (found.get("cup"), found.hidden("cup"), found.hidden("pot")) == (None, True, True)
    assert removed_items(store) == ["cup"]


def test_records_that_are_read_again_and_facts_that_are_known_write_nothing(store: Store) -> None:
    records = [track(offset, TEA) for offset in range(20)]
    write(store, intake().prepare([records]))
    assert changes(store) == 1
    write(store, intake().prepare([records]))  # a learner that begins again before them
    write(store, intake().prepare([[track(20, TEA | {"category": "other"})]]))  # one that begins after them
    assert changes(store) == 1
    assert known(store).get("tea") == ItemFacts(category="drinks", title="Green tea", price=3.5)


def test_a_replayed_event_does_not_bring_a_removed_item_back(store: Store) -> None:
    taking = intake()
    write(store, taking.prepare([[track(1, TEA)]]), taking.prepare([[item(1, "tea", None)]]))
    write(store, intake().prepare([[track(1, TEA), track(2, TEA)]]))
    assert known(store).hidden("tea")


def test_what_one_record_says_is_written_by_one_script(store: Store) -> None:
    before = [Completion(0, 6, f"a{n}", ItemFacts(price=1.0), TOPIC) for n in range(CHANGES_TOGETHER - 3)]
    lines = [Completion(0, 7, f"b{n}", ItemFacts(price=1.0), TOPIC) for n in range(CHANGES_TOGETHER)]
    facts.write(store, [*before, *lines], facts.marked(TOPIC, "T"))
    assert len(known(store)) == len(before) + len(lines)


def test_facts_and_histories_of_a_topic_have_watermarks_of_their_own(store: Store) -> None:
    taking = intake()
    write(store, taking.prepare([[track(1, TEA)]]), taking.prepare([[track(2, TEA), track(3, TEA)]]))
    assert store.call("HGET", store.key("h-marks"), "T:0") == b"3"
    assert store.call("HGET", store.key("facts", "marks"), "T/facts:0") == b"1"
    assert store.call("HGET", store.key("facts", "marks"), "T:0") is None
