"""Conditions of a filter: how they are written, and which items meet them."""

from __future__ import annotations

import pytest

from models.records.attributes import checked
from models.records.items import ItemFacts
from models.slate.conditions import condition_of

MUG = ItemFacts(
    category="mugs",
    brand="Kyusu",
    price=4.5,
    tags=("clay", "hand made"),
    group_id="mug",
    attributes=checked({"colour": "red", "sizes": ["s", "m"], "stock": 3, "new": True, "code": "007", "ratio": 0.5})[0],
)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("attributes.colour:red", True),
        ("attributes.colour:Red", False),
        ("attributes.colour:", False),
        ("attributes.sizes:m", True),
        ("attributes.sizes:l", False),
        ("attributes.stock:3", True),
        ("attributes.stock:3.0", True),
        ("attributes.stock>=3", True),
        ("attributes.stock>3", False),
        ("attributes.stock<=3", True),
        ("attributes.stock<3", False),
        ("attributes.ratio:0.50", True),
        ("attributes.new:true", True),
        ("attributes.new:1", False),
        ("attributes.new>0", False),
        ("attributes.code:007", True),
        ("attributes.code:7", False),
        ("attributes.colour<9", False),
        ("attributes.none:x", False),
        ("attributes.none<1", False),
        ("brand:Kyusu", True),
        ("category:mugs", True),
        ("group_id:mug", True),
        ("tags:hand made", True),
        ("tags:hand", False),
        ("price<5", True),
        ("rating>1", False),
    ],
)
def test_an_item_meets_a_condition_or_not(text: str, met: bool) -> None:
    assert condition_of(text).holds(MUG) is met


@pytest.mark.parametrize(
    "text",
    ["", "colour:red", "attributes.:red", "attributes.colour", "attributes.stock>many", "embedding:1", ":x"],
)
def test_what_is_no_condition_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME|number"):
        condition_of(text)


def test_a_value_may_hold_signs() -> None:
    found = condition_of("attributes.url:https://shop.example/?a=1,b<2")
    assert (found.name, found.value) == ("attributes.url", "https://shop.example/?a=1,b<2")
