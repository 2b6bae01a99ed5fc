"""Records that are no events for what a field of theirs says: which values count, and which paths make sense."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from models.records.events import Event, EventRules
from models.records.foreign.mapping import TIME, EventMapping
from models.records.foreign.skips import Skip

FIELDS = {"user_id": "who", "item_id": "lines[*].sku", "timestamp": TIME}


def orders(skip: dict[str, list[str]]) -> EventMapping:
    return EventMapping(EventRules(), FIELDS, default_type="purchase", skip=skip)


@pytest.mark.parametrize(
    ("values", "found", "skipped"),
    [
        (["Refunded", "voided"], "REFUNDED ", True),
        (["refunded"], "partially_refunded", False),
        (["refunded"], None, False),
        (["true"], True, True),
        (["true"], False, False),
        (["7"], 7, True),
        (["7"], "7.0", True),
        (["*"], "2026-01-02T10:00:00Z", True),
        (["*"], {"at": 1}, True),
        (["*"], True, True),
        (["*"], 1.5, True),
        (["*"], False, False),
        (["*"], "False", False),
        (["*"], "no", False),
        (["*"], 0, False),
        (["*"], "0.00", False),
        (["*"], "0000-00-00 00:00:00", False),
        (["*", "0"], 0, True),
        (["*"], "", False),
        (["*"], "NULL", False),
        (["*"], [], False),
        (["*"], float("nan"), False),
        (["seven"], ["seven"], False),
    ],
)
def test_a_value_says_that_a_record_is_no_event(values: list[str], found: object, skipped: bool) -> None:
    assert bool(Skip("status", values).why(found)) is skipped


def test_what_is_no_event_is_not_refused_either_and_is_counted_by_name() -> None:
    mapping = orders({"cancelled_at": ["*"], "lines[*].status": ["returned"]})
    lines = [{"sku": "tea"}, {"sku": "pot", "status": "Returned"}, {"status": "returned"}, {}]
    counts: Counter[str] = Counter()
    document: dict[str, Any] = {"who": "ann", "cancelled_at": None, "lines": lines}
    found = mapping.events(json.dumps(document).encode(), None, 1.7e12, skipped=counts)
    assert [type(each).__name__ for each in found] == ["Event", "NoneType", "NoneType", "Rejection"]
    assert counts == {"lines[*].status is returned": 2}
    cancelled = {"cancelled_at": "2026-01-02", "lines": lines}
    assert mapping.events(json.dumps(cancelled).encode(), None, 1.7e12, skipped=counts) == [None] * 4
    assert counts["cancelled_at has a value"] == 4


def test_without_the_field_a_record_is_an_event() -> None:
    mapping = orders({"state.name|status": ["failed"]})
    placed = {"who": "ann", "lines": [{"sku": "tea"}]}
    assert isinstance(mapping.event(json.dumps(placed).encode(), None, 1.7e12), Event)
    failed = placed | {"state": {"name": ""}, "status": "failed"}
    assert mapping.event(json.dumps(failed).encode(), None, 1.7e12) is None


@pytest.mark.parametrize(
    ("skip", "says"),
    [
        ({"a..b": ["x"]}, "skip: 'a..b' is not a path"),
        ({"status": ["refunded", " "]}, "skip: 'status' names an empty value"),
        ({"status": ["NULL"]}, "skip: 'status' names an empty value"),
        ({"refunds[*].id": ["*"]}, "skip: 'refunds[*].id' goes through a list that no field goes through"),
    ],
)
def test_a_skip_that_cannot_work_is_refused_in_words_of_the_settings(skip: dict[str, list[str]], says: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        orders(skip)
    assert says in str(caught.value)
