"""Columns for filters: after any changes they find the same as a check of every item."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.records.attributes import checked
from models.records.items import ItemFacts
from models.slate.conditions import condition_of
from models.slate.filters import EVERYTHING, Wanted
from service.serving import catalogue as matching
from service.serving.catalogue import Columns, ItemCatalogue
from service.serving.condition_index import NUMERIC, ConditionIndex, bits
from service.serving.coverage import SPAN, RecommendedLately
from streaming.store.store import Store

ITEMS = [f"i{n}" for n in range(8)]
TAGS = [f"t{n}" for n in range(4)]
FACTS = st.builds(
    ItemFacts,
    category=st.sampled_from([None, "a", "b"]),
    price=st.none() | st.integers(0, 6).map(float),
    tags=st.lists(st.sampled_from(TAGS), unique=True, max_size=3).map(tuple),
    available=st.sampled_from([True, True, False]),
    brand=st.sampled_from([None, "x", "y"]),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "colour": st.sampled_from(["red", "blue", ["red", "blue"], "7"]),
            "stock": st.integers(0, 4),
            "new": st.booleans(),
        },
    ).map(lambda sent: checked(sent)[0]),
)
CONDITIONS = st.sampled_from([
    "attributes.colour:red", "attributes.colour:7", "attributes.stock:2", "attributes.stock:2.0", "attributes.stock>=2",
    "attributes.stock<3", "attributes.stock>0", "attributes.new:true", "attributes.never:1", "attributes.never<1",
    "attributes.colour<8", "brand:x", "price<=3", "price:2", "tags:t1", "category:a",
]).map(condition_of)  # fmt: skip
CHANGES = st.lists(st.tuples(st.sampled_from(ITEMS), st.none() | FACTS), max_size=40)
WANTED = st.builds(
    Wanted,
    category=st.sampled_from([None, "a", "b", "never"]),
    tags_all=st.frozensets(st.sampled_from(TAGS), max_size=2),
    tags_any=st.frozensets(st.sampled_from([*TAGS, "never"]), max_size=2),
    price_min=st.none() | st.integers(0, 6).map(float),
    price_max=st.none() | st.integers(0, 6).map(float),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
)


def changed(changes: list[tuple[str, ItemFacts | None]], together: int = 1) -> ItemCatalogue:
    """A catalogue with these changes, some of them taken together, without a store."""
    catalogue = ItemCatalogue(cast("Store", None))
    for start in range(0, len(changes), together):
        some = changes[start : start + together]
        with catalogue._lock:
            for item, facts in some:
                catalogue._put(item, facts)
        catalogue._take([item for item, _ in some])
    return catalogue


@settings(max_examples=300)
@given(CHANGES, WANTED, st.sampled_from([1, 3, 40]))
def test_a_filter_finds_the_same_as_a_check_of_every_item(
    changes: list[tuple[str, ItemFacts | None]], wanted: Wanted, together: int
) -> None:
    catalogue, now = changed(changes, together), dict(changes)
    expected = {item for item, facts in now.items() if facts is not None and facts.available and wanted.matches(facts)}
    found = catalogue.matching(wanted, 100)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert expected <= set(catalogue.likely(wanted, 100))
    assert len(catalogue.matching(wanted, 2)) == min(2, len(expected))
    assert set(catalogue.matching(wanted, 100, lambda item: item != "i0")) == expected - {"i0"}


@given(CHANGES, WANTED)
def test_stretches_of_any_length_find_the_same_in_the_same_order(
    changes: list[tuple[str, ItemFacts | None]], wanted: Wanted
) -> None:
    catalogue = changed(changes)
    whole = catalogue.matching(wanted, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "STRETCH", 2)
        assert catalogue.matching(wanted, 100) == whole


def test_a_tag_that_comes_and_goes_does_not_grow_its_list_forever() -> None:
    columns = Columns()
    for turn in range(2_000):
        tags = ("sale",) if turn % 2 else ()
        columns.put(ITEMS, [ItemFacts(category=f"c{(turn + n) % 3}", tags=tags) for n in range(len(ITEMS))])
    columns.put(["i0"], [ItemFacts(category="c0", tags=("sale",))])
    assert len(columns._lists["tag", "sale"].rows) <= 2 * matching.SMALL
    assert len(columns._lists["category", "c0"].rows) <= 2 * matching.SMALL
    assert next(columns.matching(Wanted(tags_all=frozenset({"sale"})))) in ITEMS


def test_the_columns_grow_with_the_catalogue() -> None:
    columns = Columns()
    for start, stop in ((0, 1), (1, 4_998), (4_998, 5_000)):
        numbers = range(start, stop)
        columns.put([f"i{n}" for n in numbers], [ItemFacts(price=float(n)) for n in numbers])
    assert list(columns.matching(Wanted(price_min=4_998.0))) == ["i4998", "i4999"]
    assert len(list(columns.matching(EVERYTHING))) == 5_000


def test_a_condition_finds_the_one_item_among_many_without_looking_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = checked({"colour": "red", "url": "https://shop.example/1", "stock": 3})[0]
    rare = checked({"colour": "green", "url": "https://shop.example/2", "stock": 9})[0]
    shop = [(f"i{n}", ItemFacts(attributes=rare if n == 3_000 else plain)) for n in range(4_000)]
    catalogue = changed([*shop], together=1_000)
    looked: list[ItemFacts | None] = []
    matches = Wanted.matches

    def counted(self: Wanted, facts: ItemFacts | None) -> bool:
        looked.append(facts)
        return matches(self, facts)

    monkeypatch.setattr(Wanted, "matches", counted)
    for text in ("attributes.colour:green", "attributes.stock>3", "attributes.stock:9"):
        looked.clear()
        assert catalogue.likely(Wanted(conditions=(condition_of(text),)), 10) == ["i3000"]
        assert len(looked) < 100, text


def test_beyond_the_names_that_have_a_column_numbers_are_compared_one_by_one() -> None:
    many = {f"n{at}": at for at in range(NUMERIC + 5)}
    catalogue = changed([("a", ItemFacts(attributes=checked(many)[0])), ("b", ItemFacts(price=1.0))])
    for at in (0, NUMERIC + 4):
        assert catalogue.matching(Wanted(conditions=(condition_of(f"attributes.n{at}>={at}"),)), 9) == ["a"]
        assert catalogue.matching(Wanted(conditions=(condition_of(f"attributes.n{at}>{at}"),)), 9) == []


def test_whether_there_are_variants_follows_changes_and_removals() -> None:
    variant = ItemFacts(group_id="g", category="c")
    assert not changed([("a", ItemFacts())]).grouped
    assert changed([("a", variant), ("b", ItemFacts())]).grouped
    assert not changed([("a", variant), ("a", ItemFacts(category="d")), ("b", variant), ("b", None)]).grouped
    assert changed([("a", variant), ("a", ItemFacts(group_id="h")), ("b", variant), ("b", None)]).grouped


TITLED = {
    "cup-1": ItemFacts(title="Tea cup", category="ware", price=4.0),
    "pot-1": ItemFacts(title="Pot for tea", category="ware"),
    "tea-9": ItemFacts(title="Steady hand"),
    "leaf": ItemFacts(title="Green TEA", category="tea"),
    "gone": ItemFacts(title="Tea of last year", available=False),
    "壶": ItemFacts(title="紫砂茶壶"),
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tea", ["cup-1", "tea-9", "pot-1", "leaf"]),  # titles and ids that begin so, then words, in order
        ("TEA", ["cup-1", "tea-9", "pot-1", "leaf"]),
        ("tea cup", ["cup-1"]),
        ("leaf", ["leaf"]),
        ("茶壶", ["壶"]),
        ("ead", ["tea-9"]),
        ("nothing", []),
        ("  ", []),
        ("last year", []),  # it is hidden
    ],
)
def test_a_search_finds_titles_and_ids_and_nothing_hidden(query: str, found: list[str]) -> None:
    catalogue = changed(list(TITLED.items()))
    assert catalogue.search(query, None, 10, 10.0) == (found, True)


def test_a_search_puts_the_exact_id_first_and_keeps_to_its_category_and_limit() -> None:
    catalogue = changed([*TITLED.items(), ("tea", ItemFacts(title="All of it"))])
    assert catalogue.search("tea", None, 2, 10.0)[0] == ["tea", "cup-1"]
    assert catalogue.search("tea", "ware", 10, 10.0)[0] == ["cup-1", "pot-1"]


def test_a_search_without_time_says_that_it_has_not_seen_all() -> None:
    assert changed(list(TITLED.items())).search("tea", None, 10, -1.0) == ([], False)


def test_a_name_and_a_value_are_hashed_once_for_all_items_that_have_them() -> None:
    bits.cache_clear()
    index = ConditionIndex()
    shop = [ItemFacts(category=f"c{row % 5}", brand=f"b{row % 7}", price=float(row % 11)) for row in range(3_000)]
    index.put(np.arange(3_000), shop)
    assert bits.cache_info().misses == len(("category", "brand")) + 5 + 7


@given(CHANGES)
def test_coverage_counts_what_is_known_of_the_items_that_may_be_shown(
    changes: list[tuple[str, ItemFacts | None]],
) -> None:
    shown = [facts for facts in dict(changes).values() if facts is not None and facts.available]
    items, having = changed(changes).coverage()
    assert items == len(shown)
    assert having["category"] == sum(facts.category is not None for facts in shown)
    assert having["price"] == sum(facts.price is not None for facts in shown)
    assert having["title"] == having["picture"] == 0


def test_a_picture_is_known_by_its_attribute_and_lately_is_forgotten() -> None:
    pictured = ItemFacts(attributes=checked({"image_url": "https://shop.example/tea.png"})[0])
    assert changed([("a", pictured), ("b", ItemFacts())]).coverage() == (
        2,
        {"title": 0, "category": 0, "price": 0, "picture": 1},
    )
    lately = RecommendedLately()
    lately.add(["a"], 10_000.0)
    lately.add(["b"], 10_000.0 + SPAN + 1)
    assert lately.items(10_000.0 + SPAN + 2) == {"a", "b"}
    assert lately.items(10_000.0 + 2 * SPAN + 3) == {"b"}
    assert lately.items(10_000.0 + 9 * SPAN) == set()
