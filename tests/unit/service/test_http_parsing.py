"""The options of /recommend are the same in the request's type, the description at /docs, and docs/api.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.http import Problem
from service.http.parsing import LISTS, decode_body, decode_query
from service.http.schemas import Ask
from service.routes.recommend import PARAMETERS

PAGE = (Path(__file__).resolve().parents[3] / "docs/api.md").read_text(encoding="utf-8")
OPTIONS = [name for name in Ask.__struct_fields__ if name != "user_id"]


def test_every_option_is_described_and_on_the_page_and_nothing_else_is() -> None:
    assert sorted(PARAMETERS) == sorted(OPTIONS)
    table = PAGE[PAGE.index("## Recommendations") : PAGE.index("## What is shown")]
    assert [name for name in OPTIONS if f"`{name}`" not in table] == []


def test_every_list_may_be_repeated_or_written_with_commas() -> None:
    lists = {name for name in OPTIONS if isinstance(getattr(Ask(), name), list)} - {"filter"}
    assert lists == LISTS
    for name in lists - {"pinned"}:
        assert getattr(decode_query(f"{name}=a,b&{name}=c".encode(), Ask), name) == ["a", "b", "c"]


def test_a_filter_may_be_repeated_and_its_value_may_hold_commas() -> None:
    found = decode_query(b"filter=attributes.size:1,5&filter=brand:a", Ask).filter
    assert found == ["attributes.size:1,5", "brand:a"]


@pytest.mark.parametrize("number", ["1e999", "9" * 400], ids=["a float", "a whole number"])
def test_a_number_that_no_field_can_hold_is_told_in_words(number: str) -> None:
    for decoded in (
        lambda: decode_query(f"price_min={number}".encode(), Ask),
        lambda: decode_body(f'{{"price_min":{number}}}'.encode(), Ask),
    ):
        with pytest.raises(Problem, match="a number of at most 64 bits, found a larger one"):
            decoded()
