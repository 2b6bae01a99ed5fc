"""Facts that events say of their items: each is taken once, where nothing is known, and never over the shop's word."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from models.ledger.admission import Admission, AdmissionRules
from models.recommender import Recommender, RecommenderOptions, new_state
from models.records import EventRules, ItemFacts, Mentioned, completion_key
from streaming.intake.catalogue import Known, KnownItems
from streaming.intake.intake import Intake, PreparedBatch
from streaming.intake.text_vectors import contents_by
from streaming.kafka.records import PUBLIC
from streaming.live import Completion
from streaming.mappings import MappingFile, mapping_named
from streaming.settings import event_mapping
from tests.unit.streaming.test_intake import NOW, TOPICS, Wire

TOPIC = "shop.segment"
RULES = EventRules()
SEGMENT = event_mapping(mapping_named("segment"), RULES)
OPTIONS = RecommenderOptions(items=50, users=20, categories=5, brands=5)


def intake() -> Intake:
    contents = contents_by("words")
    return Intake(RULES, Admission(AdmissionRules()), TOPICS, lambda *_: None, contents, {TOPIC: SEGMENT})


def track(offset: int, *products: dict[str, Any], headers: Any = ()) -> Wire:
    properties = products[0] if len(products) == 1 else {"products": list(products)}
    call = {
        "messageId": f"m{offset}",
        "userId": "ann",
        "event": "Product Viewed" if len(products) == 1 else "Order Completed",
        "timestamp": NOW / 1000,
        "properties": properties,
    }
    return Wire(TOPIC, 0, offset, NOW, None, json.dumps(call).encode(), list(headers))


def item(offset: int, item_id: str, facts: dict[str, Any] | None) -> Wire:
    value = None if facts is None else json.dumps(facts).encode()
    return Wire("items", 0, offset, NOW, item_id.encode(), value, [])


TEA = {"product_id": "tea", "name": "Green tea", "category": "drinks", "price": 3.5}


def test_a_fact_is_taken_once_and_then_costs_nothing_even_where_others_are_never_said() -> None:
    taking = intake()
    first = taking.prepare([[track(1, TEA), track(2, TEA), track(3, TEA | {"price": 4, "category": "other"})]])
    said = ItemFacts(category="drinks", title="Green tea", price=3.5)
    assert first.facts == [Completion(0, 1, "tea", said, TOPIC)]
    assert len(first.contents) == 1
    assert first.contents[0] == said.content
    assert taking.prepare([[track(4, TEA)]]).facts == []
    assert taking.prepare([[track(5, TEA | {"brand": "Kyusu"})]]).facts == [
        Completion(0, 5, "tea", ItemFacts(brand="Kyusu"), TOPIC)
    ]


def test_each_line_of_a_record_says_its_own_and_facts_that_cannot_be_used_are_counted_by_name() -> None:
    batch = intake().prepare([[track(1, TEA, {"sku": "pot", "category": "c" * 300, "brand": ["no"], "price": 9})]])
    assert [(each[1], each[2], each[3]) for each in batch.facts] == [
        (1, "tea", ItemFacts(category="drinks", title="Green tea", price=3.5)),
        (1, "pot", ItemFacts(price=9.0)),
    ]
    assert batch.left_out == {"category": 1, "brand": 1}
    assert len(batch.events) == 2


def test_a_record_of_the_shop_makes_room_for_what_it_lacks_and_a_removed_item_for_nothing() -> None:
    taking = intake()
    taking.prepare([[track(1, TEA)]])
    batch = taking.prepare([[item(1, "tea", {"price": 2}), item(2, "pot", None)]])
    assert batch.facts == [(0, 1, "tea", ItemFacts(price=2.0)), (0, 2, "pot", None)]
    again = taking.prepare([[track(2, TEA, TEA | {"product_id": "pot"})]])
    assert [each[2] for each in again.facts] == ["tea"]


def test_what_a_public_key_sent_describes_nothing() -> None:
    batch = intake().prepare([[track(1, TEA, headers=[(PUBLIC, b"1")])]])
    assert (len(batch.events), batch.facts) == (1, [])


def test_a_completion_in_the_topic_of_items_has_a_key_that_no_item_has() -> None:
    taking = intake()
    record = item(7, completion_key("tea"), {"category": "drinks", "available": False, "stock": 4})
    assert taking.prepare([[record]]).facts == [Completion(0, 7, "tea", ItemFacts(category="drinks"))]
    assert taking.prepare([[item(8, completion_key("tea"), None)]]).facts == []
    assert taking.prepare([[item(9, completion_key(""), {})]]).refused == {"bad_value": 1}


def test_a_mapping_with_nothing_but_a_price_describes_no_item_and_a_list_of_tags_makes_no_events() -> None:
    fields = {"event_type": "what", "user_id": "who", "timestamp": "@time", "item_id": "sku"}
    plain = event_mapping(MappingFile(fields=fields | {"price": "p"}), RULES)
    assert plain.completes == ()
    told = event_mapping(
        MappingFile(
            fields=fields | {"tags": "tags[*]", "brand": "b", "available": "a", "title": "@key"},
            constants={"category": "tea"},
        ),
        RULES,
    )
    assert told.unread == ("tags", "available")
    mentioned = Mentioned()
    raw = b'{"what": "view", "who": "ann", "sku": "tea", "b": "Kyusu", "tags": ["x", "y"], "a": false}'
    (event,) = told.events(raw, b"Green tea", NOW, Counter(), mentioned)
    assert mentioned.take() == [("tea", ItemFacts(category="tea", brand="Kyusu", title="Green tea"))]
    assert event == told.event(raw, b"Green tea", NOW)
    record = raw.replace(b'"x"', b'"x", "\\ud800", NaN')  # JSON can spell half a pair, and UTF-8 cannot
    assert isinstance(told.events(record, b"k", NOW, Counter(), mentioned), list)


def row(recommender: Recommender, item_id: str) -> tuple[str | None, str | None, float, bytes]:
    state = recommender.state
    at, stats = state.keys["item"].rows[item_id], state.tables["item_stats"].columns
    names = [
        state.keys[space].ids[stats[space][at]] if stats[space][at] >= 0 else None for space in ("category", "brand")
    ]
    return (*names, float(stats["log_price"][at]), state.tables["item_content"].columns["v"][at].tobytes())


@pytest.fixture
def recommender() -> Recommender:
    return Recommender(new_state(OPTIONS), OPTIONS)


SHOPS = ItemFacts(category="drinks", embedding=(1.0, 2.0, 3.0))
SAID = Completion(0, 9, "tea", ItemFacts(category="food", brand="Kyusu", title="Tea", price=2.0), TOPIC)


def test_the_model_takes_what_is_missing_and_keeps_what_the_shop_said(recommender: Recommender) -> None:
    known = KnownItems()
    known.take(recommender, [(0, 1, "tea", SHOPS)])
    before = row(recommender, "tea")
    known.take(recommender, [SAID])
    category, brand, price, content = row(recommender, "tea")
    assert (category, brand, content) == ("drinks", "Kyusu", before[3])
    assert price == pytest.approx(np.log(2.0))
    assert (known.facts["tea"].category, known.facts["tea"].brand, known.facts["tea"].price) == ("drinks", "Kyusu", 2.0)
    known.take(recommender, [(0, 2, "tea", None)])
    known.take(recommender, [SAID])
    assert "tea" not in known.facts
    assert "tea" not in recommender.state.keys["item"].rows
    known.take(recommender, [SAID, (0, 3, "tea", ItemFacts(price=1.0)), SAID])
    assert row(recommender, "tea")[:2] == ("food", "Kyusu")


def test_a_model_that_goes_back_learns_the_same_though_redis_is_ahead(recommender: Recommender) -> None:
    # The version was cut before the completion; Redis, from which a new term knows the facts, has it already.
    known = KnownItems()
    known.take(recommender, [(0, 1, "tea", SHOPS)])
    before = row(recommender, "tea")
    ahead = KnownItems([("tea", ItemFacts(category="drinks", brand="Kyusu", title="Tea", price=2.0))], ["pot"])
    changes = [SAID, SAID._replace(item="pot")]
    ahead.take(recommender, changes)
    assert row(recommender, "tea")[:2] == ("drinks", "Kyusu")
    assert row(recommender, "tea")[3] == before[3], "the vector of the shop's embedding stays"
    digest = recommender.state.digest()
    ahead.take(recommender, changes)
    assert recommender.state.digest() == digest, "a repeat changes nothing"
    assert "pot" not in recommender.state.keys["item"].rows


def test_a_shard_that_hears_of_a_removed_item_completes_it_no_more_until_it_is_back(recommender: Recommender) -> None:
    shard, kin = KnownItems(), Known("food", "Kyusu", 1.0, group_id="teas")
    shard.follow("tea", kin)
    shard.follow("pot", kin)
    assert (shard.facts["tea"], [*shard.groups.kin("tea")]) == (kin, ["pot"])
    shard.follow("tea", None)
    shard.take(recommender, [SAID])
    assert ("tea" in shard.facts, [*shard.groups.kin("pot")]) == (False, [])
    shard.follow("tea", kin)
    shard.take(recommender, [SAID])
    assert shard.facts["tea"].price == 1.0


def test_an_item_that_events_describe_is_a_candidate_as_one_that_the_shop_describes(recommender: Recommender) -> None:
    one, other = KnownItems(), KnownItems()
    twin = Recommender(new_state(OPTIONS), OPTIONS)
    batch = PreparedBatch(facts=[SAID])
    one.take(recommender, batch.facts)
    other.take(twin, [(0, 9, "tea", SAID.facts)])
    assert recommender.state.digest() == twin.state.digest()
    assert one.facts == other.facts
