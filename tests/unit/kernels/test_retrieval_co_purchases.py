"""What is bought together against its slow twin, and that nothing else enters it."""

from __future__ import annotations

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender import Recommender, RecommenderOptions, bought_together, new_state, partners
from tests import naive
from tests.support.streams.shop import START, ShopEvent

OPTIONS = RecommenderOptions(items=60, users=20, categories=4, brands=4)


def learned(events):
    recommender = Recommender(new_state(OPTIONS), OPTIONS)
    recommender.learn_events(events, [event.timestamp for event in events])
    return recommender.state


def event(user, item, when, kind=dim.PURCHASE):
    return ShopEvent(kind, f"user{user}", f"i{item}", START + when)


def held(state):
    """Every pair that is remembered, by rows."""
    pairs = state.served.baskets
    used = np.flatnonzero((pairs.owner >= 0) & (pairs.other >= 0))
    return {(int(pairs.owner[at]), int(pairs.other[at])): float(pairs.count[at]) for at in used}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_memory_of_orders_is_that_of_its_twin(seed):
    random = np.random.default_rng(seed)
    events, when = [], 0
    for _ in range(1_500):
        when += int(random.choice([0, 0, 1, 30, 61, 500]))
        kind = int(random.choice([dim.CLICK, dim.CART, dim.PURCHASE, dim.PURCHASE, dim.PURCHASE]))
        events.append(event(int(random.integers(4)), int(random.zipf(1.3) % 40), when, kind))
    state = learned(events)
    rows = state.keys["item"].rows
    expected = naive.retrieval.baskets([(e.user_id, rows[e.item_id], int(e.timestamp), e.kind) for e in events])
    assert max(sum(pair[0] == row for pair in expected) for row in rows.values()) == dim.BASKET_SLOTS
    assert held(state) == expected
    for row in rows.values():
        others, orders = partners(state, row)
        assert dict(zip(others.tolist(), orders.tolist(), strict=True)) == {
            other: count for (owner, other), count in expected.items() if owner == row
        }


def test_clicks_other_users_and_the_next_order_make_no_pair():
    state = learned([
        event(1, 1, 0), event(1, 2, 10, dim.CART), event(2, 3, 10), event(1, 4, dim.ORDER_SPAN + 1), event(1, 4, 62),
    ])  # fmt: skip
    assert held(state) == {}


def test_lines_of_one_order_are_pairs_in_both_directions_until_an_item_is_removed():
    recommender = Recommender(new_state(OPTIONS), OPTIONS)
    events = [event(1, 1, 0), event(1, 2, 0), event(1, 3, dim.ORDER_SPAN)]
    recommender.learn_events(events, [e.timestamp for e in events])
    state = recommender.state
    rows = state.keys["item"].rows
    named = [rows[item] for item in ("i1", "i2", "i3")]
    assert held(state) == {(one, other): 1.0 for one in named for other in named if one != other}
    recommender.remove("item", ["i2"])
    assert held(state) == {(named[0], named[2]): 1.0, (named[2], named[0]): 1.0}
    assert bought_together(state, "i1", 5).items == ["i3"]
    assert bought_together(state, "i2", 5).items == []


def test_a_pair_of_every_day_stands_above_two_rare_items_that_met_once():
    events = [event(1, 1, 0), event(1, 9, 0)]
    for order in range(1, 7):
        events += [event(order, 1, 1_000 * order), event(order, 2, 1_000 * order), event(order, 3, 1_000 * order)]
    found = bought_together(learned(events), "i1", 5)
    assert set(found.items[:2]) == {"i2", "i3"}
    assert found.items[2] == "i9"
    assert (np.diff(found.scores) <= 0).all()
