"""Item facts: any record is facts, a removal or a refusal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.records.items import MAX_ITEM_BYTES, ItemFacts, Removed, decode_item, encode_item
from models.records.rejections import REASONS, Rejection


@given(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=100))
def test_any_key_and_value_are_facts_a_removal_or_a_refusal(key: bytes | None, value: bytes | None) -> None:
    result = decode_item(key, value)
    assert not isinstance(result, Rejection) or result.reason in REASONS


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
)


@given(facts)
def test_facts_survive_the_topic(given_facts: ItemFacts) -> None:
    assert decode_item(b"i", encode_item(given_facts)) == given_facts


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
