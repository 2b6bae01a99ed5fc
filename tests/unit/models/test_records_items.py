"""Item facts: any record is facts, a removal or a refusal."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.records.attributes import LIST_LENGTH, MAX_ATTRIBUTE_BYTES, MOST_ATTRIBUTES, TEXT_LENGTH, checked
from models.records.items import (
    MAX_ITEM_BYTES,
    ItemFacts,
    Removed,
    decode_checked,
    decode_item,
    decode_sent_item,
    encode_item,
)
from models.records.rejections import REASONS, Rejection


@given(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=100))
def test_any_key_and_value_are_facts_a_removal_or_a_refusal(key: bytes | None, value: bytes | None) -> None:
    result = decode_item(key, value)
    assert not isinstance(result, Rejection) or result.reason in REASONS


values = st.text(max_size=9) | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9)
attributes = st.dictionaries(st.text("abc", min_size=1), values | st.lists(st.text("xy"), max_size=3), max_size=5)
facts = st.builds(
    ItemFacts,
    category=st.none() | st.text("abc", min_size=1),
    price=st.none() | st.floats(0, 1e12),
    brand=st.none() | st.text("äb", min_size=1),
    title=st.none() | st.text(max_size=50).filter(lambda text: text.isprintable()),
    tags=st.lists(st.text("xyz", min_size=1), max_size=5).map(tuple),
    rating=st.none() | st.floats(-1e6, 1e6),
    available=st.booleans(),
    embedding=st.none() | st.lists(st.floats(-1, 1), min_size=1, max_size=8).map(tuple),
    group_id=st.none() | st.text("g", min_size=1),
    attributes=attributes.map(lambda sent: checked(sent)[0]),
)


@given(facts)
def test_facts_survive_the_topic(given_facts: ItemFacts) -> None:
    assert decode_item(b"i", encode_item(given_facts)) == given_facts
    assert decode_checked(encode_item(given_facts)) == given_facts


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=9,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=70), json_values, max_size=9).filter(lambda each: not each.keys() & KNOWN))
def test_every_field_that_is_no_fact_is_an_attribute_or_left_out_by_name(sent: dict[str, Any]) -> None:
    left_out: Counter[str] = Counter()
    found = decode_item(b"i", json.dumps(sent).encode(), left_out)
    assert isinstance(found, ItemFacts)
    kept = found.attribute_values()
    for name, value in sent.items():
        if name not in kept:
            assert value in (None, "", []) or left_out[name[:64]]
        else:
            assert kept[name] == value


KNOWN = {*ItemFacts.__struct_fields__, "item_id"}


def test_fields_and_the_object_attributes_become_attributes_and_the_object_comes_first() -> None:
    left_out: Counter[str] = Counter()
    raw = b'{"brand":"K","stock":4,"colour":"green","sizes":{"s":1},"attributes":{"colour":"red","tags":["a"],"x":[1]}}'
    found = decode_item(b"i", raw, left_out)
    assert isinstance(found, ItemFacts)
    assert (found.brand, found.attribute_values()) == ("K", {"colour": "red", "tags": ["a"], "stock": 4})
    assert left_out == {"sizes": 1, "x": 1, "colour": 1}


def test_an_object_attributes_that_is_none_is_left_out_and_the_facts_count() -> None:
    left_out: Counter[str] = Counter()
    assert decode_item(b"i", b'{"price":3,"attributes":[7]}', left_out) == ItemFacts(price=3.0)
    assert left_out == {"attributes": 1}


def test_an_item_id_in_the_value_is_no_attribute_and_another_one_than_the_key_is_said() -> None:
    left_out: Counter[str] = Counter()
    assert decode_item(b"i", b'{"item_id":"i"}', left_out) == ItemFacts()
    assert not left_out
    assert decode_item(b"i", b'{"item_id":"j"}', left_out) == ItemFacts()
    assert left_out == {"item_id": 1}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({f"n{at}": at for at in range(MOST_ATTRIBUTES + 1)}, MOST_ATTRIBUTES),
        ({"a": "x" * TEXT_LENGTH, "b": "x" * (TEXT_LENGTH + 1)}, 1),
        ({"a": ["x"] * LIST_LENGTH, "b": ["x"] * (LIST_LENGTH + 1)}, 1),
        ({"a": "x" * 2_000, "b": "y" * 2_000, "c": "z" * 2_000, "d": 1}, 3),
        ({"a": 2**53, "b": 2**53 + 2, "c": 1e300}, 1),
        ({"": 1, "n" * 65: 1, "a\nb": 1, "a b": 1}, 1),
        ({"a": ["x", 3], "b": [None], "c": "\ud800", "d": ["\udc80"]}, 0),
    ],
)
def test_attributes_are_bounded_in_number_and_size(sent: dict[str, Any], kept: int) -> None:
    found, left_out = checked(sent)
    assert len(found.values() if found else {}) == kept
    assert len(left_out) == len(sent) - kept
    assert found is None or len(found.as_json()) <= MAX_ATTRIBUTE_BYTES


def test_a_number_that_nobody_can_hold_costs_its_attribute_and_not_the_item() -> None:
    left_out: Counter[str] = Counter()
    assert decode_item(b"i", b'{"price":3,"weight":1e999}', left_out) == ItemFacts(price=3.0)
    assert left_out == {"weight": 1}


def test_facts_of_earlier_releases_are_read() -> None:
    assert decode_checked(b'{"category":"toys","tags":["a"]}') == ItemFacts(category="toys", tags=("a",))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"", "$"),
        (b"[]", "$"),
        (b"{}", "$.item_id"),
        (b'{"item_id":7}', "$.item_id"),
        (b'{"item_id":""}', "$.item_id"),
        (b'{"item_id":"a\\n"}', "$.item_id"),
        (b'{"item_id":"a","price":-1}', "$.price"),
        (b'{"item_id":"a"', "$"),
    ],
)
def test_a_sent_item_that_is_none_says_where(raw: bytes, path: str) -> None:
    found = decode_sent_item(raw)
    assert isinstance(found, Rejection)
    assert found.path == path


def test_a_mark_of_utf_8_before_an_item_is_passed_over() -> None:
    mark = b"\xef\xbb\xbf"
    assert decode_item(b"i", mark + b'{"price":3}') == ItemFacts(price=3.0)
    assert decode_sent_item(mark + b'{"item_id":"i","price":3}') == ("i", ItemFacts(price=3.0))


def test_no_value_removes() -> None:
    assert decode_item(b"i", None) == Removed()


def test_facts_not_said_are_absent_and_the_item_is_available() -> None:
    assert decode_item(b"i", b"{}") == ItemFacts(available=True)


@pytest.mark.parametrize(
    ("key", "value", "reason", "path"),
    [
        (None, b"{}", "bad_value", "key"),
        (b"", b"{}", "bad_value", "key"),
        (b"\xff", b"{}", "not_json", "key"),
        (b"a\nb", b"{}", "bad_value", "key"),
        (b"i" * 257, None, "bad_value", "key"),
        (b"i", b"", "empty", "$"),
        (b"i", b"x" * (MAX_ITEM_BYTES + 1), "oversize", "$"),
        (b"i", b'{"price":-1}', "bad_value", "$.price"),
        (b"i", b'{"price":"1"}', "wrong_type", "$.price"),
        (b"i", b'{"available":1}', "wrong_type", "$.available"),
        (b"i", b'{"tags":["a",3]}', "wrong_type", "$.tags[1]"),
        (b"i", b'{"embedding":[]}', "bad_value", "$.embedding"),
        (b"i", b'{"embedding":[1e999]}', "bad_value", "$.embedding[0]"),
        (b"i", b'{"embedding":[NaN]}', "not_json", "$"),
    ],
)
def test_each_kind_of_bad_item_has_its_reason_and_path(key: Any, value: bytes, reason: str, path: str) -> None:
    rejection = decode_item(key, value)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.path) == (reason, path)


def test_the_prefix_of_a_schema_registry_is_skipped_or_named() -> None:
    prefix = b"\x00\x00\x00\x00\x07"
    assert decode_item(b"i", prefix + b'{"price":3}') == ItemFacts(price=3.0)
    assert "schema registry (schema 7)" in str(decode_item(b"i", prefix + b"\x02\x06tea"))
